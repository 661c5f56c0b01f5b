"""One row of a file as a record: ours, a preference as TRL has it, two responses with a vote, or a rubric by itself.

The form is told by the keys. What a form doesn't need may stand beside it and is left out; what it needs and is malformed raises
InputError that names the field. Forms: huggingface.co/docs/trl/dataset_formats#preference, openai/simple-evals (HealthBench).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from agent.batch.row_files import ID_KEYS
from agent.errors import InputError
from principles_store.conversation import ConversationError, Message, parse_conversation
from principles_store.rubric_entry import TAGS
from training.preference_pairs import Pair, pair_of
from training.preferences import HealthRubric

PREFERRED_KEYS = ("preferred", "winner")
_FIRST = frozenset({"a", "response_a", "model_a", "first", "response_1", "model_1"})
_SECOND = frozenset({"b", "response_b", "model_b", "second", "response_2", "model_2"})
_NEITHER = frozenset({"", "tie", "both", "equal", "same", "neither", "none", "null"})
_QUESTION_KEYS = ("prompt", "question", "conversation")
_FORMS = (
    "a HealthRubrics record, prompt with chosen and rejected, prompt with response_a, response_b and preferred, "
    "or prompt with rubrics"
)
_AXIS = "axis:"


def id_in(row: Mapping[str, Any]) -> str | None:
    """Return the id that a row brings; InputError if it is none."""
    name = next((name for name in ID_KEYS if row.get(name) is not None), None)
    if name is None:
        return None
    value = row[name]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{name} must be a text that isn't empty, or a whole number; found {value!r}")
    return value


def record_of(row: Mapping[str, Any], *, source: str, numbering: Callable[[], int]) -> HealthRubric:
    """Return the record of a row. `source`: where it was read; `numbering`: tells which number is the first response's."""
    if "schema_version" in row:
        return _own_record(row)
    if "error" in row:
        raise InputError(f"an error of an earlier step, nothing to read: {str(row['error'])[:200]}")
    data = _rubric(row) | _common(row, source)
    data |= _preference(row, numbering) if _has_pair(row) else {"conversation": _conversation(row)}
    if not data.get("responses") and "draft" not in data:
        raise InputError(f"no preference in it; give {_FORMS}; its keys are {_names(row)}")
    data["id"] = id_in(row) or _content_id(data)
    return _validated(data)


def _own_record(row: Mapping[str, Any]) -> HealthRubric:
    """Return a record as `write_records` wrote it; beside an error of drafting stands the record that is still to be drafted."""
    if isinstance(row["schema_version"], int) and row["schema_version"] > 1:
        raise InputError(f"schema_version {row['schema_version']} was written by a newer clinalign; update clinalign")
    return _validated({name: value for name, value in row.items() if name != "error"})


def _validated(data: Mapping[str, Any]) -> HealthRubric:
    try:
        return HealthRubric.model_validate_json(
            json.dumps(data)
        )  # JSON's rules: a list is a tuple, nothing else is guessed
    except ValidationError as error:
        found = error.errors()[0]
        field = ".".join(str(part) for part in found["loc"])
        message = found["msg"].removeprefix("Value error, ")
        raise InputError(f"{field}: {message}" if field else message) from error
    except (TypeError, ValueError) as error:
        raise InputError(f"holds what JSON can't: {error}") from error


def _has_pair(row: Mapping[str, Any]) -> bool:
    return any(row.get(key) is not None for key in ("chosen", "rejected", "response_a", "response_b", "responses"))


def _preference(row: Mapping[str, Any], numbering: Callable[[], int]) -> dict[str, Any]:
    pair: Pair = pair_of(row, None if _question_key(row) is None else _conversation(row))
    first = (lambda: 0) if "responses" in row else numbering  # in a list they have positions, as in our records
    preferred = 0 if pair.is_ordered else _preferred(row, first)
    texts = [response["text"] for response in pair.responses]
    if preferred is not None and texts[0].strip() == texts[1].strip():
        raise InputError("both responses are the same, so neither can be preferred; leave the row out")
    return {"conversation": pair.conversation, "responses": pair.responses, "preferred": preferred}


