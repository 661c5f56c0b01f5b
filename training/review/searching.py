"""The index that a search looks into: FTS5 on SQLite, a GIN index over word vectors on PostgreSQL; both need no extension.

Words are split and folded here, so that both find the same: what begins with what is looked for. Chinese and Japanese, which put no
spaces between words, are indexed character by character.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, TextClause, column, text

_MAKE = {
    "sqlite": (
        "CREATE VIRTUAL TABLE rubric_search USING fts5(words, content='', columnsize=0, prefix='1 2 3', "
        "tokenize=\"unicode61 remove_diacritics 0 categories 'L* M* N* Co'\")",
    ),
    "postgresql": (
        "CREATE TABLE rubric_search (position integer PRIMARY KEY, words tsvector NOT NULL)",
        "CREATE INDEX rubric_search_words ON rubric_search USING gin (words) WITH (fastupdate = off)",
    ),
}
_ADD = {
    "sqlite": "INSERT INTO rubric_search (rowid, words) VALUES (:position, :words)",
    "postgresql": "INSERT INTO rubric_search VALUES (:position, array_to_tsvector(string_to_array(:words, ' ')))",
}
_FIND = {
    "sqlite": "SELECT rowid AS position FROM rubric_search WHERE rubric_search MATCH :wanted",
    "postgresql": "SELECT position FROM rubric_search WHERE words @@ CAST(:wanted AS tsquery)",
}
_LONGEST = 60
"""Characters of a word that are indexed."""
_UNSPACED = (("\u3040", "\u9fff"), ("\uf900", "\ufaff"), ("\U00020000", "\U0003ffff"))
"""Kana and Chinese characters, from the first to the last."""


def make(connection: Connection) -> None:
    """Make the index."""
    for statement in _MAKE[connection.dialect.name]:
        connection.exec_driver_sql(statement)


def add(connection: Connection, texts: Mapping[int, str]) -> None:
    """Index texts by their records' positions."""
    rows = [{"position": position, "words": " ".join(sorted(set(split(words))))} for position, words in texts.items()]
    connection.execute(text(_ADD[connection.dialect.name]), rows)


def found(connection: Connection, words: Sequence[str]) -> TextClause:
    """Return the query for the `position` of each record in which words begin with all of these."""
    between, each = (" ", '"{}" *') if connection.dialect.name == "sqlite" else (" & ", "'{}':*")
    wanted = between.join(each.format(word) for word in words)
    return text(_FIND[connection.dialect.name]).bindparams(wanted=wanted).columns(column("position"))  # type: ignore[return-value]


def split(words: str) -> list[str]:
    """Return the words of a text, folded; letters, marks and digits alone, so that none means anything in a query."""
    spaced = (_spaced(letter) for letter in unicodedata.normalize("NFKC", words.casefold()))
    return [word[:_LONGEST] for word in "".join(spaced).split()]


def _spaced(letter: str) -> str:
    if letter.isascii():
        return letter if letter.isalnum() else " "
    if unicodedata.category(letter)[0] not in "LMN":
        return " "
    is_unspaced = any(first <= letter <= last for first, last in _UNSPACED)
    return f" {letter} " if is_unspaced else letter
