"""The criteria that principles are distilled from, flat, each with the rubric that it belongs to; what was left out is counted.

Records of HealthRubrics and sets of rubrics are read alike. A rubric that clinicians rejected is never evidence.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.batch.row_files import read_records
from agent.errors import InputError
from principles_store.conversation import Conversation
from principles_store.principle import Source
from principles_store.rubric_entry import RubricCriterion, RubricEntry
from principles_store.rubric_set import load_rubrics
from training.preference_files import read_preferences
from training.preferences import HealthRubric

Positions = NDArray[np.int64]
"""Of criteria within an `Evidence`."""
_ACCEPTED = frozenset({"accepted"})
_ANY = frozenset({"accepted", "drafted", "new"})


@dataclass(frozen=True)
class Rubric:
    """The rubric of one conversation, without its criteria."""

    id: str
    conversation: Conversation
    reviewers: tuple[str, ...] = ()
    """Who verified it; empty: nobody has."""
    sources: tuple[Source, ...] = ()
    file: str = ""

    @cached_property
    def key(self) -> str:
        """Tells conversations apart, so that two rubrics of one conversation are held out together."""
        turns = [[turn["role"], turn["content"]] for turn in self.conversation]
        return hashlib.sha256(json.dumps(turns).encode()).hexdigest()


@dataclass(frozen=True)
class Evidence:
    """All criteria of all rubrics."""

    rubrics: tuple[Rubric, ...]
    criteria: tuple[RubricCriterion, ...]
    owners: Positions
    """Position of each criterion's rubric."""
    left_out: Mapping[str, int]
    """Rubrics that were not taken, by reason."""

    @cached_property
    def signs(self) -> NDArray[np.int8]:
        """1 for what is asked for, −1 for a penalty."""
        return np.sign([item.points for item in self.criteria]).astype(np.int8)

    @cached_property
    def texts(self) -> list[str]:
        return [item.criterion for item in self.criteria]

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over all that principles are made from, in order; hexadecimal."""
        content = hashlib.sha256()
        for owner, item in zip(self.owners.tolist(), self.criteria, strict=True):
            rubric = self.rubrics[owner]
            content.update(json.dumps([rubric.id, rubric.key, item.criterion, item.points]).encode() + b"\n")
        return content.hexdigest()

    def owner(self, position: int) -> Rubric:
        """Return the rubric of a criterion."""
        return self.rubrics[int(self.owners[position])]


def read_evidence(paths: Sequence[Path], *, any_status: bool = False) -> Evidence:
    """Return the criteria of files of HealthRubrics and of sets of rubrics; InputError where there is none to take.

    Unless `any_status`, only of rubrics that clinicians have accepted.
    """
    rubrics: list[Rubric] = []
    criteria: list[RubricCriterion] = []
    owners: list[int] = []
    left_out: Counter[str] = Counter()
    ids: dict[str, str] = {}
    for path in paths:
        for status, rubric, found in _rubrics_of(path):
            if earlier := ids.get(rubric.id):
                raise InputError(f"{path}: the id {rubric.id!r} stands in {earlier} too; give each rubric once")
            ids[rubric.id] = str(path)
            if not found or status not in (_ANY if any_status else _ACCEPTED):
                left_out[status if found else "without criteria"] += 1
                continue
            owners += [len(rubrics)] * len(found)
            criteria += found
            rubrics.append(rubric)
    if not rubrics:
        told = ", ".join(f"{count:,} {reason}" for reason, count in sorted(left_out.items()))
        raise InputError(
            f"{', '.join(map(str, paths))}: no rubric to distil: {told}; --any-status takes those that nobody has accepted yet"
        )
    return Evidence(tuple(rubrics), tuple(criteria), np.array(owners, dtype=np.int64), dict(left_out))


@dataclass(frozen=True)
class Split:
    """Which criteria are distilled, and which are held out to measure on."""

    inside: Positions
    held_out: Positions


def split_evidence(evidence: Evidence, share: float, *, seed: int) -> Split:
    """Hold out about this share of the conversations, each with all its criteria, by their text and the seed alone."""
    keys = sorted({rubric.key for rubric in evidence.rubrics})
    random.Random(seed).shuffle(keys)
    held = set(keys[: round(share * len(keys))])
    is_held = np.array([rubric.key in held for rubric in evidence.rubrics])[evidence.owners]
    return Split(np.flatnonzero(~is_held), np.flatnonzero(is_held))


def _rubrics_of(path: Path) -> Iterator[tuple[str, Rubric, Sequence[RubricCriterion]]]:
    """Yield status, rubric and criteria."""
    if _is_rubric_set(path):
        for entry in load_rubrics(path):
            yield _of_entry(entry, path)
    else:
        for record in read_preferences(path):
            yield _of_record(record, path)


def _of_entry(entry: RubricEntry, path: Path) -> tuple[str, Rubric, Sequence[RubricCriterion]]:
    rubric = Rubric(entry.id, entry.conversation, entry.verified_by, entry.sources, path.name)
    return "accepted" if entry.is_verified else "drafted", rubric, entry.rubric


def _of_record(record: HealthRubric, path: Path) -> tuple[str, Rubric, Sequence[RubricCriterion]]:
    rubric = Rubric(record.id, record.conversation, record.reviewers, record.sources, path.name)
    return record.status, rubric, record.rubric


def _is_rubric_set(path: Path) -> bool:
    """Tell whether a path holds a set of rubrics, which have a theme and no responses, and not records."""
    if path.is_dir() or path.suffix in (".yaml", ".yml", ".json"):
        return True
    if path.suffix != ".jsonl":
        return False
    first = next((record.data for record in islice(read_records(path, columns=None), 1)), None)
    return (
        isinstance(first, Mapping) and {"theme", "rubric", "origin"} <= first.keys() and "schema_version" not in first
    )