def _preferred(row: Mapping[str, Any], numbering: Callable[[], int]) -> int | None:
    name = next((key for key in PREFERRED_KEYS if row.get(key) is not None), None)
    if name is None:
        return None
    told = str(row[name]).strip().lower() if isinstance(row[name], str | int) else repr(row[name])
    if told in _NEITHER:
        return None
    if told in _FIRST or told in _SECOND:
        return int(told in _SECOND)
    if told in ("0", "1", "2") and (position := int(told) - numbering()) in (0, 1):
        return position
    raise InputError(f"{name}: {row[name]!r} names no response; write a, b or tie")


def _question_key(row: Mapping[str, Any]) -> str | None:
    given = [key for key in _QUESTION_KEYS if row.get(key) is not None]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} in one row; keep one")
    return given[0] if given else None


def _conversation(row: Mapping[str, Any]) -> list[Message]:
    key = _question_key(row)
    if key is None:
        raise InputError(f"no question in it; give {_FORMS}; its keys are {_names(row)}")
    try:
        return parse_conversation(row[key])
    except ConversationError as error:
        raise InputError(f"{key}: {error}") from error


def _common(row: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return what may stand beside any form."""
    texts = {
        "theme": ("theme",),
        "preferred_by": ("preferred_by", "reviewer", "annotator"),
        "preference_reason": ("preference_reason", "reason"),
    }
    found: dict[str, Any] = {}
    for field, keys in texts.items():
        value = next((row[key] for key in keys if row.get(key) is not None), "")
        if not isinstance(value, str):
            raise InputError(f"{field} must be text, found {type(value).__name__}")
        found[field] = value
    found["preference_reason"] = found["preference_reason"] or _comments(row)
    provenance = row.get("provenance") or {name: row[name] for name in ("origin", "licence") if row.get(name)}
    if not isinstance(provenance, Mapping):
        raise InputError("provenance must be an object")
    return found | {"provenance": {"source": source, **provenance}}


def _comments(row: Mapping[str, Any]) -> str:
    """Return what a reviewer in the chat said about the edits that make the difference (agent/review/preferences.py)."""
    decisions = row.get("decisions")
    told = (
        [item.get("comment") for item in decisions if isinstance(item, Mapping)] if isinstance(decisions, list) else []
    )
    return " ".join(text for text in told if isinstance(text, str) and text)


def _rubric(row: Mapping[str, Any]) -> dict[str, Any]:
    name = next((key for key in ("rubrics", "rubric", "draft") if isinstance(row.get(key), list)), None)
    if name is None:
        return {}
    criteria = [_criterion(item, f"{name}.{number}") for number, item in enumerate(row[name])]
    kept = list({item["criterion"]: item for item in reversed(criteria)}.values())[::-1]
    if not kept:
        return {}
    told = f"{len(criteria) - len(kept)} of its criteria stood there twice" if len(kept) < len(criteria) else ""
    return {"draft": kept, "status": "drafted", "status_reason": told}


def _criterion(item: Any, place: str) -> dict[str, Any]:
    """Return a criterion of HealthBench or of ClinAlign; tags that are none of ours are left out."""
    if not isinstance(item, Mapping) or not isinstance(item.get("criterion"), str):
        raise InputError(f"{place}: expected an object with criterion, points and tags")
    tags = item.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise InputError(f"{place}.tags must be a list of texts")
    points = item.get("points")
    if isinstance(points, float) and points.is_integer():
        points = int(points)
    axis = item.get("axis") or next((tag.removeprefix(_AXIS) for tag in tags if tag.startswith(_AXIS)), None)
    if axis is None:
        raise InputError(f"{place}: no axis; give it as axis, or as a tag such as axis:accuracy")
    known = [tag for tag in dict.fromkeys(tags) if tag in TAGS]
    common = {"criterion": item["criterion"], "points": points, "axis": axis, "tags": known}
    return common | {"principle_id": item.get("principle_id")}


def _content_id(data: Mapping[str, Any]) -> str:
    """Return an id that depends on conversation and responses only, so that the same preference has it in any file."""
    what = [data["conversation"], [response["text"] for response in data.get("responses", ())]]
    return f"pref-{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]}"


def _names(row: Mapping[str, Any]) -> str:
    return ", ".join(repr(name) for name in list(row)[:8]) or "none"
