"""What each kind of exported row is made of, key by key, as an Arrow schema and as a check of rows that were read.

Explicit, since a schema guessed from the rows at hand breaks at the first empty list, and a guess drops a key it has not met.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

Shape = str | list[Any] | dict[str, Any]
"""A leaf's type by its name in Arrow, [shape of the items], or {key: shape}."""

ANSWER: dict[str, Any] = {
    "id": "string",
    "answer": "string",
    "draft": "string",
    "accepted": "bool",
    "stopped_because": "string",
    "scenario": {
        "urgency": "string",
        "uncertainty": "string",
        "expertise": "string",
        "task_type": "string",
        "confidence": {"urgency": "double", "uncertainty": "double", "expertise": "double", "task_type": "double"},
    },
    "principles": [{"id": "string", "title": "string", "dimension": "string", "score": "double", "why": ["string"]}],
    "seeds": [
        {"rubric_id": "string", "similarity": "double", "verified": "bool", "question": "string", "criteria": "int64"}
    ],
    "rubric": [{"criterion": "string", "points": "int64", "principle_id": "string"}],
    "critiques": [
        [
            {
                "criterion": "string",
                "principle_id": "string",
                "verdict": "string",
                "evidence": "string",
                "reason": "string",
                "fix": "string",
            }
        ]
    ],
    "edits": [
        {
            "op": "string",
            "before": "string",
            "after": "string",
            "principle_id": "string",
            "criterion": "string",
            "reason": "string",
        }
    ],
    "patches": [{"start": "int64", "end": "int64", "text": "string", "edit": "int64"}],
    "rounds": "int64",
    "usage": {
        "calls": "int64",
        "input_tokens": "int64",
        "output_tokens": "int64",
        "cost": "double",
        "seconds": "double",
    },
    "calls": [
        {
            "step": "string",
            "model": "string",
            "prompt": "string",
            "prompt_hash": "string",
            "sampling": {"temperature": "double", "seed": "int64", "max_tokens": "int64"},
            "attempts": "int64",
            "seconds": "double",
            "input_tokens": "int64",
            "cached_input_tokens": "int64",
            "output_tokens": "int64",
            "reasoning_tokens": "int64",
            "finish_reason": "string",
        }
    ],
    "engine": "string",
    "models": {"writer": "string", "judge": "string"},
    "library_hash": "string",
    "rubrics_hash": "string",
    "warnings": ["string"],
}
"""A row of `clinalign batch` that was answered: the object of `clinalign revise --json` and its id."""

ERROR: dict[str, Any] = {"id": "string", "error": {"type": "string", "message": "string"}}
"""One that failed."""

_MESSAGES = [{"role": "string", "content": "string"}]
PREFERENCE: dict[str, Any] = {
    "id": "string",
    "prompt": _MESSAGES,
    "chosen": _MESSAGES,
    "rejected": _MESSAGES,
    "principle_ids": ["string"],
}
"""TRL's conversational preference with an explicit prompt; its trainers leave out the columns that are not theirs."""

_LEAVES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "bool": (bool,),
    "int64": (int,),
    "double": (float, int),
}
_NAMES = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object",
}
_INT64 = range(-(2**63), 2**63)
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_NEEDED = ("answer", "draft", "accepted")


def arrow_schema(shape: Mapping[str, Shape]) -> pa.Schema:
    """Return the schema of a table of such rows; every column takes nulls."""
    import pyarrow as pa

    return pa.schema(_struct(shape))


def _struct(shape: Mapping[str, Shape]) -> list[tuple[str, Any]]:
    return [(key, _arrow_type(inner)) for key, inner in shape.items()]


def _arrow_type(shape: Shape) -> Any:
    import pyarrow as pa

    if isinstance(shape, str):
        return pa.type_for_alias(shape)
    return pa.list_(_arrow_type(shape[0])) if isinstance(shape, list) else pa.struct(_struct(shape))


def fault_of(row: Any) -> str | None:
    """Return why something is no row of `clinalign batch`, or None; a key that an earlier version didn't write may be missing."""
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        return "not a row of `clinalign batch`: it has no id"
    shape, needed = (ERROR, ("error",)) if "error" in row else (ANSWER, _NEEDED)
    if missing := [key for key in needed if row.get(key) is None]:
        return f"not a row of `clinalign batch`: it has no {missing[0]}"
    fault = _mismatch(row, shape)
    return ": ".join(fault) if fault else None


def _mismatch(value: Any, shape: Shape) -> tuple[str, str] | None:
    """Return the first place where a value is not of its shape, and why; nulls fit everywhere."""
    if value is None:
        return None
    if isinstance(shape, str):
        fits = type(value) in _LEAVES[shape] and (shape != "int64" or value in _INT64)
        return None if fits else ("", f"must be {_NAMES[_LEAVES[shape][0]]}, found {_kind(value)}")
    if type(value) is not type(shape):
        return "", f"must be {_NAMES[type(shape)]}, found {_kind(value)}"
    if isinstance(shape, list):
        return next((fault for item in value if (fault := _mismatch(item, shape[0]))), None)
    return _mismatch_of_keys(value, shape)


def _mismatch_of_keys(value: Any, shape: Mapping[str, Shape]) -> tuple[str, str] | None:
    for key, inner in value.items():
        if key not in shape:
            return key, "a key that this version doesn't write; export with the version that wrote it"
        if fault := _mismatch(inner, shape[key]):
            return ".".join(filter(None, (key, fault[0]))), fault[1]
    return None


def _kind(value: object) -> str:
    return _NAMES.get(type(value), type(value).__name__)


def without_half_characters(text: str) -> str:
    """Return text that UTF-8 can hold; half a character (a lone surrogate, which a model may write) becomes U+FFFD."""
    return _HALF_CHARACTER.sub("\ufffd", text)
