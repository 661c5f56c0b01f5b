"""What the questions of a run are, read once before it: which are trained on, which are held out, which are left out and why.

Streamed: of a row a few dozen bytes are kept, never its text. Every reader of the same files finds the same rows again by their
numbers. What must not be trained on in silence is refused here: a question on both sides, a side without any.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from agent.errors import InputError
from principles_store.conversation import Message
from training.alignment.config import SHIPPED, DataSection
from training.alignment.rows import Row, Seen, placed_rows
from training.alignment.splits import is_gold, rank

TokenCount = Callable[[Sequence[Message]], int]
OUT, TRAIN, GOLD = range(3)
"""Sides of a row."""


@dataclass(frozen=True, slots=True)
class DataCounts:
    """How many questions there are, and what they are like."""

    rows: int
    """Different questions in all files."""
    train: int
    gold: int
    """Held out and asked."""
    left_out_gold: int
    """Held out and not asked: there are more than data.gold_most."""
    too_long: int
    """More than data.max_prompt_tokens."""
    doubles: int
    """Rows that repeat one that was read, as graded answers to one question do."""
    asked_as_gold: int
    """Not trained on because a held-out question asks exactly the same under another id."""
    passed_over: Mapping[str, int]
    """Rows without anything to train on, by what they say of themselves."""
    criteria_mean: float
    """Per question that is trained on, as all that follow."""
    criteria_most: int
    rubric_characters_mean: float
    prompt_tokens_mean: float
    prompt_tokens_most: int

    def as_dict(self) -> dict[str, Any]:
        """Return the object of plan and manifest."""
        return asdict(self)


@dataclass(frozen=True)
class Survey:
    """On which side each row stands, by its number over all files in their order, those of the held-out questions first."""

    sides: bytearray
    gold: tuple[int, ...]
    """Numbers of the held-out questions that are asked, in the order of their ranks."""
    counts: DataCounts


class _Sized(NamedTuple):
    """What is kept of a question that may be trained on."""

    number: int
    asked: int
    criteria: int
    characters: int
    tokens: int


@dataclass
class _Sides:
    """The rows so far; numbers run over all rows, also those that repeat another."""

    sides: bytearray = field(default_factory=bytearray)
    columns: tuple[array[int], ...] = field(default_factory=lambda: tuple(array("Q") for _ in _Sized._fields))
    """Of what may be trained on: 40 bytes per question."""
    gold: list[tuple[int, int]] = field(default_factory=list)
    """Rank and number."""
    held_out: dict[int, str] = field(default_factory=dict)
    """What held-out questions ask, also those that are too long or not asked, and where."""
    seen: Seen = field(default_factory=Seen)
    held_out_ids: Seen = field(default_factory=Seen)
    """Of data.gold_files."""
    out: Counter[str] = field(default_factory=Counter)


def placed(data: DataSection) -> Iterator[tuple[bool, str, Row]]:
    """Yield every row of a run with whether its file is one of held-out questions, and its place; those files first."""
    return _placed(data, Counter())


def prompt_of(row: Row, system: str | None) -> list[Message]:
    """Return what the policy is asked: the conversation, behind the run's system message if it has none of its own."""
    has_own = any(turn["role"] == "system" for turn in row.conversation)
    return row.conversation if system is None or has_own else [{"role": "system", "content": system}, *row.conversation]


def survey(data: DataSection, count_tokens: TokenCount) -> Survey:
    """Read all rows once; InputError naming file and line of one that can't be used, or key and remedy of a side without any."""
    passed_over: Counter[str] = Counter()
    found = _Sides()
    for is_held_out, place, row in _placed(data, passed_over):
        if data.gold_files and not is_held_out:
            _refuse_shared(row, place, found)
        found.sides.append(OUT)
        _add(row, place, is_held_out, found, data, count_tokens)
    return _settled(data, found, passed_over)


