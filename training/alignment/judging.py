"""All completions of a step past a judge at once: so many at a time, tried again while it fails, and never longer than a deadline.

A failure is never a verdict. What the judge could not say, or not in time, is `Unjudged`, whole: a sheet with a hole that a failure
has torn would add up to another score than the whole one. Whoever runs after the deadline is left behind in its daemon thread,
with its model call cancelled, so that neither the step nor the end of the process waits for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from agent.errors import CancelledError, ClinAlignError, LimitReachedError
from agent.faults import PASSING
from agent.ledger import Ledger, Limits, Usage
from agent.rubric import Criterion
from evals.graded import Grade
from evals.grading.grader import Grader, failures
from principles_store.conversation import Message

_log = logging.getLogger(__name__)
_NOTHING = Usage()
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 5.0
"""Between two tries; the chat client has its own, shorter ones within each."""
_PATIENCE_S = 60.0
"""With one completion, while others have verdicts; where none has, the judge is down and is waited for until the deadline."""


@dataclass(frozen=True, slots=True)
class Case:
    """One answer to be judged."""

    row: str
    """Id of its question."""
    conversation: tuple[Message, ...]
    rubric: tuple[Criterion, ...]
    response: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """The verdicts on one answer, in the rubric's order; None: the judge can't tell."""

    mets: tuple[bool | None, ...]


@dataclass(frozen=True, slots=True)
class Unjudged:
    """There are no verdicts on an answer."""

    reason: str
    """A fault of a model call, "late" or "judge error"."""
    told: str
    """For people."""
    may_pass: bool = False


LATE = Unjudged("late", "no verdicts before the deadline")
Outcome = Sheet | Unjudged
Keep = Callable[[Sequence[tuple[Case, Sheet]], Usage], None]
"""Gets sheets as they come, and what has been spent since it was called last, also on completions without one."""


@dataclass(frozen=True, slots=True)
class Effort:
    """What it took."""

    spent: Usage = _NOTHING
    retries: int = 0
    """Requests that repeated one that had failed, or whose reply could not be used."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How failures are waited out; other than usual in tests alone."""

    first_wait_s: float = _FIRST_WAIT_S
    longest_wait_s: float = _LONGEST_WAIT_S
    for_one_s: float = _PATIENCE_S


def judge_all(
    grader: Grader,
    cases: Sequence[Case],
    *,
    concurrency: int,
    deadline_s: float,
    keep: Keep = lambda sheets, spent: None,
    patience: Patience = Patience(),
) -> tuple[list[Outcome], Effort]:
    """Return an outcome per case, at the deadline at the latest, and what they took.

    `keep` is called in this thread, so that a process that is killed has what came before.
    """
    round_ = _Round(grader, cases, deadline_s, patience)
    for number in range(min(concurrency, len(cases))):
        threading.Thread(target=round_.work, name=f"rubric-judge-{number}", daemon=True).start()
    try:
        outcomes = round_.collect(keep)
    finally:
        round_.over.set()
    return outcomes, round_.effort()


@dataclass
class _Round:
    """What the threads of one step share."""

    grader: Grader
    cases: Sequence[Case]
    deadline_s: float
    patience: Patience
    over: threading.Event = field(default_factory=threading.Event)
    """Nobody waits any more; the ledgers of all calls hold it too."""
    has_verdicts: bool = False
    """Of any completion: so the judge is there."""
    done: SimpleQueue[tuple[int, Outcome]] = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        self.began = time.monotonic()
        self.waiting = deque(range(len(self.cases)))
        self.retries = [0] * len(self.cases)  # each written by one thread
        limits = Limits(max_calls=None, max_tokens=None, max_seconds=self.deadline_s)
        self.ledgers = [Ledger(limits, started_at=self.began, cancelled=self.over) for _ in self.cases]

    def work(self) -> None:
        """Judge whatever waits, one after the other."""
        while not self.over.is_set():
            try:
                number = self.waiting.popleft()
            except IndexError:
                return
            self.done.put((number, self._judged(number)))

    def collect(self, keep: Keep) -> list[Outcome]:
        """Return the outcomes; what isn't there at the deadline is late."""
        outcomes: list[Outcome] = [LATE] * len(self.cases)
        missing = set(range(len(self.cases)))
        while missing and (arrived := self._arrived()):
            for number, outcome in arrived:
                outcomes[number] = outcome
                missing.remove(number)
            sheets = [(self.cases[number], outcome) for number, outcome in arrived if isinstance(outcome, Sheet)]
            keep(sheets, self._spent(number for number, _ in arrived))
        if missing:
            keep([], self._spent(missing))
        return outcomes

    def effort(self) -> Effort:
        """Return what all calls took that have come back."""
        calls = [call for ledger in self.ledgers for call in list(ledger.calls)]
        repeated = sum(call.attempts - 1 + call.step.endswith("(again)") for call in calls)
        return Effort(self._spent(range(len(self.cases))), sum(self.retries) + repeated)

    def _spent(self, numbers: Iterable[int]) -> Usage:
        return sum((self.ledgers[number].spent for number in numbers), Usage())

    def _arrived(self) -> list[tuple[int, Outcome]]:
        """Wait for an outcome and return it with those that are there by then; none at the deadline."""
        try:
            arrived = [self.done.get(timeout=max(0.0, self._left_s()))]
            while not self.done.empty():
                arrived.append(self.done.get_nowait())
        except Empty:
            return []
        return arrived

    def _left_s(self) -> float:
        return self.began + self.deadline_s - time.monotonic()

    def _judged(self, number: int) -> Outcome:
        """Ask until there are verdicts, or it is in vain."""
        began, wait_s = time.monotonic(), self.patience.first_wait_s
        while True:
            outcome = self._asked(self.cases[number], self.ledgers[number])
            if isinstance(outcome, Sheet):
                self.has_verdicts = True
                return outcome
            is_alone = self.has_verdicts and time.monotonic() - began >= self.patience.for_one_s
            if not outcome.may_pass or is_alone or wait_s >= self._left_s():
                return outcome
            if self.over.wait(wait_s):
                return LATE
            self.retries[number] += 1
            wait_s = min(2 * wait_s, self.patience.longest_wait_s)

    def _asked(self, case: Case, ledger: Ledger) -> Outcome:
        """Ask once; whatever the grader raises is this completion's failure alone."""
        try:
            grades = self.grader.grade(
                case.conversation, case.response, case.rubric, ledger=ledger, ids=(case.row, case.row)
            )
        except (LimitReachedError, CancelledError):
            return LATE
        except ClinAlignError as error:
            return Unjudged("judge error", str(error))
        except Exception as error:  # the outer wall of one completion's judging
            _log.warning("judge %s: %s on question %s", self.grader.name, type(error).__name__, case.row)
            _log.debug("as it was", exc_info=True)  # whose message may quote the answer
            return Unjudged("judge error", f"{self.grader.name} raised {type(error).__name__}")
        return _outcome(grades, len(case.rubric), self.grader.name)


def _outcome(grades: Sequence[Grade], criteria: int, judge: str) -> Outcome:
    if len(grades) != criteria:
        return Unjudged("judge error", f"{judge} gave {len(grades)} verdicts for {criteria} criteria")
    if failed := failures(grades):
        cause = next((grade for grade in failed if grade.fault in PASSING), failed[0])
        return Unjudged(cause.fault, cause.explanation, may_pass=cause.fault in PASSING)
    return Sheet(tuple(grade.met for grade in grades))
