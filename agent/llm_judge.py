"""The model as critic and as judge: rubric and verdicts on a draft in one call; verdicts on several answers, blind, in one call.

Evidence is given by segment number and quoted by code. A judgement that can't be read leaves every verdict unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from agent.chat import ChatClient
from agent.criteria_seen import CriteriaReader
from agent.engine import Case, OnSeen, WrittenRubric
from agent.errors import LimitReachedError, ModelError
from agent.judge import Judge, checked_verdicts
from agent.ledger import Ledger, Limits
from agent.llm_prompts import critique_prompt, judge_prompt
from agent.llm_schemas import (
    LABELS,
    AnswerVerdict,
    Critique,
    JudgedCriterion,
    Judgement,
    critique_schema,
    judgement_schema,
)
from agent.rubric import Criterion, Verdict
from agent.seeds import MAX_FROM_SEEDS
from agent.segments import quote, segments
from agent.sentences import count_words
from principles_store.conversation import Conversation


@dataclass(frozen=True)
class ModelCritic:
    """Writes the rubric and judges the draft on it, in one call."""

    client: ChatClient
    limits: Limits
    overruled_by: Judge | None = None
    """Where this judge is sure, its verdicts count: the one that accepts revisions then starts from its own view of the draft."""

    def write(self, case: Case, draft: str, *, ledger: Ledger, on_seen: OnSeen | None = None) -> WrittenRubric:
        seeds = case.seeds
        asked = critique_prompt(
            case.conversation,
            draft,
            case.principles,
            seeds,
            max_words=self.limits.word_budget(count_words(draft)),
        )
        schema = critique_schema(len(case.principles), len(seeds), len(segments(draft)))
        reply = asked.of(
            self.client,
            Critique,
            schema=schema,
            check=lambda reply: _check_critique(reply, case),
            ledger=ledger,
            on_token=CriteriaReader(on_seen) if on_seen else None,
        )
        criteria = tuple(
            Criterion(item.criterion, item.points, case.source_of(item.principle)) for item in reply.criteria
        )
        verdicts = [_verdict(item, draft, fix=item.fix) for item in reply.criteria]
        if self.overruled_by:
            with suppress(LimitReachedError):  # by the critique itself, which is paid for; its own verdicts stand then
                (sure,) = checked_verdicts(self.overruled_by, case.conversation, [draft], criteria, ledger=ledger)
                verdicts = [_weighed(own, other) for own, other in zip(verdicts, sure, strict=True)]
        return WrittenRubric(criteria, tuple(verdicts))


@dataclass(frozen=True)
class ModelJudge:
    """Judges answers on a rubric, all in one call; a reply that can't be read leaves every verdict unknown."""

    client: ChatClient

    @property
    def name(self) -> str:
        return self.client.name

    def judge(
        self, conversation: Conversation, answers: Sequence[str], rubric: Sequence[Criterion], *, ledger: Ledger
    ) -> list[list[Verdict]]:
        asked = judge_prompt(conversation, answers, rubric)
        schema = judgement_schema(len(rubric), [len(segments(answer)) for answer in answers])
        labels = LABELS[: len(answers)]

        def check(reply: Judgement) -> None:
            if sorted(row.criterion for row in reply.verdicts) != list(range(1, len(rubric) + 1)):
                raise ValueError(f"give each criterion from 1 to {len(rubric)} once")
            if any(sorted(row.answers) != sorted(labels) for row in reply.verdicts):
                raise ValueError(f"each criterion needs a verdict for {', '.join(labels)} and no other")

        try:
            reply = asked.of(self.client, Judgement, schema=schema, check=check, ledger=ledger)
        except ModelError as error:
            if error.fault not in ("malformed reply", "cut-off reply", "empty reply", "refusal"):
                raise
            return [[Verdict("unknown", reason=str(error))] * len(rubric) for _ in answers]
        rows = sorted(reply.verdicts, key=lambda row: row.criterion)
        return [
            [_verdict(row.answers[label], answer) for row in rows]
            for label, answer in zip(labels, answers, strict=True)
        ]


def _check_critique(reply: Critique, case: Case) -> None:
    for position, item in enumerate(reply.criteria, start=1):
        if item.points == 0:
            raise ValueError(f"criterion {position}: points must not be 0")
        if not -len(case.seeds) <= item.principle <= len(case.principles):
            raise ValueError(f"criterion {position}: there is no principle {item.principle}")
    texts = [item.criterion for item in reply.criteria]
    if len(set(texts)) < len(texts):
        raise ValueError("two criteria are the same; give each once")
    if (seeded := sum(item.principle < 0 for item in reply.criteria)) > MAX_FROM_SEEDS:
        raise ValueError(
            f"{seeded} criteria come from seeds; at most {MAX_FROM_SEEDS} may, keep those that matter most here"
        )


def _weighed(own: Verdict, other: Verdict) -> Verdict:
    """Return the other judge's verdict where it has one that differs; what to change about it is then nobody's word."""
    return own if other.value in ("unknown", own.value) else replace(other, fix=None)


def _verdict(given: AnswerVerdict | JudgedCriterion, answer: str, *, fix: str | None = None) -> Verdict:
    return Verdict(given.verdict, quote(answer, given.evidence), given.reason, fix)
