"""The rules of the loop, through the real graph: never worse, nothing unnamed lost, within limits, and alone what is good."""

import asyncio

import pytest
from fakes import FakeClock, always, bench, edited, says
from langgraph.checkpoint.memory import InMemorySaver

from agent.api import build_graph, invoke
from agent.edit import Edit, Revision
from agent.ledger import Limits
from agent.weave import Weave

DRAFT = "Take 500 mg with food. Do not drive. Rest well."
QUESTION = "Is paracetamol all right for a headache?"
GOOD = edited("Rest well.", "Rest well, and ask your pharmacist.", DRAFT)
RULES = {"pharmacist": says("pharmacist"), "rest": says("Rest")}


def run(made, draft=DRAFT):
    return invoke(QUESTION, draft=draft, context=made.context)


def refused(answer, because):
    assert (answer["answer"], answer["draft"]) == (DRAFT, DRAFT)
    assert (answer["accepted"], answer["edits"], answer["stopped_because"]) == (False, [], because)
    return True


def test_a_revision_that_gains_and_loses_nothing_is_returned_with_its_edits(context):
    answer = run(bench(context, RULES, GOOD))
    assert (answer["answer"], answer["draft"], answer["accepted"]) == (GOOD.text, DRAFT, True)
    assert answer["edits"] == [edit.as_dict() for edit in GOOD.edits]
    assert (answer["stopped_because"], answer["rounds"], answer["engine"]) == ("revision accepted", 1, "fake engine")
    assert [[row["verdict"] for row in rows] for rows in answer["critiques"]] == [["unmet", "met"], ["met", "met"]]


def test_a_revision_that_loses_a_criterion_is_refused(context):
    answer = run(bench(context, RULES, edited("Rest well.", "Ask your pharmacist.", DRAFT)))
    assert refused(answer, "revision lost a criterion")
    assert "rest" in answer["warnings"][0]


def test_a_revision_that_gains_nothing_is_refused(context):
    assert refused(
        run(bench(context, RULES, edited("Rest well.", "Rest very well.", DRAFT))), "revision gained nothing"
    )


def test_a_penalty_earned_is_a_criterion_lost(context):
    made = bench(context, RULES | {"jargon": says("pharmacist")}, GOOD, points={"jargon": -3})
    assert refused(run(made), "revision lost a criterion")


def test_a_noisy_loss_does_not_throw_a_good_revision_away(context):
    made = bench(context, RULES, GOOD)
    made.judge.script[GOOD.text, "rest"] = ["unmet"]
    assert run(made)["accepted"]
    assert [texts for _, texts in made.judge.seen] == [("pharmacist", "rest"), ("pharmacist", "rest"), ("rest",)]


def test_the_judge_of_a_revision_sees_two_texts_in_either_order_and_no_plan(context):
    orders = set()
    for seed in range(12):
        made = bench(context, RULES, GOOD, seed=seed)
        run(made)
        orders.add(made.judge.seen[1][0])
    assert orders == {(DRAFT, GOOD.text), (GOOD.text, DRAFT)}


def test_the_same_seed_gives_the_same_order(context):
    runs = [bench(context, RULES, GOOD, seed=5) for _ in range(3)]
    for made in runs:
        run(made)
    assert runs[0].judge.seen == runs[1].judge.seen == runs[2].judge.seen


@pytest.mark.parametrize("lost", ["500 mg", "Do not drive.", "not"])
def test_no_engine_gets_a_fact_past_the_guard(context, lost):
    text = GOOD.text.replace(lost, "")
    made = bench(context, RULES, Revision(text, GOOD.edits))
    answer = run(made)
    assert refused(answer, "revision lost a fact")
    assert answer["warnings"]
    assert len(made.judge.seen) == 1, "no judge is asked about it"


def test_no_engine_outgrows_the_length_budget(context):
    text = f"{GOOD.text} {'More. ' * 61}"
    edit = Edit("ADD", "", text, "p", "c", "r")
    answer = run(bench(context, RULES, Revision(text, (*GOOD.edits, edit))))
    assert refused(answer, "revision too long")


