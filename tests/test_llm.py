"""The LLM engine on a real HTTP connection: how many calls, what each is shown, and what happens to every kind of bad reply."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from scripted_model import ScriptedModel, criterion, critique, edit, edits, judged_by, judgement, with_model

from agent.api import invoke, stream
from agent.context_window import ContextWindow, WindowFacts
from agent.errors import InputError, ModelError
from agent.events import AnswerToken, DraftToken
from agent.ledger import Limits
from agent.llm import WindowFitter
from agent.seeds import Seed
from agent.testing import FakeServer, Fault, Reply
from agent.weave import Weave

QUESTION = "Can I take ibuprofen with lisinopril for a headache?"
DRAFT = "Yes, you can. Take 400 mg with food."
ADDED = "Ask your pharmacist first."


def says_pharmacist(prompt):
    return judged_by("pharmacist", prompt)


def a_model(**changes):
    script = {
        "critique": critique(criterion("Says to ask a pharmacist")),
        "revise": edits(edit("ADD", 1, ADDED)),
        "judge": says_pharmacist,
    }
    return ScriptedModel(**script | changes)


def run(context, model, *, draft=DRAFT, **options):
    with FakeServer(model) as server:
        return invoke(QUESTION, draft=draft, context=with_model(context, server, **options))


def test_a_draft_is_revised_with_three_calls_and_every_edit_has_its_reason(context):
    model = a_model()
    answer = run(context, model)
    assert answer["answer"] == f"Yes, you can. {ADDED} Take 400 mg with food."
    assert answer["accepted"]
    assert model.asked == ["critique", "revise", "judge"]
    asked_for = {"principle_id": "model", "criterion": "Says to ask a pharmacist", "reason": "it matters"}
    assert answer["edits"] == [{"op": "ADD", "before": "", "after": ADDED, **asked_for}]
    assert [row[0]["verdict"] for row in answer["critiques"]] == ["unmet", "met"]
    assert answer["critiques"][0][0]["evidence"] == "Yes, you can."
    assert answer["usage"]["calls"] == 3 == len(answer["calls"])
    assert answer["models"] == {"writer": "openai:fake", "judge": "openai:fake"}


def test_the_patches_of_two_rounds_let_every_edit_be_taken_back(context):
    two = critique(criterion("Says to ask a pharmacist", points=9), criterion("Says to rest"))
    listed = "1. Ask your doctor.\n2. Drink enough.\n3. Take 400 mg with food."
    rounds = [
        edits(edit("REMOVE", 2), edit("ADD", 1, "Your pharmacist knows.")),
        edits(edit("MODIFY", 2, "Your pharmacist knows, so rest.", criterion=2)),
    ]

    def judge(prompt):
        both = (judged_by(word, prompt)["verdicts"][0]["answers"] for word in ("knows", "rest."))
        rows = [{label: answer["verdict"] for label, answer in answers.items()} for answers in both]
        return judgement(*rows)

    model = a_model(critique=two, revise=rounds, judge=judge)
    answer = run(context, model, draft=listed, limits=Limits(max_rounds=2))
    weave = Weave.of(listed, answer["patches"])
    assert answer["rounds"] == 2
    added = "1. Ask your doctor. Your pharmacist knows, so rest."
    assert weave.text() == answer["answer"] == f"{added}\n2. Take 400 mg with food."
    assert weave.text([0]) == listed.replace("1. Ask your doctor.", added)
    assert weave.left_out([1]) == {1, 2}
    assert weave.text([1]) == listed.replace("2. Drink enough.\n3", "2")
    assert weave.text([0, 1]) == listed


def test_a_good_draft_comes_back_after_one_call(context):
    model = a_model(critique=critique(criterion("Says yes", verdict="met")))
    answer = run(context, model)
    assert (answer["answer"], answer["stopped_because"], model.asked) == (DRAFT, "nothing to improve", ["critique"])


def test_a_missing_draft_costs_one_call_more_and_is_the_models_own(context):
    model = a_model()
    with FakeServer(model) as server:
        answer = invoke(QUESTION, context=with_model(context, server))
        assert server.requests[0].body["messages"] == [{"role": "user", "content": QUESTION}]
    assert model.asked == ["draft", "critique", "revise", "judge"]
    assert answer["draft"] == "A drafted answer. Rest well."


def test_where_a_change_would_do_more_harm_the_draft_is_left_alone(context):
    model = a_model(critique=critique(criterion("Names the place", fix="")))
    answer = run(context, model)
    assert (answer["stopped_because"], model.asked) == ("no edit possible", ["critique"])


def test_the_calls_share_their_beginning(context):
    model = a_model()
    with FakeServer(model) as server:
        invoke(QUESTION, draft=DRAFT, context=with_model(context, server))
        texts = ["".join(message["content"] for message in request.body["messages"]) for request in server.requests]
    shared = [next(i for i, (a, b) in enumerate(zip(*pair, strict=False)) if a != b) for pair in pairwise(texts)]
    assert texts[0][: shared[0]].rstrip().endswith("</draft>\n\n<"), "critique and revision share the draft"
    assert texts[0][: shared[1]].rstrip().endswith("</conversation>\n\n<"), "the judge has the conversation in common"


def test_the_judge_sees_both_texts_and_neither_plan_nor_principles(context):
    model = a_model()
    run(context, model)
    shown = model.prompts[2]
    assert shown.count("<answer name=") == 2
    assert "after [1] say so" not in shown
    assert "<principles>" not in shown
    assert "<draft>" not in shown


def test_the_critic_is_shown_principles_by_number_and_the_criterion_carries_the_id(context):
    model = a_model(critique=critique(criterion("Says to ask a pharmacist", principle=1)))
    answer = run(context, model)
    assert answer["edits"][0]["principle_id"] == answer["principles"][0]["id"] == answer["rubric"][0]["principle_id"]
    assert answer["principles"][0]["title"] in model.prompts[0]


class TwoSeeds:
    content_hash = "abc"

    def similar(self, conversation):
        return [
            Seed("r7", "Names the kidneys", 6, 0.7, is_verified=True, question="Is it safe?"),
            Seed("r8", "Names the liver", 4, 0.6),
        ]


def test_seeds_are_shown_with_where_they_come_from_and_criteria_name_their_rubric(context):
    model = a_model(critique=critique(criterion("Says to ask a pharmacist", principle=-2)))
    answer = run(context, model, seeds=TwoSeeds())
    assert "similarity 0.70, checked by clinicians: 'Is it safe?'\n1. (+6) Names the kidneys" in model.prompts[0]
    assert "similarity 0.60, not checked by a clinician\n2. (+4) Names the liver" in model.prompts[0]
    assert answer["rubric"][0]["principle_id"] == "rubric:r8"
    assert [(row["rubric_id"], row["criteria"]) for row in answer["seeds"]] == [("r7", 1), ("r8", 1)]
    assert answer["rubrics_hash"] == "abc"
    assert answer["accepted"]


def test_a_rubric_that_rests_on_seeds_alone_is_sent_back(context):
    many = [criterion(f"Says to ask a pharmacist {n}", principle=-1) for n in range(7)]
    model = a_model(critique=[critique(*many), critique(criterion("Says to ask a pharmacist"))])
    run(context, model, seeds=TwoSeeds())
    assert "7 criteria come from seeds; at most 6 may" in model.prompts[1]


def test_principles_can_be_left_out_and_seeds_kept(context):
    model = a_model(critique=critique(criterion("Says to ask a pharmacist", principle=-1)))
    answer = run(replace(context, uses_principles=False), model, seeds=TwoSeeds())
    assert answer["principles"] == []
    assert "Names the kidneys" in model.prompts[0]


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("Sure! Here is the JSON", "Invalid JSON"),
        (critique(criterion("a", points=0)), "points must not be 0"),
        (critique(criterion("a", principle=99)), "no principle 99"),
        (critique(criterion("a"), criterion("a")), "two criteria are the same"),
        (critique(criterion("a", verdict="yes")), "verdict"),
        ({"criteria": [{**criterion("a"), "points": "5"}]}, "points"),
        ({"criteria": [], "criteria_met": True}, "criteria_met"),
    ],
)
def test_a_bad_critique_is_sent_back_once_with_the_error(context, bad, complaint):
    good = critique(criterion("Says to ask a pharmacist"))
    model = a_model(critique=[bad, good])
    answer = run(context, model)
    assert complaint in model.prompts[1]
    assert answer["accepted"]
    assert [call["step"] for call in answer["calls"]] == ["critique", "critique (repair)", "revise", "judge"]


def test_a_critique_that_stays_bad_leaves_a_draft_that_says_it_is_unrevised(context):
    answer = run(context, a_model(critique="nonsense"))
    assert (answer["answer"], answer["accepted"], answer["stopped_because"]) == (DRAFT, False, "model failed")
    assert "not fully checked" in answer["warnings"][0]
    assert answer["usage"]["calls"] == 2


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (edits(edit("ADD", 9, "x")), "only 0 to 2"),
        (edits(edit("ADD", 1, "x", criterion=4)), "criterion 4 is not in the plan"),
        (edits(edit("REMOVE", 1), edit("MODIFY", 1, "x")), "both change segment 1"),
    ],
)
def test_an_impossible_edit_is_sent_back_once(context, bad, complaint):
    model = a_model(revise=[bad, edits(edit("ADD", 1, ADDED))])
    assert run(context, model)["accepted"]
    assert complaint in model.prompts[2]


def test_edits_that_stay_impossible_keep_the_critique_that_was_paid_for(context):
    answer = run(context, a_model(revise=edits(edit("ADD", 9, "x"))))
    assert (answer["answer"], answer["stopped_because"]) == (DRAFT, "model failed")
    assert len(answer["critiques"]) == 1


BOTH = {"A": "met", "B": "met"}


@pytest.mark.parametrize(
    "bad",
    ["nonsense", judgement(), judgement({"A": "met"}), judgement({**BOTH, "C": "met"}), judgement(BOTH, BOTH)],
    ids=["no JSON", "none", "one answer", "three answers", "a criterion too many"],
)
def test_a_judge_that_cannot_be_read_knows_nothing_and_gains_nothing(context, bad):
    answer = run(context, a_model(judge=bad))
    assert (answer["answer"], answer["accepted"], answer["stopped_because"]) == (
        DRAFT,
        False,
        "revision gained nothing",
    )


def test_a_judge_that_finds_a_loss_is_asked_about_it_once_more(context):
    two = critique(criterion("Says to ask a pharmacist"), criterion("Is friendly", verdict="met"))

    def judge(prompt):
        is_second_look = "2. (" not in prompt
        rows = judged_rows(prompt, lost=not is_second_look)
        return judgement(*(rows[1:] if is_second_look else rows))

    model = a_model(critique=two, judge=judge)
    answer = run(context, model)
    assert answer["accepted"]
    assert model.asked == ["critique", "revise", "judge", "judge"]


def judged_rows(prompt, *, lost):
    [gained] = judged_by("pharmacist", prompt)["verdicts"]
    verdicts = {label: answer["verdict"] for label, answer in gained["answers"].items()}
    friendly = {label: "unmet" if lost and value == "met" else "met" for label, value in verdicts.items()}
    return [verdicts, friendly]


def test_a_dose_that_vanishes_in_a_named_edit_is_up_to_the_judge_and_elsewhere_to_the_guard(context):
    model = a_model(revise=edits(edit("MODIFY", 1, f"{ADDED}", last=2)))
    long_draft = DRAFT + " " + "Rest and drink enough water during the day. " * 12
    whole = edits(edit("MODIFY", 1, ADDED, last=14))
    assert run(context, model)["accepted"], "named, in a short draft"
    refused = run(context, a_model(revise=whole), draft=long_draft)
    assert refused["stopped_because"] == "revision lost a fact"


def test_additions_beyond_the_budget_are_left_out_the_least_important_first(context):
    two = critique(criterion("Says to ask a pharmacist", points=9), criterion("Is kind", points=1))
    long = edit("ADD", 2, "kind " * 65, criterion=2)
    model = a_model(
        critique=two,
        revise=edits(edit("ADD", 1, ADDED), long),
        judge=lambda prompt: judged_by("pharmacist", prompt, criteria=2),
    )
    answer = run(context, model)
    assert [edit["after"] for edit in answer["edits"]] == [ADDED]
    assert "1 edits were left out" in answer["warnings"][0]


def test_a_replacement_that_is_too_long_is_left_out_too_rather_than_all_edits_refused(context):
    two = critique(criterion("Says to ask a pharmacist", points=9), criterion("Is kind", points=1))
    long = edit("MODIFY", 2, "Take 400 mg with food. " + "kind " * 65, criterion=2)
    judge = {"judge": lambda prompt: judged_by("pharmacist", prompt, criteria=2)}
    answer = run(context, a_model(critique=two, revise=edits(edit("ADD", 1, ADDED), long), **judge))
    assert [row["after"] for row in answer["edits"]] == [ADDED]


@pytest.mark.parametrize(
    ("limits", "stopped", "asked"),
    [
        (Limits(max_calls=1), "limit reached: calls", ["critique"]),
        (Limits(max_calls=2), "limit reached: calls", ["critique", "revise"]),
        (Limits(max_tokens=1), "limit reached: tokens", ["critique"]),
        (Limits(max_rounds=0), "limit reached: rounds", ["critique"]),
    ],
)
def test_at_a_limit_the_draft_comes_back(context, limits, stopped, asked):
    model = a_model()
    answer = run(context, model, limits=limits)
    assert (answer["answer"], answer["stopped_because"], model.asked) == (DRAFT, stopped, asked)


def test_money_is_counted_and_bounded(context):
    answer = run(context, a_model(), limits=Limits(max_cost=0.001), price_input=1.0, price_output=2.0)
    spent = answer["usage"]
    assert answer["stopped_because"] == "limit reached: cost"
    assert spent["cost"] == pytest.approx((spent["input_tokens"] + 2 * spent["output_tokens"]) / 1e6, abs=1e-6)


def test_when_time_is_up_a_call_under_way_is_given_up_and_the_draft_comes_back(context):
    slow = Reply(json.dumps(edits(edit("ADD", 1, ADDED))), delay_s=30)
    answer = run(context, a_model(revise=slow), limits=Limits(max_seconds=1.5))
    assert (answer["answer"], answer["stopped_because"]) == (DRAFT, "limit reached: seconds")
    assert answer["usage"]["seconds"] < 10


def test_a_model_that_fails_before_anything_is_paid_for_is_an_error(context):
    with pytest.raises(ModelError, match="fake") as caught:
        run(context, a_model(critique=Fault.unknown_model("fake")))
    assert caught.value.fault == "unknown model"


def test_a_model_that_fails_later_leaves_the_best_version(context):
    answer = run(context, a_model(revise=Fault.http(500, "broken")), max_attempts=2)
    assert (answer["answer"], answer["stopped_because"]) == (DRAFT, "model failed")
    assert "broken" in answer["warnings"][0]


def test_the_draft_is_streamed_as_a_draft_and_the_answer_after_the_check(context):
    with FakeServer(a_model(draft=Reply("A drafted answer. Rest well.", chunk_size=5))) as server:
        events = list(stream(QUESTION, context=with_model(context, server)))
    drafted = [event.text for event in events if isinstance(event, DraftToken)]
    assert len(drafted) > 2
    assert "".join(drafted) == events[-1].data["draft"]
    assert "".join(event.text for event in events if isinstance(event, AnswerToken)) == events[-1].data["answer"]


def test_no_text_of_the_conversation_stands_in_the_records_of_the_calls(context):
    answer = run(context, a_model())
    kept = json.dumps(answer["calls"])
    assert "ibuprofen" not in kept
    assert {call["prompt"] for call in answer["calls"]} == {"critique", "revise", "judge"}
    assert len({call["prompt_hash"] for call in answer["calls"]}) == 3


class Recorder(BaseCallbackHandler):
    """Keeps the names of what runs, as LangSmith or Langfuse would see them."""

    def __init__(self):
        self.parents, self.names, self.models = {}, {}, []

    def on_chain_start(self, serialized, inputs, *, run_id, parent_run_id=None, **kwargs):
        self.names[run_id], self.parents[run_id] = kwargs.get("name"), parent_run_id

    def on_chat_model_start(self, serialized, messages, *, run_id, parent_run_id=None, **kwargs):
        self.models.append((self.names.get(parent_run_id), kwargs["metadata"]["step"]))


def test_langchain_callbacks_see_every_model_call_below_its_step(context):
    seen = Recorder()
    with FakeServer(a_model()) as server:
        invoke(QUESTION, context=with_model(context, server), config={"callbacks": [seen]})
    assert seen.models == [
        ("write_draft", "draft"), ("write_rubric", "critique"), ("revise", "revise"), ("accept", "judge"),
    ]  # fmt: skip


TURNS = [("user", "My knee hurts."), *[("assistant", "More? " * 400), ("user", "Yes. " * 400)] * 6, ("user", QUESTION)]


def with_window(context, server, size):
    made = with_model(context, server)
    window = ContextWindow(lambda: WindowFacts(size))
    return replace(made, engine=replace(made.engine, fitter=WindowFitter((window,), output_tokens=500)))


def test_a_long_conversation_loses_its_middle_with_a_warning(context):
    model = a_model()
    with FakeServer(model) as server:
        answer = invoke(TURNS, draft=DRAFT, context=with_window(context, server, 8_000))
    assert answer["accepted"]
    assert "left out" in answer["warnings"][0]
    assert "My knee hurts." in model.prompts[0]
    assert QUESTION in model.prompts[0]
    assert model.prompts[0].count("<turn") < len(TURNS)


def test_a_last_turn_that_cannot_fit_is_refused_before_any_call(context):
    model = a_model()
    with FakeServer(model) as server, pytest.raises(InputError, match="token"):
        invoke("Is it safe? " * 3_000, draft=DRAFT, context=with_window(context, server, 8_000))
    assert model.asked == []
