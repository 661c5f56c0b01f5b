"""Verdicts that are paid for, kept in the run's folder: a step that is repeated after a kill costs nothing and earns the same.

One SQLite file per process, which has it to itself. It holds hashes and verdicts, no text of anybody. What the
judges have cost stands there too, so that a bound on it holds over any number of kills. A file that fails in mid-run ends
nothing, since the other processes would wait for this one: what is kept is asked for again, and what is spent counts on in memory.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from agent.errors import ConfigError
from agent.ledger import Usage
from training.alignment.judging import Case, Sheet

_log = logging.getLogger(__name__)
_LETTERS = {True: "m", False: "u", None: "?"}
_METS = {letter: met for met, letter in _LETTERS.items()}
_LOCK_WAIT_S = 5.0
# A log that only its one process reads: it outlives a kill without waiting for the disk, and a network's file system takes it too.
_OPENING = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS verdicts (key BLOB PRIMARY KEY, mets TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spent (
    split TEXT PRIMARY KEY, calls INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cost REAL NOT NULL
);
"""
_AT_ONCE = 500
"""Placeholders of one query; SQLite takes 999 for sure."""


def case_key(judge: str, case: Case) -> bytes:
    """Return what tells one judgement from another: who judges and how, conversation, rubric, answer."""
    rubric = [[criterion.text, criterion.points] for criterion in case.rubric]
    shown = [judge, [[message["role"], message["content"]] for message in case.conversation], rubric, case.response]
    return hashlib.blake2b(json.dumps(shown).encode(), digest_size=16).digest()


class KeptVerdicts:
    """The verdicts of one process; used by one thread."""

    def __init__(self, file: Path) -> None:
        """Open the file, or make it, for this process alone. Raises ConfigError for one that can't be had, or is none of ours."""
        self._file = file
        self._complaints: set[str] = set()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(file, timeout=_LOCK_WAIT_S)
            self._connection.executescript(_OPENING)
            self._connection.execute("SELECT key, mets FROM verdicts LIMIT 1")
            rows = self._connection.execute("SELECT split, calls, input_tokens, output_tokens, cost FROM spent")
            self._spent = {split: Usage(*amounts) for split, *amounts in rows}
        except (OSError, sqlite3.Error) as error:
            remedy = "move it away, or name another run.output"
            if "locked" in str(error):
                remedy = "does another training run in this folder? Let it end, or name another --output"
            raise ConfigError(f"{file}: verdicts can't be kept there: {error}; {remedy}") from error

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Sheet]:
        """Return the sheets that are kept, by key; none of them where the file can't be read, which is told once."""
        try:
            return self._found(keys)
        except sqlite3.Error as error:
            self._complain("can't be read: {}; they are asked for again", error)
            return {}

    def keep(self, sheets: Iterable[tuple[bytes, Sheet]], *, split: str, spent: Usage) -> None:
        """Keep sheets and add what was spent.

        A disk that refuses costs no reward: it is told once, and what was spent counts all the same.
        """
        total = self._spent[split] = self.spent(split) + spent
        rows = [(key, "".join(_LETTERS[met] for met in sheet.mets)) for key, sheet in sheets]
        amounts = (total.calls, total.input_tokens, total.output_tokens, total.cost)
        try:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", rows)
                self._connection.execute("INSERT OR REPLACE INTO spent VALUES (?, ?, ?, ?, ?)", (split, *amounts))
        except sqlite3.Error as error:
            self._complain(
                "can't be kept: {}; a resumed run asks for them again, and doesn't know what they cost", error
            )

    def spent(self, split: str) -> Usage:
        """Return what has been spent since the folder was new, with what the disk has refused to take."""
        return self._spent.get(split, Usage())

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _found(self, keys: Sequence[bytes]) -> dict[bytes, Sheet]:
        found: dict[bytes, Sheet] = {}
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            holes = ",".join("?" * len(some))
            rows = self._connection.execute(f"SELECT key, mets FROM verdicts WHERE key IN ({holes})", some)  # noqa: S608
            found |= {key: Sheet(tuple(_METS[letter] for letter in mets)) for key, mets in rows}
        return found

    def _complain(self, what: str, error: sqlite3.Error) -> None:
        """Tell each kind of trouble once, not in each step."""
        if what not in self._complaints:
            _log.warning("%s: verdicts %s", self._file, what.format(error))
        self._complaints.add(what)