def test_the_length_budget_is_that_of_the_draft_in_every_round(context):
    words = [f"w{n} " * 30 for n in range(4)]
    first = edited("", words[0] + "alpha", DRAFT)
    second = edited("", words[1] + "beta", first.text)
    made = bench(context, {"a": says("alpha"), "b": says("beta")}, first, second, limits=Limits(max_rounds=5))
    answer = run(made)
    assert answer["answer"] == first.text
    assert made.reviser.max_words == [70, 70]


@pytest.mark.parametrize(
    ("revision", "draft"),
    [(Revision(DRAFT), DRAFT), (Revision(GOOD.text), DRAFT), (Revision(DRAFT, GOOD.edits), DRAFT)],
)
def test_without_a_named_change_there_is_nothing_to_judge(context, revision, draft):
    made = bench(context, RULES, revision)
    assert refused(run(made, draft), "no edit possible")
    assert len(made.judge.seen) == 1


def test_a_good_draft_comes_back_untouched_after_one_judgement(context):
    made = bench(context, {"food": says("food")}, GOOD)
    assert refused(run(made), "nothing to improve")
    assert (len(made.judge.seen), made.reviser.max_words) == (1, [])


def test_unknown_verdicts_are_no_reason_to_revise(context):
    made = bench(context, {"food": says("food"), "hard": always("unknown"), "harder": always("unknown")}, GOOD)
    assert refused(run(made), "nothing to improve")


def test_unknown_that_becomes_met_is_no_gain(context):
    unclear = lambda answer: "met" if "pharmacist" in answer else "unknown"  # noqa: E731
    made = bench(context, {"unclear": unclear, "never": always("unmet")}, GOOD)
    assert refused(run(made), "revision gained nothing")


def test_an_empty_rubric_asks_nobody(context):
    made = bench(context, {}, GOOD)
    assert refused(run(made), "no principle applies")
    assert (made.judge.seen, made.reviser.max_words) == ([], [])


@pytest.mark.parametrize(
    ("limits", "because", "judgements"),
    [
        (Limits(max_rounds=0), "limit reached: rounds", 1),
        (Limits(max_calls=0), "limit reached: calls", 0),
        (Limits(max_calls=1), "limit reached: calls", 1),
        (Limits(max_calls=2), "limit reached: calls", 1),
        (Limits(max_tokens=110), "limit reached: tokens", 1),
        (Limits(max_tokens=220), "limit reached: tokens", 1),
        (Limits(max_cost=0.01), "limit reached: cost", 1),
        (Limits(max_seconds=0), "limit reached: seconds", 0),
    ],
)
def test_at_a_limit_the_draft_comes_back_and_says_so(context, limits, because, judgements):
    made = bench(context, RULES, GOOD, limits=limits, clock=lambda: 0.0)
    assert refused(run(made), because)
    assert len(made.judge.seen) == judgements


def test_time_is_looked_at_between_steps(context):
    made = bench(context, RULES, GOOD, limits=Limits(max_seconds=30), clock=FakeClock(step=10))
    answer = run(made)
    assert refused(answer, "limit reached: seconds")
    assert answer["usage"]["seconds"] >= 30


def staircase(count):
    """Return rules and revisions that mend one more criterion each round."""
    rules = {f"step {n}": says(f"step{n}.") for n in range(count)}
    revisions, text = [], DRAFT
    for n in range(count):
        revisions.append(edited("", f"Then step{n}.", text))
        text = revisions[-1].text
    return rules, revisions


@pytest.mark.parametrize("rounds", [1, 2, 10])
def test_rounds_are_bounded_and_each_builds_on_the_best_so_far(context, rounds):
    rules, revisions = staircase(12)
    answer = run(bench(context, rules, *revisions, limits=Limits(max_rounds=rounds, max_calls=None, max_seconds=None)))
    assert (answer["answer"], answer["rounds"]) == (revisions[rounds - 1].text, rounds)
    assert len(answer["edits"]) == rounds
    assert len(answer["critiques"]) == rounds + 1
    assert answer["stopped_because"] == "revision accepted"


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_the_patches_lead_from_the_draft_to_the_answer_through_all_rounds(context, rounds):
    rules, revisions = staircase(3)
    answer = run(bench(context, rules, *revisions, limits=Limits(max_rounds=rounds, max_seconds=None)))
    weave = Weave.of(DRAFT, answer["patches"])
    assert [patch["edit"] for patch in answer["patches"]] == [*range(rounds)]
    assert (weave.text(), weave.text(range(rounds))) == (answer["answer"], DRAFT)
    assert weave.text(range(1, rounds)) == revisions[0].text


