"""How much the rubrics of different questions repeat each other: word for word, and nearly, by embedding.

A rubric made of templates teaches a model to answer to the template. Nothing here depends on the order of the rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from principles_store.embedding import Embedder
from training.selection.likeness import encoded, near_within
from training.selection.wordings import words
from training.synthesis.rubric_rows import RubricRow, read_rubric_rows
from training.synthesis.tally import kind_of

NEAR = 0.95
"""Cosine of two criteria of different questions, from which on one is nearly a copy of the other."""
_SHOWN = 10


@dataclass
class Copies:
    """What was measured over a file of rubrics."""

    rows: int = 0
    errors: int = 0
    passed: int = 0
    """Rubrics that passed the checks at once."""
    mended: int = 0
    """Rubrics that passed when the model was asked again."""
    templated: int = 0
    criteria: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    """Criteria by what they rest on: principle, seed, model."""
    principles: Counter[str] = field(default_factory=Counter)
    """Criteria by principle id."""
    texts: Counter[str] = field(default_factory=Counter)
    """Rubrics by the words of a criterion that stands in them."""
    samples: dict[str, str] = field(default_factory=dict)
    """One wording of each, as it is written: the first in the alphabet."""
    holder: dict[str, str] = field(default_factory=dict)
    """The last rubric that each stands in."""
    near: int | None = None
    """Criteria that stand in another question's rubric too, or nearly; None: not looked at."""

    @property
    def copied(self) -> int:
        """Criteria that stand word for word in another question's rubric."""
        return sum(count for count in self.texts.values() if count > 1)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            "rubrics": self.rows - self.errors,
            "errors": self.errors,
            "passed_at_once": self.passed,
            "passed_when_asked_again": self.mended,
            "templated": self.templated,
            "criteria": self.criteria,
            "criteria_per_rubric": _share(self.criteria, self.rows - self.errors),
            "copied": _share(self.copied, self.criteria),
            "nearly_copied": None if self.near is None else _share(self.near, self.criteria),
            "near_likeness": NEAR,
            "by_source": {kind: _share(count, self.criteria) for kind, count in self.kinds.most_common()},
            "by_principle": dict(_most(self.principles, len(self.principles))),
            "top_templates": [
                {"criterion": self.samples[text], "rubrics": count}
                for text, count in _most(self.texts, _SHOWN)
                if count > 1
            ],
        }


def measure_copies(path: Path, embedder: Embedder | None) -> Copies:
    """Read a file of rubrics and return the figures; without an embedder near copies aren't looked for."""
    found = Copies()
    for row in read_rubric_rows(path):
        _count(found, row)
    if embedder is not None:
        found.near = found.copied + _near(found, embedder)
    return found


def told(figures: Copies) -> list[str]:
    """Return the figures in a few lines."""
    rubrics = figures.rows - figures.errors
    if not figures.criteria:
        return [f"{figures.rows:,} rows, all of them errors"]
    near = "" if figures.near is None else f", {figures.near / figures.criteria:.1%} nearly (cosine {NEAR} or more)"
    kinds = ", ".join(f"{kind} {count / figures.criteria:.1%}" for kind, count in figures.kinds.most_common())
    lines = [
        f"{rubrics:,} rubrics with {figures.criteria:,} criteria, {figures.criteria / rubrics:.1f} each",
        f"{figures.errors:,} rows are errors",
        f"passed the checks: {figures.passed:,} at once, {figures.mended:,} when asked again; {figures.templated:,} templated",
        f"of the criteria {figures.copied / figures.criteria:.1%} stand word for word in another question's rubric{near}",
        f"by what they rest on: {kinds}; {len(figures.principles)} principles in use",
    ]
    lines += [f"  {count:>6,} criteria rest on {name}" for name, count in _most(figures.principles, _SHOWN)]
    templates = [(text, count) for text, count in _most(figures.texts, _SHOWN) if count > 1]
    return lines + [f"  {count:>6,} rubrics: {figures.samples[text]}" for text, count in templates]


def _count(found: Copies, row: RubricRow) -> None:
    found.rows += 1
    if not row.key or row.data.get("error") is not None:
        found.errors += 1
        return
    is_templated = bool(row.data.get("templated"))
    found.templated += is_templated
    found.mended += not is_templated and bool(row.data.get("problems"))
    found.passed += not is_templated and not row.data.get("problems")
    here: dict[str, str] = {}
    for item in row.criteria:
        text, source = item["criterion"], item.get("principle_id")
        key = wording(text)
        here[key] = min(text, here.get(key, text))
        kind = kind_of(source)
        found.kinds[kind] += 1
        if kind == "principle":
            found.principles[str(source)] += 1
    found.criteria += len(row.criteria)
    found.texts.update(here.keys())
    for key, text in here.items():
        found.samples[key] = min(text, found.samples.get(key, text))
        found.holder[key] = row.id


def wording(text: str) -> str:
    """Return what two copies of a criterion have in common."""
    return " ".join(words(text))


def _near(found: Copies, embedder: Embedder) -> int:
    """Return how many criteria that stand in one rubric only have a near twin in another."""
    keys = sorted(found.texts)
    has_twin = np.zeros(len(keys), dtype=bool)
    for first, second, _ in near_within(encoded([found.samples[key] for key in keys], embedder), NEAR):
        single = found.texts[keys[first]] == found.texts[keys[second]] == 1
        if not (single and found.holder[keys[first]] == found.holder[keys[second]]):
            has_twin[first] = has_twin[second] = True
    return sum(bool(twin) and found.texts[key] == 1 for key, twin in zip(keys, has_twin, strict=True))


def _most(counts: Counter[str], most: int) -> list[tuple[str, int]]:
    """Return the highest counts; of equal ones the first in the alphabet."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]


def _share(count: int, total: int) -> float:
    return round(count / total, 4) if total else 0.0


def holders(path: Path) -> dict[str, list[str]]:
    """Return the ids of the rubrics that each wording stands in."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in read_rubric_rows(path):
        for key in {wording(item["criterion"]) for item in row.criteria}:
            found[key].append(row.id)
    return found
