"""The seam between what is graded and who grades it, and how the judges of a command line are opened.

Contract of every grader: one grade per criterion, in their order. A verdict that it can't decide has `met` None; one that it could
not get, since a call failed or no reply could be used, is a `FailedGrade`, and worth another try some time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from agent.errors import ConfigError, ModelFault
from agent.judge_spec import EMBEDDED, SMALL, judge_name, parse_judge
from agent.rubric import Criterion
from evals.graded import Grade
from principles_store.conversation import Conversation

if TYPE_CHECKING:
    from agent.config import Settings
    from agent.ledger import Ledger

RECORDED = "recorded:"
_FORMS = f"provider:name (a chat model, as openai:gpt-4.1), {SMALL}FOLDER, {SMALL}FOLDER,provider:name, {EMBEDDED}, {RECORDED}FILE"
ALL, EACH = "all criteria in one call", "one criterion per call"
"""How a chat model is asked, in words."""
ATTEMPTS = 3
"""Requests that may be made for one reply that can be used."""


@dataclass(frozen=True, slots=True)
class FailedGrade(Grade):
    """A verdict that is unknown since it could not be had."""

    fault: ModelFault = "malformed reply"


@dataclass(frozen=True, slots=True)
class PanelGrade(Grade):
    """The verdict of several judges."""

    votes: tuple[Grade, ...] = ()
    """In the order of the panel."""


NOT_ASKED = Grade(None, "not asked: the small judge is sure")


@dataclass(frozen=True, slots=True)
class CascadeGrade(Grade):
    """The verdict of a small judge, or of another that was asked since the small one is not sure."""

    votes: tuple[Grade, ...] = ()
    """Of the small one, and of the other or `NOT_ASKED`."""

    @property
    def is_asked(self) -> bool:
        """Tell whether the other judge was asked."""
        return self.votes[-1] is not NOT_ASKED


class Grader(Protocol):
    """Grades answers; safe to share between threads."""

    @property
    def name(self) -> str:
        """Names the judge; every graded row carries it."""
        ...

    @property
    def protocol(self) -> str:
        """How it is asked, in words."""
        ...

    def grade(
        self,
        conversation: Conversation,
        response: str,
        rubric: Sequence[Criterion],
        *,
        ledger: Ledger,
        ids: Sequence[str] = (),
    ) -> list[Grade]:
        """Return a grade per criterion; charges the ledger, and raises only where nobody wants the grades any more.

        `ids`: the answer's own id and that of its prompt, for judges that look their verdicts up.
        """
        ...


def failures(grades: Sequence[Grade]) -> list[FailedGrade]:
    """Return the grades that could not be had, those of a panel's or a cascade's judges too."""
    found: list[FailedGrade] = []
    for grade in grades:
        if isinstance(grade, FailedGrade):
            found.append(grade)
        elif isinstance(grade, PanelGrade | CascadeGrade):
            found += failures(grade.votes)
    return found


def open_graders(
    specs: Sequence[str], settings: Settings, *, per_criterion: bool = False, attempts: int = ATTEMPTS
) -> Grader:
    """Return the judge of a spec, as `_FORMS` lists them, or a panel of several.

    Models are not asked anything yet. Raises ConfigError, or the ClinAlignError of what can't be opened.
    """
    check_specs(specs)
    graders = [_opened(spec, settings, per_criterion=per_criterion, attempts=attempts) for spec in specs]
    if len(graders) == 1:
        return graders[0]
    from evals.grading.panel import Panel

    return Panel(tuple(graders))


def check_specs(specs: Sequence[str]) -> None:
    """Raise ConfigError for no judge, one that is named twice, or one that can't be; a small judge's folder is read for it."""
    from agent.faults import scrub
    from agent.models import check_model

    if not specs:
        raise ConfigError("no judge: name one with --judge, for example --judge openai:gpt-4.1 or --judge embedded")
    names = [judge_name(spec) for spec in specs]
    if twice := next((spec for number, spec in enumerate(specs) if names[number] in names[:number]), None):
        raise ConfigError(f"the judge {twice} is there twice: its second vote would be its first; name another")
    for spec in parts_of(specs):
        if spec == RECORDED:
            raise ConfigError(f"the judge {RECORDED} names no file; give its graded rows or verdicts: {RECORDED}FILE")
        if spec != EMBEDDED and ":" not in spec:
            raise ConfigError(f"the judge {scrub(spec)!r} is none of {_FORMS}")
    for spec in models_of(specs):
        check_model(spec)


def parts_of(specs: Sequence[str]) -> tuple[str, ...]:
    """Return the judges that are asked, each by itself: a cascade's are two. Raises ConfigError for a cascade that can't be."""
    return tuple(part for spec in specs for part in _parts(spec))


def models_of(specs: Sequence[str]) -> tuple[str, ...]:
    """Return the chat models among the judges."""
    return tuple(part for part in parts_of(specs) if part != EMBEDDED and not part.startswith((RECORDED, SMALL)))


def recordings_of(specs: Sequence[str]) -> tuple[Path, ...]:
    """Return the files of the recorded judges."""
    return tuple(Path(part.removeprefix(RECORDED)) for part in parts_of(specs) if part.startswith(RECORDED))


def small_judges_of(specs: Sequence[str]) -> tuple[Path, ...]:
    """Return the folders of the small judges."""
    return tuple(Path(part.removeprefix(SMALL)) for part in parts_of(specs) if part.startswith(SMALL))


def _parts(spec: str) -> Sequence[str]:
    if spec.startswith(RECORDED):  # whatever is in the file's name
        return [spec]
    return parse_judge(spec).parts or [spec]


def _opened(spec: str, settings: Settings, *, per_criterion: bool, attempts: int) -> Grader:
    first, *others = [
        _opened_part(part, settings, per_criterion=per_criterion, attempts=attempts) for part in _parts(spec)
    ]
    if not others:
        return first
    from evals.grading.cascade import CascadeGrader

    return CascadeGrader(first, others[0])


def _opened_part(spec: str, settings: Settings, *, per_criterion: bool, attempts: int) -> Grader:
    if spec == EMBEDDED:
        from evals.grading.local import open_embedded

        return open_embedded(settings)
    if spec.startswith(SMALL):
        from evals.grading.local import open_small

        return open_small(Path(spec.removeprefix(SMALL)), settings)
    if spec.startswith(RECORDED):
        from evals.grading.recorded import load_recorded

        return load_recorded(Path(spec.removeprefix(RECORDED)))
    from agent.context import open_client
    from evals.grading.model import ModelGrader

    return ModelGrader(open_client(settings, spec), per_criterion=per_criterion, attempts=attempts)
