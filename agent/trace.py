"""One JSON line per answer, for whoever has to account for it: prompts by name and hash, models, sampling, tokens, what came out.
Another for each time that a person decides on its edits; that one names the answer by the id of its line.

No text of the conversation, and none that a model wrote about it, unless asked for. Several processes may append to one file:
a line is one `write` to a file opened for appending, which local file systems keep whole (network file systems may not).
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

from agent.errors import ConfigError
from agent.sentences import count_words

_logger = logging.getLogger(__name__)
_TEXTS = ("draft", "answer", "rubric", "critiques", "edits", "warnings")


def check_trace(file: Path) -> None:
    """Raise ConfigError if lines can't be appended to the file; asked before anything is paid for."""
    try:
        os.close(_open(file))
    except OSError as error:
        raise ConfigError(
            f"can't write the trace {str(file)!r}: {error.strerror}; name a file in a folder that exists"
        ) from error


def write_trace(
    file: Path,
    output: Mapping[str, Any],
    *,
    with_text: bool = False,
    conversation: Sequence[Mapping[str, Any]] = (),
    answer_id: str | None = None,
) -> str:
    """Append an answer's record and return its id, a new one unless given; `conversation` is kept only with the other texts."""
    record = trace_record(output)
    if answer_id is not None:
        record["id"] = answer_id
    if with_text:
        record["text"] = {"conversation": [dict(turn) for turn in conversation], **{key: output[key] for key in _TEXTS}}
    _append(file, record)
    return str(record["id"])


def write_decisions(
    file: Path,
    turn: Mapping[str, Any],
    decisions: Sequence[Mapping[str, Any]],
    *,
    calls: Sequence[Mapping[str, Any]] = (),
    with_text: bool = False,
) -> None:
    """Append the record of what a person has just decided on a turn (agent/review/turn.py).

    `calls`: the records of the model calls that judged the outcome.
    """
    record = decisions_record(turn, decisions) | {"calls": list(calls)}
    if with_text:
        said = [dict(decision) for decision in decisions]
        record["text"] = {"decisions": said, "answer": turn["answer"], "critique": turn["verdicts"]}
    _append(file, record)


def _append(file: Path, record: Mapping[str, Any]) -> None:
    """Append a record; a disk that is full by now costs a warning, not the answer."""
    line = json.dumps(record).encode() + b"\n"  # ASCII: no character in it that someone's reader takes for a line's end
    try:
        descriptor = _open(file)
        try:
            written = os.write(descriptor, line)
        finally:
            os.close(descriptor)
        if written < len(line):
            raise OSError(None, "the disk is full")
    except OSError as error:
        _logger.warning("the record %s of the trace could not be written to %s: %s", record["id"], file, error.strerror)


def trace_record(output: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of an answer without text: names, hashes, counts."""
    return {
        **_stamp(),
        **{key: output[key] for key in ("engine", "models", "library_hash", "scenario", "calls", "usage")},
        **{key: output[key] for key in ("accepted", "stopped_because", "rounds")},
        "principles": [{"id": found["id"], "score": found["score"]} for found in output["principles"]],
        "criteria": [{key: row[key] for key in ("principle_id", "points")} for row in output["rubric"]],
        "verdicts": [_counts(row["verdict"] for row in rows) for rows in output["critiques"]],
        "edits": [_edit(edit) for edit in output["edits"]],
        "words": {name: count_words(output[name]) for name in ("draft", "answer")},
        "warnings": len(output["warnings"]),
    }


def decisions_record(turn: Mapping[str, Any], decisions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is kept of decisions without text; who made them is not."""
    return {
        **_stamp(),
        "kind": "decisions",
        "answer": turn["id"],
        "decisions": [_decision(turn, decision) for decision in decisions],
        "left_out": turn["left_out"],
        "verdicts": None if turn["verdicts"] is None else _counts(row["verdict"] for row in turn["verdicts"]),
        "words": count_words(turn["answer"]),
    }


def _stamp() -> dict[str, Any]:
    return {
        "id": uuid4().hex,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "clinalign": version("clinalign"),
    }


def _decision(turn: Mapping[str, Any], decision: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "edit": decision["edit"],
        "principle_id": turn["output"]["edits"][decision["edit"]]["principle_id"],
        "decision": decision["decision"],
        "has_comment": bool(decision["comment"]),
    }


def _edit(edit: Mapping[str, Any]) -> dict[str, Any]:
    words = {f"words_{side}": count_words(edit[side]) for side in ("before", "after")}
    return {"op": edit["op"], "principle_id": edit["principle_id"], **words}


def _counts(verdicts: Iterable[str]) -> dict[str, int]:
    counts = Counter(verdicts)
    return {value: counts[value] for value in ("met", "unmet", "unknown")}


def _open(file: Path) -> int:
    return os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
