"""Who gave the verdicts of a cascade, and what asking a small judge first saved; counted from what each judge said in a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import permutations
from typing import Any

from agent.judge_spec import cascade_name
from evals.graded import GradedAnswer
from evals.grading.grader import EACH

Met = bool | None


@dataclass(frozen=True)
class Shares:
    """Of answers that one cascade was asked about."""

    small: str
    rest: str
    """Names of the judges: who is asked first, and who is asked about what that leaves unknown."""
    per_criterion: bool
    """Whether the second is asked about each criterion in a call of its own."""
    answers: int = 0
    asked_answers: int = 0
    """Those of which the second was asked about at least one criterion."""
    criteria: int = 0
    by_small: int = 0
    by_rest: int = 0

    @property
    def unknown(self) -> int:
        """Count the criteria without a verdict."""
        return self.criteria - self.by_small - self.by_rest

    @property
    def calls(self) -> int:
        """Count the calls it would take without the small judge, if no reply had to be asked for again."""
        return self.criteria if self.per_criterion else self.answers

    @property
    def calls_saved(self) -> int:
        """Count those that were not made."""
        return self.by_small if self.per_criterion else self.answers - self.asked_answers

    def plus(self, given: Mapping[str, Sequence[Met]]) -> Shares:
        """Return the count with one more answer: verdicts by judge, null where a judge wasn't asked or sure."""
        small, rest = (sum(met is not None for met in given[name]) for name in (self.small, self.rest))
        criteria = len(given[self.small])
        return replace(
            self,
            answers=self.answers + 1,
            asked_answers=self.asked_answers + (small < criteria),
            criteria=self.criteria + criteria,
            by_small=self.by_small + small,
            by_rest=self.by_rest + rest,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the object of the JSON contract."""
        return asdict(self) | {"unknown": self.unknown, "calls": self.calls, "calls_saved": self.calls_saved}

    def told(self) -> tuple[str, str]:
        """Say what share of the verdicts each judge gave, and what that saved."""
        by_judge = [(self.small, self.by_small), (self.rest, self.by_rest), ("nobody", self.unknown)]
        given = ", ".join(
            f"{name} {_share(count, self.criteria)}" for name, count in by_judge if count or name != "nobody"
        )
        saved = (
            f"{self.calls_saved:,} of {self.calls:,} calls ({_share(self.calls_saved, self.calls)}): "
            f"{self.rest} was asked about {_share(self.criteria - self.by_small, self.criteria)} of the criteria, "
            f"and of {_share(self.asked_answers, self.answers)} of the answers"
        )
        return f"{given} of {self.criteria:,} criteria", saved


def shares(answers: Iterable[GradedAnswer]) -> Shares | None:
    """Return who gave the verdicts of a cascade; None where another kind of judge gave them, or nobody tells."""
    found: Shares | None = None
    for answer in answers:
        found = counted(found, answer.judge, answer.protocol, _mets(answer))
    return found


def counted(
    so_far: Shares | None, judge: str | None, protocol: str | None, given: Mapping[str, Sequence[Met]]
) -> Shares | None:
    """Return the count with one more graded row; as it was, if that is of no cascade or its answer failed."""
    if so_far is None:
        names = cascade_of(judge, given)
        if names is None:
            return None
        so_far = Shares(*names, per_criterion=EACH in (protocol or ""))
    return so_far.plus(given) if {so_far.small, so_far.rest} <= given.keys() else so_far


def givers(answer: GradedAnswer) -> Sequence[str | None]:
    """Return per criterion which judge of a cascade was asked last; None for another kind of judge."""
    names = cascade_of(answer.judge, answer.judges)
    if names is None:
        return [None] * len(answer.rubric)
    small, rest = names
    return [rest if grade.met is None else small for grade in answer.judges[small]]


def cascade_of(judge: str | None, names: Iterable[str]) -> tuple[str, str] | None:
    """Return the two judges that a cascade's name is made of, the small one first; None if it is no cascade of them."""
    return next(((small, rest) for small, rest in permutations(names, 2) if cascade_name(small, rest) == judge), None)


def _mets(answer: GradedAnswer) -> dict[str, list[Met]]:
    return {name: [grade.met for grade in grades] for name, grades in answer.judges.items()}


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"
