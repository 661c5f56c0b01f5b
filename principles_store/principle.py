"""The principle: one reusable, clinically grounded rule, and the shape of its YAML entry.

A principle belongs to one clinical dimension, applies to named scenario values, and carries the criteria by which an
answer is judged, the wording a reviser may add, and the sources it rests on. Reading files is `library.py`'s job.

Source of the four dimensions: ClinAlign (arXiv 2602.09653); their values follow HealthBench's physician-agreed
categories (arXiv 2505.08775).
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Dimension = Literal["urgency", "uncertainty", "expertise", "task_type"]
Axis = Literal["accuracy", "completeness", "context_awareness", "communication_quality", "instruction_following"]
Polarity = Literal["do", "avoid"]
Severity = Literal["critical", "major", "minor"]
Place = Literal["start", "end", "question"]
Where = Literal["anywhere", "first-two", "last-two"]
EditKind = Literal["add", "remove", "replace", "rewrite", "advise"]
Measure = Literal["words", "sentences", "questions", "list-items", "reading-grade", "first-sentence-words"]

SCENARIO_VALUES: dict[Dimension, tuple[str, ...]] = {
    "urgency": ("emergent", "conditionally-emergent", "non-emergent"),
    "uncertainty": ("none", "reducible", "irreducible"),
    "expertise": ("professional", "layperson"),
    "task_type": (
        "simple-question",
        "detailed-question",
        "data-task-complete",
        "data-task-incomplete",
        "setting-irrelevant",
        "setting-clear",
        "setting-unclear",
    ),
}
"""Every scenario value, by dimension. A task type has two facets: what is asked for, and whether the place matters."""

DIMENSION_OF: dict[str, Dimension] = {value: name for name, values in SCENARIO_VALUES.items() for value in values}


def _compilable(pattern: str) -> str:
    try:
        re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"not a regular expression ({error}): {pattern!r}") from error
    return pattern


Text = Annotated[str, Field(min_length=1, pattern=r"\S")]
Pattern = Annotated[str, Field(min_length=1), AfterValidator(_compilable)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Detector(_Entry):
    """One mechanical test of whether a criterion's statement holds for an answer; exactly one kind is set."""

    pattern: Pattern | None = None
    """Regular expression, case-insensitive, searched sentence by sentence."""
    meaning: bool = False
    """Compare the answer's sentences with the criterion's exemplars."""
    measure: Measure | None = None
    """A count over the whole answer; needs `min` or `max`, both inclusive."""
    min: float | None = None
    max: float | None = None
    where: Where = "anywhere"

    @model_validator(mode="after")
    def _one_kind(self) -> Detector:
        if sum((self.pattern is not None, self.meaning, self.measure is not None)) != 1:
            raise ValueError("a detector has exactly one of pattern, meaning, measure")
        if self.measure is None and (self.min is not None or self.max is not None):
            raise ValueError("min and max belong to a measure")
        if self.measure is not None and self.min is None and self.max is None:
            raise ValueError(f"measure {self.measure!r} needs min or max")
        if self.measure is not None and self.where != "anywhere":
            raise ValueError("a measure looks at the whole answer: leave out where")
        return self


class Detection(_Entry):
    """How detectors combine, in three-valued logic: `any` of them, or `all` of them."""

    any: tuple[Detector, ...] = ()
    all: tuple[Detector, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Detection:
        if bool(self.any) == bool(self.all):
            raise ValueError("detect has either any or all, with at least one detector")
        return self

    @property
    def detectors(self) -> tuple[Detector, ...]:
        return self.any or self.all


class PrincipleCriterion(_Entry):
    """One atomic, Boolean, observable statement about an answer, as the library keeps it."""

    text: Text
    points: Annotated[int, Field(ge=-10, le=10)]
    """Negative: a penalty if the statement holds. Never 0."""
    paraphrase: Text
    """The same statement in other words; the threshold for mapping foreign criteria is measured on these."""
    meets: tuple[Text, ...] = ()
    """Sentences of answers that follow the principle here."""
    breaks: tuple[Text, ...] = ()
    """Sentences of answers on the same topic that break it."""
    detect: Detection | None = None
    """None: only a model can judge this criterion; the embedded critic answers unknown."""

    @model_validator(mode="after")
    def _consistent(self) -> PrincipleCriterion:
        if self.points == 0:
            raise ValueError("points must not be 0")
        if self.detect and any(d.meaning for d in self.detect.detectors) and not (self.meets and self.breaks):
            raise ValueError("a meaning detector needs exemplars in both meets and breaks")
        return self


class AppliesWhen(_Entry):
    """The narrow condition under which the principle is brought up, on top of its scenario values."""

    situations: Annotated[tuple[Text, ...], Field(min_length=1)]
    """What users write when it applies; retrieval compares the conversation with these."""
    topic: Pattern | None = None
    """If set, the user's own turns must match it."""
    unless: Pattern | None = None
    """If set and matched by the user's own turns, the principle is left out."""
    broad: Text | None = None
    """Why this principle may apply to more than a third of conversations; None for all but a stated few."""


class Rewrite(_Entry):
    """A regular-expression substitution inside a sentence that breaks the principle."""

    model_config = ConfigDict(str_strip_whitespace=False)  # a replacement may begin or end with a space

    find: Pattern
    replace: str


class Wording(_Entry):
    """Ready text in the two registers; None where nothing may be said to that reader."""

    lay: Text | None = None
    professional: Text | None = None


class Guidance(_Entry):
    """What a reviser does when the principle is broken."""

    text: Text
    edit: EditKind
    """`advise`: only a model can carry it out; the embedded reviser leaves the text alone."""
    place: Place = "end"
    wording: Wording = Wording()
    rewrites: tuple[Rewrite, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Guidance:
        if self.edit in ("add", "replace") and not (self.wording.lay or self.wording.professional):
            raise ValueError(f"edit {self.edit!r} needs wording.lay or wording.professional")
        if (self.edit == "rewrite") != bool(self.rewrites):
            raise ValueError("rewrites and edit 'rewrite' go together")
        return self


class Source(_Entry):
    """A published guideline, consensus or study the principle rests on."""

    organisation: Text
    title: Text
    year: Annotated[int, Field(ge=1950, le=2026)]


class Principle(_Entry):
    """One entry of the library."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
    dimension: Dimension
    scenarios: Annotated[tuple[str, ...], Field(min_length=1)]
    """Values it applies to: any of those listed within a dimension, and every dimension that is listed."""
    axis: Axis
    polarity: Polarity
    severity: Severity
    title: Text
    statement: Text
    applies_when: AppliesWhen
    criteria: Annotated[tuple[PrincipleCriterion, ...], Field(min_length=1, max_length=4)]
    guidance: Guidance
    sources: tuple[Source, ...] = ()
    """May be empty in a user's own library; lint asks for at least one."""

    @model_validator(mode="after")
    def _known_scenarios(self) -> Principle:
        unknown = [value for value in self.scenarios if value not in DIMENSION_OF]
        if unknown:
            raise ValueError(f"unknown scenario value {unknown[0]!r}; known: {', '.join(DIMENSION_OF)}")
        if not any(DIMENSION_OF[value] == self.dimension for value in self.scenarios):
            raise ValueError(f"scenarios name no value of its own dimension {self.dimension!r}")
        return self
