"""The arms: what each changes of the agent, and what it may spend.

All arms revise the same drafts, with the same models, the same bound on length, and at most `CALLS_PER_ROUND` calls for each
round: critique, revision, blind judgement, and one to look again or to have a malformed reply mended. So no arm can buy its
gain with calls that the equal-budget arm (self-critique without principles, with as many rounds) was not allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from agent.batch.plan import Plan, make_plan, make_plan_without_agent
from agent.call_memory import CallMemory
from agent.config import Settings
from agent.errors import ConfigError, InputError
from agent.ledger import Ledger, Limits
from agent.llm import ModelReviser
from agent.llm_judge import ModelCritic
from agent.seeds import NoSeeds
from agent.state import AgentContext
from evals.ablation.true_labels import OracleClassifier, true_labels
from evals.ablation.whole_library import with_whole_library
from evals.answers.answer import Answer, spent_on
from evals.answers.question import Question
from evals.answers.ways import (
    OF_A_MODEL,
    Answerer,
    PerSample,
    agent_with_seed,
    answered_by_agent,
)

CALLS_PER_ROUND = 4
_LABELS = {"revised": "revised", "kept": "drafts kept as they were"}
_COMPARED = (*OF_A_MODEL, "judge", "length_ratio", "length_words", "max_tokens", "max_seconds", "max_cost")

Principles = Literal["retrieved", "all", "none"]


@dataclass(frozen=True)
class Arm:
    """One way of revising a draft."""

    name: str
    told: str
    """What it is, in the words of the table."""
    principles: Principles
    seeds: bool = False
    """Whether criteria of rubrics for similar conversations are shown; without them and principles it is plain self-critique."""
    rounds: int = 1
    has_true_labels: bool = False
    labels: Mapping[str, str] = field(default_factory=lambda: dict(_LABELS))

    @property
    def most_calls(self) -> int:
        """Calls that an answer may take, the draft's not among them."""
        return CALLS_PER_ROUND * self.rounds

    @property
    def rival(self) -> str | None:
        """Name of the arm that has the same budget and neither principles nor seeds."""
        return None if self.is_self_critique else _named("generic", self.rounds)

    @property
    def is_self_critique(self) -> bool:
        """Tell whether it goes without the agent."""
        return self.principles == "none" and not self.seeds

    def models(self, settings: Settings) -> tuple[str, ...]:
        return settings.models

    def plan(self, settings: Settings, data: Path, sha256: str, work: Mapping[str, Any]) -> Plan:
        shape = {"arm": self.name, "rounds": self.rounds, "calls per round": CALLS_PER_ROUND, **work}
        if self.is_self_critique:
            from evals.self_critique import PROMPTS

            prompts = {prompt.name: prompt.hash for prompt in PROMPTS}
            return make_plan_without_agent(settings, data, sha256, compared=_COMPARED, work=shape, prompts=prompts)
        switched = settings.model_copy(update={"seeds": self.seeds, "principles": self.principles != "none"})
        return make_plan(switched, data, sha256, work=shape)

    def open(self, settings: Settings, context: AgentContext | None) -> Answerer:
        seeded = agent_with_seed(settings, context)
        contexts = PerSample(settings, lambda given: self.varied(seeded(given)))
        return lambda question, memory: self.answered(contexts.of(question.sample), question, memory)

    def varied(self, context: AgentContext) -> AgentContext:
        """Return the agent as this arm has it; raises ConfigError where that is impossible."""
        engine = (
            with_whole_library(context.engine, context.index.library) if self.principles == "all" else context.engine
        )
        if self.seeds and not context.seeds.content_hash:
            raise ConfigError(
                f"the arm {self.name} needs rubrics for similar conversations: don't set CLINALIGN_SEEDS to false"
            )
        return replace(
            context,
            engine=engine,
            limits=self.limits(context.limits),
            uses_principles=self.principles != "none",
            seeds=context.seeds if self.seeds else NoSeeds(),
        )

    def limits(self, given: Limits) -> Limits:
        """Return the bounds of an answer; what is bounded more tightly stays so."""
        most = self.most_calls if given.max_calls is None else min(given.max_calls, self.most_calls)
        return replace(given, max_rounds=self.rounds, max_calls=most)

    def answered(self, context: AgentContext, question: Question, memory: CallMemory) -> Answer:
        """Return the arm's answer to a question that brings its draft."""
        if self.is_self_critique:
            return criticised(context, question, memory)
        if not self.has_true_labels:
            return answered_by_agent(context, question, memory)
        truth = true_labels(question.tags)
        guessed = context.classifier.classify(question.conversation).labels
        answer = answered_by_agent(
            replace(context, classifier=OracleClassifier(context.classifier, truth)), question, memory
        )
        told = {"true_labels": truth, "classified": {facet: guessed[facet] for facet in truth}}
        return replace(answer, more={**answer.more, **told})


