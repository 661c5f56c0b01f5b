"""A sheet as YAML in somebody's editor, and back. What can't be read stays where it is, and is told with its place."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from agent.errors import InputError
from principles_store.entry_files import StrictLoader
from training.review.sheet import Sheet, SheetCriterion, criterion_of, unjudged_where_reworded

_FIELDS = ("key", "criterion", "points", "axis", "tags", "principle_id", "verdicts", "judged_by")
_HEAD = """\
# {id}: version {version} of {whose} sheet. Criteria may be added (without a key), removed, re-worded, re-weighed and re-tagged.
# points: -10 to 10, not 0; below 0: a penalty if the sentence holds. verdicts: met, unmet or unknown, one per response.
# A verdict that you don't change becomes unknown where you change the sentence. One that you change is yours; to confirm one that
# somebody else gave, write your name in its place in judged_by.
"""


@dataclass(frozen=True)
class Edited:
    """What somebody made of a sheet."""

    version: int
    """That they began from."""
    comment: str
    criteria: tuple[SheetCriterion, ...]


def sheet_yaml(sheet: Sheet, *, notes: Sequence[str] = ()) -> str:
    """Return a sheet for an editor; `notes` and the responses stand in comments, which are not read back."""
    record = sheet.record
    whose = f"{sheet.reviewer}'s" if sheet.reviewer else "the adjudicators'"
    shown = [*notes, *(f"{turn['role']}: {turn['content']}" for turn in record.conversation)]
    for number, response in enumerate(record.responses):
        shown += [f"Response {number + 1}{' (preferred)' if record.preferred == number else ''}: {response.text}"]
    criteria = [{name: asdict(item)[name] for name in _FIELDS} for item in sheet.criteria]
    body = {"record": record.id, "version": sheet.version, "comment": sheet.comment, "criteria": _lists(criteria)}
    written = yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=120)
    head = _HEAD.format(id=record.id, version=sheet.version, whose=whose)
    return head + "".join(f"#\n{_commented(note)}" for note in shown) + "\n" + written


def read_sheet_yaml(file: Path, sheet: Sheet, reviewer: str) -> Edited:
    """Return what an edited file holds; raises InputError that names the line, or the criterion and its field."""
    try:
        data = yaml.load(file.read_text(encoding="utf-8"), Loader=StrictLoader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise InputError(f"{file}: malformed YAML{line}: {getattr(error, 'problem', None) or error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: can't be read ({error})") from error
    if not isinstance(data, Mapping) or not isinstance(data.get("criteria"), list):
        raise InputError(f"{file}: expected record, version, comment and criteria; begin again from `review edit`")
    if data.get("record") != sheet.record.id or type(data.get("version")) is not int:
        raise InputError(f"{file}: record and version must stay as they were; it is of {data.get('record')!r}")
    before = {item.key: item for item in sheet.criteria}
    criteria = [_criterion(item, before, f"{file}: criterion {n}") for n, item in enumerate(data["criteria"], start=1)]
    judged = unjudged_where_reworded(sheet.criteria, criteria, reviewer)
    return Edited(data["version"], str(data.get("comment") or ""), judged)


def edited(text: str, name: str) -> Path:
    """Have a text edited in $VISUAL or $EDITOR and return the file, which only its owner can read."""
    safe = "".join(letter if letter.isalnum() else "-" for letter in name)[:40]
    handle, path = tempfile.mkstemp(prefix=f"clinalign-{safe}-", suffix=".yaml")
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        opened.write(text)
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        done = subprocess.run([*shlex.split(editor), path], check=False)  # noqa: S603 - the user's own editor
    except (OSError, ValueError) as error:
        Path(path).unlink()
        raise InputError(f"the editor {editor!r} can't be run ({error}); set EDITOR") from error
    if done.returncode:
        raise InputError(f"the editor ended with {done.returncode}; nothing was saved, your text is in {path}")
    return Path(path)


def _criterion(item: Any, before: Mapping[str, SheetCriterion], where: str) -> SheetCriterion:
    if not isinstance(item, Mapping):
        raise InputError(f"{where}: expected criterion, points and axis, found {type(item).__name__}")
    if unknown := [name for name in item if name not in _FIELDS]:
        raise InputError(f"{where}: unknown field {unknown[0]!r}; there are {', '.join(_FIELDS)}")
    for name in ("criterion", "axis"):
        if not isinstance(item.get(name), str):
            raise InputError(f"{where}: {name} is missing, or no text")
    for name in ("tags", "verdicts", "judged_by"):
        if not isinstance(item.get(name, []), list):
            raise InputError(f"{where}: {name} must be a list, for example [unknown, met]")
    return criterion_of({"points": None, **item, "key": str(item.get("key") or "")})


def _lists(criteria: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: list(value) if isinstance(value, tuple) else value for name, value in item.items()} for item in criteria
    ]


def _commented(text: str) -> str:
    return "".join(f"# {line}".rstrip() + "\n" for line in text.splitlines())