def test_without_an_accepted_revision_there_are_no_patches(context):
    answer = run(bench(context, RULES, edited("Rest well.", "Ask your pharmacist.", DRAFT)))
    assert (answer["accepted"], answer["patches"]) == (False, [])


def test_a_limit_in_a_later_round_keeps_the_best_so_far_and_says_so(context):
    rules, revisions = staircase(12)
    answer = run(bench(context, rules, *revisions, limits=Limits(max_rounds=10, max_calls=4, max_seconds=None)))
    assert (answer["answer"], answer["accepted"]) == (revisions[0].text, True)
    assert (answer["stopped_because"], answer["usage"]["calls"]) == ("limit reached: calls", 4)


def test_a_refused_later_round_keeps_the_best_so_far(context):
    worse = Revision("Nothing.", (Edit("REMOVE", "nowhere", "", "p", "c", "r"),))
    made = bench(
        context, RULES | {"never": always("unmet")}, GOOD, worse, limits=Limits(max_rounds=3, max_seconds=None)
    )
    answer = run(made)
    assert (answer["answer"], answer["accepted"], answer["rounds"]) == (GOOD.text, True, 2)


def test_all_that_the_fakes_charge_is_in_the_usage(context):
    answer = run(bench(context, RULES, GOOD), draft=None)
    usage = answer["usage"]
    assert (usage["calls"], usage["input_tokens"], usage["output_tokens"]) == (4, 400, 40)


def test_a_missing_draft_is_written_once(context):
    made = bench(context, {"drafted": says("drafted")}, GOOD)
    answer = run(made, draft=None)
    assert (answer["answer"], answer["draft"], made.drafter.calls) == (made.drafter.text, made.drafter.text, 1)


def test_a_given_draft_is_never_rewritten_by_the_drafter(context):
    made = bench(context, RULES, GOOD)
    run(made)
    assert made.drafter.calls == 0


def test_the_graph_has_a_recursion_limit_of_its_own(context):
    assert build_graph(context).config["recursion_limit"] < 20


def test_the_graph_is_a_runnable_with_batch_and_async(context):
    graph = build_graph(bench(context, RULES, GOOD).context)
    state = {"conversation": [{"role": "user", "content": QUESTION}], "draft": DRAFT}
    answers = [*graph.batch([state, state]), asyncio.run(graph.ainvoke(state)), graph.invoke(state)]
    assert [answer["answer"] for answer in answers] == [GOOD.text] * 4


def test_a_context_at_the_call_comes_before_the_default(context):
    graph = build_graph(bench(context, {}).context)
    state = {"conversation": [{"role": "user", "content": QUESTION}], "draft": DRAFT}
    assert graph.invoke(state, context=bench(context, RULES, GOOD).context)["answer"] == GOOD.text


def test_a_second_question_on_a_thread_knows_nothing_of_the_first_answer(context):
    made = bench(context, RULES, GOOD)
    graph = build_graph(made.context, checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    first = graph.invoke({"conversation": [("user", QUESTION)], "draft": DRAFT}, thread)
    assert (first["accepted"], first["draft"]) == (True, DRAFT)
    made.reviser.revisions = [Revision("")]
    second = graph.invoke({"conversation": [("user", "Is a pulse of 58 normal?")]}, thread)
    assert (second["draft"], second["answer"]) == (made.drafter.text, made.drafter.text)
    assert (second["accepted"], second["edits"], second["warnings"], len(second["critiques"])) == (False, [], [], 1)
    assert (len(first["patches"]), second["patches"]) == (1, [])
    assert (second["stopped_because"], second["rounds"]) == ("no edit possible", 1)