def _add(row: Row, place: str, is_held_out: bool, found: _Sides, data: DataSection, count_tokens: TokenCount) -> None:
    number = len(found.sides) - 1
    if not (found.held_out_ids if is_held_out else found.seen).is_new(row, place):
        found.out["doubles"] += 1
        return
    is_measured = is_held_out or (not data.gold_files and is_gold(row.id, data.gold_share))
    if is_measured:
        found.held_out.setdefault(row.asked, place)
    tokens = count_tokens(prompt_of(row, data.system))
    if tokens > data.max_prompt_tokens:
        found.out["too_long"] += 1
    elif is_measured:
        found.gold.append((rank(row.id), number))
    else:
        characters = sum(len(item.text) for item in row.rubric)
        sized = _Sized(number, row.asked, len(row.rubric), characters, tokens)
        for column, value in zip(found.columns, sized, strict=True):
            column.append(value)


def _placed(data: DataSection, passed_over: Counter[str]) -> Iterator[tuple[bool, str, Row]]:
    for is_held_out, files in ((True, data.gold_files), (False, data.files)):
        for path in files:
            for place, row in _rows(path, passed_over):
                yield is_held_out, place, row


def _rows(path: Path, passed_over: Counter[str]) -> Iterator[tuple[str, Row]]:
    if str(path) != SHIPPED:
        yield from placed_rows(path, passed_over)
        return
    from training.alignment.shipped import kept_rows

    for row in kept_rows():
        yield f"{SHIPPED}: {row.id}", row


def _refuse_shared(row: Row, place: str, found: _Sides) -> None:
    """Refuse a row to train on that data.gold_files hold out, by its id or by what it asks."""
    held_out = found.held_out_ids.place_of(row.id) or found.held_out.get(row.asked)
    if held_out is not None:
        what = "has the id" if found.held_out_ids.place_of(row.id) else "asks exactly the question"
        raise InputError(
            f"{place}: {row.id!r} {what} that is held out at {held_out}; take it out of data.files or of data.gold_files, "
            "else the model is measured by what it was trained on"
        )


def _settled(data: DataSection, found: _Sides, passed_over: Counter[str]) -> Survey:
    gold = sorted(found.gold)
    asked = tuple(number for _, number in gold[: data.gold_most])
    for number in asked:
        found.sides[number] = GOLD
    train, sums, most = 0, [0, 0, 0], [0, 0, 0]
    for number, question, *sizes in zip(*found.columns, strict=True):
        if question in found.held_out:
            found.out["asked_as_gold"] += 1
            continue
        found.sides[number] = TRAIN
        train += 1
        sums = [total + size for total, size in zip(sums, sizes, strict=True)]
        most = [max(pair) for pair in zip(most, sizes, strict=True)]
    _refuse_empty(data, train, len(asked), found.out["too_long"])
    counts = DataCounts(
        rows=len(found.columns[0]) + len(gold) + found.out["too_long"],
        train=train,
        gold=len(asked),
        left_out_gold=len(gold) - len(asked),
        too_long=found.out["too_long"],
        doubles=found.out["doubles"],
        asked_as_gold=found.out["asked_as_gold"],
        passed_over=dict(passed_over),
        criteria_mean=sums[0] / train,
        criteria_most=most[0],
        rubric_characters_mean=sums[1] / train,
        prompt_tokens_mean=sums[2] / train,
        prompt_tokens_most=most[2],
    )
    return Survey(found.sides, asked, counts)


def _refuse_empty(data: DataSection, train: int, gold: int, too_long: int) -> None:
    named = ", ".join(map(str, data.files))
    long = f"; {too_long:,} are longer than data.max_prompt_tokens = {data.max_prompt_tokens:,}" if too_long else ""
    if not train:
        raise InputError(f"{named}: no question is left to train on{long}; name more files, or lower data.gold_share")
    if not gold and data.gold_files:
        raise InputError(f"data.gold_files: no question in them is short enough{long}; raise data.max_prompt_tokens")
    if not gold:
        share = f"data.gold_share = {data.gold_share:g}"
        raise InputError(
            f"{named}: {share} holds out none of {train:,} questions{long}; raise it, or name data.gold_files"
        )


def row_bytes(row: Row) -> bytes:
    """Return what stands for a row that comes from no file, when data are told apart by a hash."""
    data = {"id": row.id, "conversation": row.conversation, "rubric": [item.as_dict() for item in row.rubric]}
    return json.dumps(data, sort_keys=True).encode() + b"\n"
