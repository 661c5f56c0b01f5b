"""Quality of a set of rubrics beyond its form, told by file, entry and field. Nothing medical is judged: that takes a clinician."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from principles_store.conversation import query_texts
from principles_store.entry_files import Fault
from principles_store.rubric_entry import TAGS, RubricCriterion, RubricEntry
from principles_store.rubric_set import SHIPPED, RubricSet

if TYPE_CHECKING:
    from principles_store.embedding import Embedder

MIN_CRITERIA, MAX_CRITERIA = 8, 12
MIN_POSITIVE, MIN_PENALTIES = 5, 2
MAX_WORDS = 45
"""Of a criterion; a longer one asks for more than one thing."""
MIN_KINDS = 4
"""Tags of a rubric that differ: one that only names red flags says too little of what an answer needs."""
UNOBSERVABLE = re.compile(
    r"^(fails?|failing|does(n.t| not)|did(n.t| not)|do not|never|omits?|lacks?|neglects?|forgets?|misses|missing|ignores?)\b"
    r"|\b(fails? to|neglects? to|forgets to|omits to)\b",
    re.IGNORECASE,
)
"""A penalty names a mistake that can be seen; what isn't there is what a positive criterion asks for."""
TWO_THINGS = re.compile(r";|\band also\b|\bas well as\b", re.IGNORECASE)
MAX_LIKENESS = 0.90
"""Cosine of two criteria of one rubric, beyond which they ask for the same."""
MAX_CONVERSATION_LIKENESS = 0.88
"""Cosine of two conversations, beyond which one of them teaches nothing new."""
MAX_COPIES = 3
"""Rubrics in which the same sentence may stand: seeds that are templates teach templates."""
SHIPPED_RUBRICS = 300
THEMES: tuple[str, ...] = (
    *("heart and circulation", "breathing", "digestion", "skin", "bones joints and muscles", "nerves and head"),
    *("hormones and metabolism", "kidneys and bladder", "infections", "eyes ears nose throat and teeth"),
    *(
        "women's health",
        "men's health",
        "sexual health",
        "cancer",
        "blood and allergy",
        "injuries",
        "nutrition",
        "sleep",
    ),
    *("medicines", "children", "pregnancy and birth", "older people", "mental health", "addiction", "prevention"),
    *("tests and results", "travel", "low-resource settings", "emergencies", "end of life"),
    *("professional notes", "professional letters", "professional summaries", "professional coding"),
    *("professional handover", "professional guideline questions", "unclear requests"),
)
"""Of the shipped set; a set of your own may have others."""
MIN_PER_THEME = 4
Finding = tuple[str, str]
"""Field and message."""


def lint_rubrics(rubrics: RubricSet, embedder: Embedder | None = None) -> list[Fault]:
    """Return every fault of a set, its entries in order, then the set as a whole; likeness is looked at if an embedder is given."""
    faults = [_fault(rubrics, r.id, *finding) for r in rubrics for finding in _lint_rubric(r)]
    faults += [_fault(rubrics, *finding) for finding in _copies(rubrics)]
    if embedder is not None and len(rubrics):
        faults += [_fault(rubrics, *finding) for finding in _alike(rubrics, embedder)]
    is_shipped = Path(rubrics.source).resolve() == SHIPPED.resolve()
    level: Literal["fault", "note"] = "fault" if is_shipped else "note"
    return faults + [Fault(rubrics.source, "", field, message, level) for field, message in _lint_whole(rubrics)]


def lint_criteria(criteria: Sequence[RubricCriterion]) -> Iterator[Finding]:
    """Yield what is wrong with the criteria of one rubric, each by itself and together."""
    for number, item in enumerate(criteria):
        for message in _lint_criterion(item):
            yield f"rubric.{number}.criterion", message
    if sum(item.points > 0 for item in criteria) < MIN_POSITIVE:
        yield "rubric", f"fewer than {MIN_POSITIVE} criteria with points above 0"
    if sum(item.points < 0 for item in criteria) < MIN_PENALTIES:
        yield "rubric", f"fewer than {MIN_PENALTIES} penalties"