def criticised(context: AgentContext, question: Question, memory: CallMemory) -> Answer:
    """Return what self-critique without principles makes of a draft, with the agent's own models, window and bounds."""
    from evals.self_critique import self_critique

    engine, draft = context.engine, question.draft
    if (
        not isinstance(engine.reviser, ModelReviser)
        or not isinstance(engine.rubric_writer, ModelCritic)
        or draft is None
    ):
        raise ConfigError("self-critique needs a model and a draft")
    ledger = Ledger(context.limits, clock=context.clock, memory=memory)
    conversation, warning = engine.fitter(question.conversation, draft)
    found = self_critique(
        engine.reviser.client, engine.rubric_writer.client, conversation, draft, ledger=ledger, seed=context.seed
    )
    more = {
        "draft": draft,
        "accepted": found.accepted,
        "stopped_because": found.stopped_because,
        "rounds": len(found.problems),
    }
    label = "revised" if found.accepted else "kept"
    return Answer(found.answer, label, spent_on(ledger), (warning,) if warning else (), more)


def _named(name: str, rounds: int) -> str:
    return name if rounds == 1 else f"{name}-{rounds}"


BASE = "base"
GENERIC = "generic"
RETRIEVED = "retrieved"
SEEDS = "seeds"
SHIPPED = "shipped"
"""The arm that is the agent as it is shipped."""
ORACLE = "oracle"
ARMS: tuple[Arm, ...] = (
    Arm(GENERIC, "self-critique, neither principles nor seeds", "none"),
    Arm("all", "all principles in the prompt, no seeds", "all"),
    Arm(RETRIEVED, "retrieved principles, no seeds", "retrieved"),
    Arm(SEEDS, "seeds from rubrics of similar conversations, no principles", "none", seeds=True),
    Arm(SHIPPED, "retrieved principles and seeds: the agent as shipped", "retrieved", seeds=True),
    Arm(ORACLE, "as shipped, by the true scenario labels", "retrieved", seeds=True, has_true_labels=True),
    Arm(_named(GENERIC, 2), "self-critique, 2 rounds", "none", rounds=2),
    Arm(_named(SHIPPED, 2), "as shipped, 2 rounds", "retrieved", seeds=True, rounds=2),
    Arm(_named(GENERIC, 3), "self-critique, 3 rounds", "none", rounds=3),
    Arm(_named(SHIPPED, 3), "as shipped, 3 rounds", "retrieved", seeds=True, rounds=3),
)
CREDITS = (("seeds", RETRIEVED, SHIPPED), ("principles", SEEDS, SHIPPED))
"""What is credited with the difference between two arms that have all else in common."""


def chosen_arms(names: str | None) -> tuple[Arm, ...]:
    """Return the arms of a comma-separated list, in the table's order; None: all. The base is always run.

    Raises InputError for a name that is none.
    """
    if names is None:
        return ARMS
    wanted = {name.strip() for name in names.split(",")} - {"", BASE}
    known = {arm.name for arm in ARMS}
    if unknown := sorted(wanted - known):
        raise InputError(f"no arm {unknown[0]!r}; there are {', '.join([BASE, *(arm.name for arm in ARMS)])}")
    return tuple(arm for arm in ARMS if arm.name in wanted)
