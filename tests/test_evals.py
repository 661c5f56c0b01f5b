"""The measurements, on small data written for the purpose."""

import gzip
import json
from pathlib import Path

import pytest

from agent.retrieval import case_query
from agent.rubric import Criterion
from agent.state import AgentContext
from evals.critic import measure_critic
from evals.dataset import Example, read_examples
from evals.drafts import measure_drafts
from evals.firing import MOST, FiringRate, firing_rates
from evals.scenario import measure_scenarios
from evals.speed import enlarged, enlarged_index, time_search
from principles_store.conversation import parse_conversation

EMERGENCY = "my husband collapsed and isn't breathing what do i do"
MILD = "which moisturiser is good for dry hands in winter"


def _example(question: str, *, tags: tuple[str, ...] = (), **more: object) -> Example:
    return Example(question, parse_conversation(question), tags, **more)  # type: ignore[arg-type]


def test_scenario_figures_count_recall_and_precision(context: AgentContext) -> None:
    prefix = "physician_agreed_category:"
    examples = [
        _example(EMERGENCY, tags=("theme:emergency_referrals", prefix + "emergent")),
        _example(MILD, tags=("theme:emergency_referrals", prefix + "non-emergent")),
        _example("how many bones has the hand", tags=("theme:communication", prefix + "not-health-professional")),
    ]
    figures = measure_scenarios(examples, context.classifier)
    assert (figures.emergent_n, figures.emergent_recall, figures.emergent_precision) == (1, 1.0, 1.0)
    assert {facet.facet: facet.n for facet in figures.facets} == {"urgency": 2, "expertise": 1}
    assert figures.emergent_share_elsewhere == 0.0


def test_firing_rates_are_shares_of_conversations(context: AgentContext) -> None:
    rates = firing_rates([_example(EMERGENCY), _example(MILD)], context)
    assert len(rates) == len(context.index.library)
    assert {rate.rate for rate in rates} <= {0.0, 0.5, 1.0}
    assert rates[0].rate > 0


def test_a_rate_above_the_limit_needs_a_reason(context: AgentContext) -> None:
    narrow = next(p for p in context.index.library if p.applies_when.broad is None)
    assert FiringRate(narrow, MOST + 0.01).too_broad
    assert not FiringRate(narrow, MOST).too_broad


def test_draft_figures_count_changes_and_find_no_loss(context: AgentContext) -> None:
    draft = "It is probably just heartburn and nothing to worry about. He can take an antacid."
    question = "my dad has crushing chest pain and is sweating, is it heartburn"
    figures = measure_drafts(
        [(_example(question), draft), (_example("where do kangaroos live"), "In Australia.")], context
    )
    assert (figures.n, figures.accepted, figures.lost_criteria, figures.lost_facts) == (2, 1, 0, [])
    assert figures.gained_criteria >= 1
    assert figures.median_length_ratio >= 1


def test_the_critic_is_compared_only_where_the_library_knows_the_criterion(context: AgentContext) -> None:
    known = context.index.library.by_id["urg-chest-pain-heart-attack"].criteria[0]
    rubric = (Criterion(known.text, known.points), Criterion("Mentions the price of tea in the year 1840.", 3))
    graded = _example(
        "crushing chest pain now", draft="Call 911 now for this chest pain.", rubric=rubric, verdicts=(True, False)
    )
    everything = measure_critic([graded], context)[0]
    assert (everything.criteria, everything.mapped) == (2, 1)


def test_search_is_timed_on_an_enlarged_library(context: AgentContext) -> None:
    index = enlarged_index(enlarged(context.index.library, 300), context.embedder.encode)
    conversation = parse_conversation(EMERGENCY)
    query = case_query(conversation, context.classifier.classify(conversation), context.embedder, draft=None)
    timing = time_search(index, query, runs=3)
    assert len(index.library) == 300
    assert timing.n == 3
    assert timing.seconds > 0


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_rows_are_read_plain_and_compressed(tmp_path: Path, name: str) -> None:
    row = json.dumps({"prompt_id": "a", "prompt": [{"role": "user", "content": "Q"}], "draft": "D"}) + "\n"
    path = tmp_path / name
    path.write_bytes(gzip.compress(row.encode()) if name.endswith("gz") else row.encode())
    assert [(e.id, e.draft) for e in read_examples(path)] == [("a", "D")]
