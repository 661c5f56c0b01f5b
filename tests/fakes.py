"""One small fake per seam of the agent, for tests that drive the real graph without a model.

They charge the ledger as an engine with a model would, and keep what they were shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from agent.edit import Edit, Revision, patch_between
from agent.engine import Case, Engine, OnSeen, WrittenRubric
from agent.events import DraftToken
from agent.ledger import Ledger, Limits, Usage
from agent.rubric import Criterion, Rubric, Verdict, VerdictValue
from agent.state import AgentContext
from principles_store.conversation import Conversation

CALL = Usage(calls=1, input_tokens=100, output_tokens=10, cost=0.01)
"""What every fake charges per call."""

Rule = Callable[[str], VerdictValue]


@dataclass
class FakeJudge:
    """Judges by a rule per criterion text; `script` overrides it for the first judgements of (answer, criterion)."""

    rules: Mapping[str, Rule]
    script: dict[tuple[str, str], list[VerdictValue]] = field(default_factory=dict)
    name: str = "fake"
    seen: list[tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)
    """(answers, criterion texts) of every call."""

    def judge(
        self, conversation: Conversation, answers: Sequence[str], rubric: Sequence[Criterion], *, ledger: Ledger
    ) -> list[list[Verdict]]:
        ledger.charge(CALL)
        self.seen.append((tuple(answers), tuple(criterion.text for criterion in rubric)))
        return [[self._verdict(answer, criterion.text) for criterion in rubric] for answer in answers]

    def _verdict(self, answer: str, text: str) -> Verdict:
        scripted = self.script.get((answer, text))
        return Verdict(scripted.pop(0) if scripted else self.rules[text](answer), evidence="", reason="fake")


@dataclass
class FakeReviser:
    """Proposes fixed revisions in turn, the last one for ever."""

    revisions: Sequence[Revision]
    max_words: list[int] = field(default_factory=list)

    def revise(
        self,
        case: Case,
        draft: str,
        rubric: Sequence[Criterion],
        verdicts: Sequence[Verdict],
        *,
        max_words: int,
        ledger: Ledger,
    ) -> Revision:
        ledger.charge(CALL)
        self.max_words.append(max_words)
        return self.revisions[min(len(self.max_words), len(self.revisions)) - 1]


@dataclass
class FakeDrafter:
    text: str = "A drafted answer."
    calls: int = 0

    def draft(self, case: Case, *, ledger: Ledger, on_token: Callable[[DraftToken], None]) -> str:
        ledger.charge(CALL)
        self.calls += 1
        for word in re.findall(r"\S+\s*", self.text):
            on_token(DraftToken(word))
        return self.text


@dataclass(frozen=True)
class FakeRubricWriter:
    rubric: Rubric

    def write(self, case: Case, draft: str, *, ledger: Ledger, on_seen: OnSeen | None = None) -> WrittenRubric:
        return WrittenRubric(self.rubric)


@dataclass
class FakeClock:
    """Advances by `step` seconds at every reading."""

    step: float = 0.0
    now: float = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def says(word: str) -> Rule:
    """Return the rule that is met where the answer has `word`."""
    return lambda answer: "met" if word in answer else "unmet"


def always(value: VerdictValue) -> Rule:
    return lambda answer: value


def edited(before: str, after: str, draft: str, principle_id: str = "some-principle") -> Revision:
    """Return the revision that exchanges `before` for `after` once and names it."""
    op = "ADD" if not before else "MODIFY" if after else "REMOVE"
    text = draft.replace(before, after, 1) if before else f"{draft} {after}"
    patch = patch_between(draft, text, 0)
    made = Edit(op, before, after, principle_id, "criterion", "because")
    return Revision(text, (made,), patches=(patch,) if patch else ())


@dataclass
class Bench:
    """The fakes of one run, and the context that holds them."""

    judge: FakeJudge
    reviser: FakeReviser
    drafter: FakeDrafter
    context: AgentContext


def bench(
    context: AgentContext,
    rules: Mapping[str, Rule],
    *revisions: Revision,
    limits: Limits | None = None,
    points: Mapping[str, int] | None = None,
    clock: Callable[[], float] | None = None,
    seed: int = 0,
) -> Bench:
    """Return fakes with one criterion per rule, in the place of `context`'s engine."""
    judge, drafter = FakeJudge(rules), FakeDrafter()
    reviser = FakeReviser(revisions or (Revision(""),))
    rubric = tuple(Criterion(text, (points or {}).get(text, 5), "some-principle") for text in rules)
    engine = Engine("fake engine", drafter, FakeRubricWriter(rubric), judge, reviser, drafts_from_model=True)
    clock = clock or count().__next__
    return Bench(
        judge,
        reviser,
        drafter,
        replace(context, engine=engine, limits=limits or Limits(max_seconds=None), clock=clock, seed=seed),
    )
