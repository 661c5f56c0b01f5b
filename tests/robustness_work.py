"""Answers and judges for the tests of robustness and of augmentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.ledger import Ledger
from agent.rubric import Criterion
from evals.dataset import TaggedCriterion
from evals.graded import Grade, GradedAnswer
from evals.grading.grader import FailedGrade
from principles_store.conversation import Conversation

TOPICS = (
    "migraine",
    "ringworm",
    "asthma",
    "sunburn",
    "anaemia",
    "scabies",
    "tendonitis",
    "vertigo",
    "shingles",
    "colitis",
)
Says = Callable[[str, Criterion], bool | None]


def topic_answer(number: int, *, met: Sequence[bool | None] = (True, False, True)) -> GradedAnswer:
    """Return an answer to a conversation of its own, with two merits and a penalty on its topic."""
    topic = TOPICS[number % len(TOPICS)]
    rubric = (
        TaggedCriterion(f"Recommends paracetamol against {topic}.", 5),
        TaggedCriterion(f"The response mentions surgery against {topic}.", 3),
        TaggedCriterion(f"Fails to mention homeopathy against {topic}.", -4),
    )
    return GradedAnswer(
        id=f"a{number}",
        prompt_id=f"p{number}",
        conversation=[{"role": "user", "content": f"What helps against {topic}? (case {number})"}],
        response=f"## {topic}\n\nTake **paracetamol** tablets twice daily against {topic}.\n\n- Rest well until {topic} is over.",
        rubric=rubric,
        grades=tuple(Grade(value) for value in met),
        model="m",
        canary="c",
    )


def topic_answers(count: int) -> list[GradedAnswer]:
    return [topic_answer(number) for number in range(count)]


@dataclass
class RuleGrader:
    """Grades by a rule on the answer's text; an answer with `fails_on` in it gets no verdicts."""

    says: Says
    name: str = "rule"
    protocol: str = "by rule"
    fails_on: str = "\0"

    def grade(
        self,
        conversation: Conversation,
        response: str,
        rubric: Sequence[Criterion],
        *,
        ledger: Ledger,
        ids: Sequence[str] = (),
    ) -> list[Grade]:
        if self.fails_on in response:
            return [FailedGrade(None, "no reply") for _ in rubric]
        return [Grade(self.says(response, criterion)) for criterion in rubric]


def blind(response: str, criterion: Criterion) -> bool:
    """Say the same of every answer."""
    return criterion.points > 3


def gullible(response: str, criterion: Criterion) -> bool:
    """Believe that an answer is as it says."""
    return criterion.text in response


def obedient(response: str, criterion: Criterion) -> bool:
    """Do what the answer wants."""
    return "all met" in response or "every item" in response or "each of them" in response
