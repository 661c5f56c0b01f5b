"""Rows of a batch made out of a few questions and drafts, as many as are wanted and no two alike."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from agent.sentences import split
from evals.dataset import read_examples
from principles_store.conversation import Conversation, Message, parse_conversation

Pair = tuple[str | Conversation, str]
"""Question and draft."""
_LETTERS = "bcdfghjklmnpqrstvwxz"
_VARIANTS = 20


def read_pairs(file: Path | None, sample: Path) -> list[Pair]:
    """Return the questions and drafts of a file of drafts, or the one of a sample."""
    if file:
        return [(example.conversation, example.draft) for example in read_examples(file) if example.draft]
    shown = json.loads(sample.read_text(encoding="utf-8"))
    return [(shown["question"], shown["draft"])]


def numbered_rows(pairs: Sequence[Pair], count: int) -> list[dict[str, Any]]:
    """Return rows that say in question and draft which case they are, and are the given pairs, over and over, otherwise."""
    rows = (_row(number, *pairs[number % len(pairs)]) for number in range(count))
    return [row | {"draft": f"{row['draft']} This is about case {number}."} for number, row in enumerate(rows)]


def unlike_rows(pairs: Sequence[Pair], count: int) -> list[dict[str, Any]]:
    """Return rows of which no sentence of a draft is in another's, so that the encoder has seen none before."""
    rows = (_row(number, *pairs[number % len(pairs)]) for number in range(count))
    return [row | {"draft": _marked(row["draft"], number)} for number, row in enumerate(rows)]


def sized_rows(pairs: Sequence[Pair], count: int, size: int = 2_000) -> Iterator[dict[str, Any]]:
    """Yield rows of about `size` bytes, no two alike, but what is encoded of them comes from a small stock.

    Most of a row is what was said before its question.
    """
    stock = [_marked(draft, number) for number in range(_VARIANTS) for _, draft in pairs[:_VARIANTS]]
    sentences = [text[sentence.start : sentence.end] for text in stock for sentence in split(text)]
    for number in range(count):
        chance = Random(number)
        row = _row(number % _VARIANTS, *pairs[number % _VARIANTS % len(pairs)])
        earlier = {"role": "assistant", "content": ""}
        row |= {"id": f"row {number}", "draft": " ".join(chance.sample(sentences, 3))}
        row["conversation"] = [row["conversation"][-1], earlier, row["conversation"][-1]]
        left = size - len(json.dumps(row))
        while left > 0:
            sentence = chance.choice(sentences)
            earlier["content"] += f"{sentence} "
            left -= len(sentence) + 1
        yield row


def write_rows(rows: Iterable[Mapping[str, Any]], file: Path) -> Path:
    """Write rows as JSON Lines and return the file."""
    with file.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return file


def read_cases(file: Path) -> list[tuple[list[Message], str]]:
    """Return conversations and drafts of rows that these functions have written."""
    with file.open(encoding="utf-8") as lines:
        return [(row["conversation"], row["draft"]) for row in map(json.loads, lines)]


def _row(number: int, question: str | Conversation, draft: str) -> dict[str, Any]:
    *earlier, last = parse_conversation(question)
    asked = {"role": last["role"], "content": f"{last['content']} (case {number})"}
    return {"id": f"case {number}", "conversation": [*earlier, asked], "draft": draft}


def _marked(text: str, number: int) -> str:
    """Return the text with a word of its own in every sentence; letters, since a digit would be a fact to be kept."""
    mark = ""
    for _ in range(3):
        number, letter = divmod(number, len(_LETTERS))
        mark += _LETTERS[letter]
    for sentence in reversed(split(text)):
        end = sentence.start + len(text[sentence.start : sentence.end].rstrip(" .!?:"))
        text = f"{text[:end]} ({mark}){text[end:]}"
    return text
