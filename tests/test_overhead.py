"""What is measured around a model: the rehearsed model plays its part, and the counts are those of real runs."""

from agent.api import invoke
from agent.testing import FakeServer
from evals.overhead import measure_calls, measure_overhead, with_model
from evals.rehearsed import ADDED, RehearsedModel

PAIRS = [
    ("Can I take ibuprofen with lisinopril?", "Yes, you can. Take it with food."),
    ([{"role": "user", "content": "Is a pulse of 58 normal?"}], "Yes, for a fit adult. Rest well."),
]


def test_the_rehearsed_model_leads_through_all_three_calls(context):
    with FakeServer(RehearsedModel()) as server:
        answer = invoke(PAIRS[0][0], draft=PAIRS[0][1], context=with_model(context, server))
    assert answer["answer"] == f"Yes, you can. {ADDED} Take it with food."
    assert [call["step"] for call in answer["calls"]] == ["critique", "revise", "judge"]


def test_overhead_is_what_is_left_beside_the_calls(context):
    found = measure_overhead(PAIRS, context, call_seconds=0.05)
    assert found.n == len(PAIRS)
    assert 0 < found.bare_loop < found.agent
    assert 0 < found.encoding < found.agent
    assert 0 < found.share < 1


def test_calls_are_counted_beside_a_loop_with_one_call_per_criterion(context):
    found = measure_calls(PAIRS, context)
    assert (found.agent_calls, found.naive_calls) == (3, 2 * 8 + 1)
    assert found.agent_prompt_tokens > 1000
