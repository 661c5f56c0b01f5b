"""Answers for supervised training before GRPO: from files, or for the tiny model put together from shipped example sentences.

A file holds one kind of row: the output of `clinalign batch`, whose conversations are read from the input that its run names;
preferences, of which the preferred response counts; or a conversation or question with its answer.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from agent.batch.row_files import Record, read_records
from agent.errors import ClinAlignError, InputError
from principles_store.conversation import Message, parse_conversation
from training.csv_records import is_csv

Answered = tuple[list[Message], str]
"""A conversation and the answer to learn."""

SENTENCES = 3
"""Of an answer that is put together, at most."""
EXAMPLES = 1
"""Of a criterion's example sentences of either kind, those that are used: the fewer, the sooner a tiny model knows them."""
COMMON = 5
"""Questions that a criterion must apply to: a tiny model can't learn what it hardly ever meets."""
HELD_OUT = 0.25
"""Share of the shipped questions that are never answered here: a run with data.gold_share up to this holds out unseen ones."""
ANSWERS = 4
"""To each shipped question."""
_ASKED_BY = ("conversation", "question", "prompt")
_ANSWERED_BY = ("answer", "response", "completion")
_FORMS = (
    "rows of clinalign batch, preferences (prompt with chosen and rejected), or objects with conversation or question, "
    "and answer"
)


def read_answers(path: Path, *, accepted_only: bool) -> Iterator[Answered]:
    """Yield the answers of a file in its order, one at a time; InputError naming file, line and remedy.

    `accepted_only`: of the rows of a batch, those whose revision was accepted. Rows that are only an error, and preferences
    without a preferred response, are passed over; a file that leaves nothing is refused.
    """
    answers = _of_file(path, accepted_only=accepted_only)
    found = next(answers, None)
    if found is None:
        raise InputError(f"{path}: no answers to learn from in it; give {_FORMS}")
    yield from chain((found,), answers)


def shipped_answers(seed: int) -> Iterator[Answered]:
    """Yield answers to shipped questions, put together from example sentences that meet a criterion or break it.

    Which of the two a coin decides, so that there is something left to learn. The same seed gives the same answers.
    """
    from training.alignment.shipped import kept_rows, shipped_criteria
    from training.alignment.splits import is_gold

    criteria = shipped_criteria()
    coin = random.Random(seed)
    rows = [row for row in kept_rows() if not is_gold(row.id, HELD_OUT)]
    asked = Counter(item.text for row in rows for item in row.rubric)
    for row in rows * ANSWERS:
        common = [criteria[item.text] for item in row.rubric if asked[item.text] >= COMMON]
        sides = [coin.choice((item.meets, item.breaks)) for item in common]
        told = [coin.choice(side[:EXAMPLES]) for side in sides if side]
        if told:
            yield row.conversation, " ".join(coin.sample(told, min(SENTENCES, len(told))))


def _of_file(path: Path, *, accepted_only: bool) -> Iterator[Answered]:
    """Return the answers of a file, whose first row tells what kind of rows it holds."""
    if is_csv(path):
        return _of_preferences(path)
    first = next((record.data for record in read_records(path, columns=None)), None)
    if _is_batch_row(first):
        return _of_batch(path, accepted_only=accepted_only)
    if isinstance(first, Mapping) and not _has_answer(first):
        return _of_preferences(path)
    return _of_answers(path, accepted_only=accepted_only)


def _is_batch_row(row: Any) -> bool:
    return isinstance(row, Mapping) and "id" in row and not any(key in row for key in _ASKED_BY)


def _has_answer(row: Mapping[str, Any]) -> bool:
    return any(row.get(key) is not None for key in _ANSWERED_BY)


def _of_batch(path: Path, *, accepted_only: bool) -> Iterator[Answered]:
    """Yield the answers of an output in the order of its input, of which it keeps the ids only."""
    from agent.batch.exports.origin import Origin
    from agent.batch.exports.output_file import OutputFile
    from agent.batch.rows import Row, read_rows

    try:
        origin = Origin.of(path)
        origin.survey()
    except InputError as error:
        raise InputError(
            f"{path}: its rows name no conversations, and those of its run can't be had ({error}); "
            "or give preferences, from clinalign export --preferences"
        ) from error
    with OutputFile(path) as opened:
        wanted = {
            row["id"]: start
            for start, _, row in opened.read()
            if "error" not in row and (row["accepted"] or not accepted_only)
        }
        for row in read_rows(origin.source):
            if isinstance(row, Row) and row.id in wanted:
                yield row.conversation, opened.read_again(wanted[row.id])["answer"]


def _of_preferences(path: Path) -> Iterator[Answered]:
    from training.preference_files import read_preferences

    return (
        (list(record.conversation), record.chosen.text)
        for record in read_preferences(path)
        if record.chosen is not None
    )


def _of_answers(path: Path, *, accepted_only: bool) -> Iterator[Answered]:
    for record in read_records(path, columns=None):
        try:
            answered = _answered(record, accepted_only=accepted_only)
        except ClinAlignError as error:
            raise InputError(f"{path}: {record.unit} {record.number}: {error}") from error
        if answered:
            yield answered


def _answered(record: Record, *, accepted_only: bool) -> Answered | None:
    """Return the conversation and the answer of a row; None for an error, or a revision that isn't wanted."""
    if record.fault is not None:
        raise InputError(record.fault)
    row = record.data
    if not isinstance(row, Mapping):
        raise InputError(f"expected an object, found {type(row).__name__}")
    if row.get("error") is not None or (accepted_only and row.get("accepted") is False):
        return None
    conversation = parse_conversation(row[_one_of(row, _ASKED_BY)])
    answer = row[told := _one_of(row, _ANSWERED_BY)]
    if not isinstance(answer, str) or not answer.strip():
        raise InputError(f"{told} must be a text that isn't empty, found {answer!r:.60}")
    return conversation, answer


def _one_of(row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    given = [name for name in names if row.get(name) is not None]
    if len(given) != 1:
        found = " and ".join(given) or f"none, but {', '.join(map(repr, list(row)[:8])) or 'no key'}"
        raise InputError(f"needs one of {', '.join(names)}; found {found}; give {_FORMS}")
    return given[0]
