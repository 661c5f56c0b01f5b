"""What people decided about edits, as preference rows for TRL: conversational, with an explicit prompt.

Where an edit was rejected, the answer that stands is preferred to the agent's; where one was accepted in so many words, to the
draft. Turns that nobody decided on say nothing. A row also names the principles whose edits make the difference, who reviewed it,
and the decisions that hold: TRL's trainers leave out columns that are not theirs.
Format: huggingface.co/docs/trl/dataset_formats#preference (TRL 1.16).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from agent.batch.exports.output_file import in_rows
from agent.batch.exports.row_shapes import PREFERENCE
from agent.batch.exports.tables import JsonLines, ParquetFile, Table
from agent.batch.exports.targets import is_folder, replacing
from agent.errors import InputError
from agent.review.conversations import Conversations
from agent.review.turn import Turn, asked, decided, edits
from agent.state import AgentOutput

REVIEWED: dict[str, Any] = {
    **PREFERENCE,
    "reviewer": "string",
    "decisions": [
        {"edit": "int64", "principle_id": "string", "decision": "string", "comment": "string", "at": "string"}
    ],
}
"""A preference row and where it comes from."""


@dataclass(frozen=True)
class ExportedReviews:
    """What was written, and what of."""

    target: Path
    rows: int
    decided: int
    """Turns that somebody decided on."""
    turns: int


def export_reviews(file: Path, target: Path, *, force: bool = False) -> ExportedReviews:
    """Write the decisions in a file of conversations to FILE.jsonl or FILE.parquet, oldest conversation first.

    Raises InputError before anything is changed, also where nobody decided on anything.
    """
    if is_folder(target, files=(".jsonl", ".parquet")):
        raise InputError(f"{target}: name a FILE.jsonl or FILE.parquet")
    with (
        closing(opened(file)) as conversations,
        replacing(target, force=force, folder=False, sources=[file]) as place,
    ):
        table: Table = ParquetFile(place, REVIEWED) if place.suffix == ".parquet" else JsonLines(place)
        rows, decided_on, turns = _written(conversations, table)
        table.close()
        if not decided_on:
            raise InputError(f"{file}: no decisions in it to export; it has {in_rows(turns, 'turn')}")
        if not rows:
            raise InputError(
                f"{file}: no preference in the decisions on {in_rows(decided_on, 'turn')}, of {in_rows(turns, 'turn')}"
            )
    return ExportedReviews(target, rows, decided_on, turns)


def opened(file: Path) -> Conversations:
    """Open a file of conversations that exists; raises InputError, or ConfigError for what is no such file."""
    if not file.is_file():
        raise InputError(f"{file}: there is no such file; name the one that the app keeps its conversations in")
    return Conversations(file)


def preferences(turns: Sequence[Turn]) -> Iterator[dict[str, Any]]:
    """Yield the rows of one conversation's turns, as they stand."""
    for number, turn in enumerate(turns):
        if turn["decisions"]:
            yield from _rows(turns[: number + 1])


def _rows(turns: Sequence[Turn]) -> Iterator[dict[str, Any]]:
    turn = turns[-1]
    output, standing = cast(AgentOutput, turn["output"]), cast(str, turn["answer"])
    if turn["left_out"] and standing != output["answer"]:
        yield _row(turns, "answer", output["answer"], turn["left_out"])
    kept = [edit for edit in range(len(edits(turn))) if edit not in turn["left_out"]]
    if standing != output["draft"] and any(_is_accepted(turn, edit) for edit in kept):
        yield _row(turns, "draft", output["draft"], kept)


def _is_accepted(turn: Turn, edit: int) -> bool:
    decision = decided(turn).get(edit)
    return decision is not None and decision["decision"] == "accept"


def _row(turns: Sequence[Turn], over: str, rejected: str, differing: Iterable[int]) -> dict[str, Any]:
    """Return the row that prefers what stands over another text; `differing`: the edits that make the difference."""
    turn = turns[-1]
    principles = (edits(turn)[edit]["principle_id"] for edit in differing)
    return {
        "id": f"{turn['id']}-over-{over}",
        "prompt": [dict(message) for message in asked(turns)],
        "chosen": [{"role": "assistant", "content": turn["answer"]}],
        "rejected": [{"role": "assistant", "content": rejected}],
        "principle_ids": list(dict.fromkeys(principle for principle in principles if principle)),
        "reviewer": turn["decisions"][-1]["by"] or "",
        "decisions": [_decision(turn, edit) for edit in sorted(decided(turn))],
    }


def _decision(turn: Turn, edit: int) -> dict[str, Any]:
    decision = decided(turn)[edit]
    told = {"decision": decision["decision"], "comment": decision["comment"], "at": decision["at"]}
    return {"edit": edit, "principle_id": edits(turn)[edit]["principle_id"], **told}


def _written(conversations: Conversations, table: Table) -> tuple[int, int, int]:
    """Write all rows; return how many, of how many turns that were decided on, of how many in all."""
    rows = decided_on = count = 0
    for _, turns in conversations.all_turns():
        count += len(turns)
        decided_on += sum(bool(turn["decisions"]) for turn in turns)
        for row in preferences(turns):
            table.add(row, sum(len(message["content"]) for message in row["prompt"] + row["chosen"] + row["rejected"]))
            rows += 1
    return rows, decided_on, count