def _fault(rubrics: RubricSet, rubric_id: str, field: str, message: str) -> Fault:
    return Fault(rubrics.files.get(rubric_id, rubrics.source), rubric_id, field, message)


def _lint_rubric(rubric: RubricEntry) -> Iterator[Finding]:
    count = len(rubric.rubric)
    if not MIN_CRITERIA <= count <= MAX_CRITERIA:
        yield "rubric", f"{count} criteria, not {MIN_CRITERIA} to {MAX_CRITERIA}"
    yield from lint_criteria(rubric.rubric)
    kinds = {tag for item in rubric.rubric for tag in item.tags}
    if len(kinds) < MIN_KINDS:
        yield "rubric", f"{len(kinds)} kinds of tags of at least {MIN_KINDS}; there are {', '.join(TAGS)}"
    for number, item in enumerate(rubric.rubric):
        if not item.tags:
            yield f"rubric.{number}.tags", "no tag"
    if not rubric.sources:
        yield "sources", "no source; name the guideline or review that it rests on"


def _lint_criterion(item: RubricCriterion) -> Iterator[str]:
    text = item.criterion
    if item.points < 0 and UNOBSERVABLE.search(text):
        yield f"a penalty names a mistake that can be seen, not what is missing: {text!r}"
    if len(text.split()) > MAX_WORDS:
        yield f"{len(text.split())} words, more than {MAX_WORDS}: {text!r}"
    if TWO_THINGS.search(text):
        yield f"asks for more than one thing: {text!r}"
    if not text[0].isupper() or not text.endswith("."):
        yield f"isn't a sentence with a capital and a full stop: {text!r}"


def _copies(rubrics: RubricSet) -> Iterator[tuple[str, str, str]]:
    holders: dict[str, list[str]] = defaultdict(list)
    for rubric in rubrics:
        for item in rubric.rubric:
            holders[" ".join(re.findall(r"\w+", item.criterion.lower()))].append(rubric.id)
    for text, ids in holders.items():
        if len(ids) > MAX_COPIES:
            yield ids[0], "rubric", f"{text!r} stands in {len(ids)} rubrics; make it specific to each"


def _alike(rubrics: RubricSet, embedder: Embedder) -> Iterator[tuple[str, str, str]]:
    for rubric in rubrics:
        vectors = embedder.encode([item.criterion for item in rubric.rubric])
        same_sign = np.sign([item.points for item in rubric.rubric])
        likeness = np.triu(vectors @ vectors.T * np.equal.outer(same_sign, same_sign), 1)
        for first, second in np.argwhere(likeness > MAX_LIKENESS):
            yield (
                rubric.id,
                f"rubric.{second}",
                f"asks for the same as criterion {first} ({likeness[first, second]:.2f})",
            )
    asked = embedder.encode([query_texts(rubric.conversation)[-1] for rubric in rubrics])
    likeness = np.triu(asked @ asked.T, 1)
    for first, second in np.argwhere(likeness > MAX_CONVERSATION_LIKENESS):
        other = rubrics.rubrics[first].id
        yield rubrics.rubrics[second].id, "conversation", f"is like that of {other!r} ({likeness[first, second]:.2f})"


def _lint_whole(rubrics: RubricSet) -> Iterator[Finding]:
    if len(rubrics) < SHIPPED_RUBRICS:
        yield "rubrics", f"{len(rubrics)} of at least {SHIPPED_RUBRICS}"
    count = Counter(rubric.theme for rubric in rubrics)
    for theme in THEMES:
        if count[theme] < MIN_PER_THEME:
            yield "theme", f"{count[theme]} rubrics on {theme}, of at least {MIN_PER_THEME}"
    for theme in sorted(set(count) - set(THEMES)):
        yield "theme", f"{theme!r} is not one of the themes: {', '.join(THEMES)}"
