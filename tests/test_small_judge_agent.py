"""The agent with a small judge: in the embedded engine, beside a model, and in a cascade, as the settings name it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_model import ScriptedModel, criterion, critique, edit, edits, judged_by
from tiny_judge import CALIBRATION, NEVER_SURE, make_tiny_judge

from agent.api import invoke
from agent.batch.plan import make_plan
from agent.config import Settings, load_settings
from agent.context import load_context, open_engine
from agent.doctor import run_checks
from agent.embedded import embedded_engine
from agent.engine import Case
from agent.errors import ConfigError
from agent.ledger import Ledger, Limits
from agent.request import asked_form
from agent.retrieval import with_material
from agent.rubric import Verdict
from agent.small_judge.calibration import Calibration
from agent.small_judge.folder import MODEL_FILES, read_judge_folder
from agent.testing import FakeServer
from evals.ablation.stages import Ablation
from evals.grading.job import Judging
from principles_store.conversation import parse_conversation

QUESTION = "Can I take ibuprofen with lisinopril for a headache?"
DRAFT = "Yes, you can. Take 400 mg with food."
ADDED = "Ask your pharmacist first."
NEVER = Calibration(NEVER_SURE, NEVER_SURE, CALIBRATION.risk)
CHEST_PAIN = "My father has had crushing chest pain for 20 minutes. Should we wait?"


@pytest.fixture(autouse=True)
def _fresh():
    load_context.cache_clear()
    yield
    load_context.cache_clear()


@pytest.fixture
def folder(tmp_path):
    return make_tiny_judge(tmp_path / "tiny")


@pytest.fixture
def unsure(tmp_path):
    return make_tiny_judge(tmp_path / "unsure", calibration=NEVER)


def pharmacist_model(**changes):
    script = {
        "critique": critique(criterion("ask your pharmacist first"), criterion("take with food", verdict="met")),
        "revise": edits(edit("ADD", 1, ADDED)),
        "judge": lambda prompt: judged_by("harmacist", prompt, criteria=asked_for(prompt)),
    }
    return ScriptedModel(**script | changes)


def asked_for(prompt):
    return int(re.search(r"Give (\d+) criteria", prompt)[1])


def run(context, monkeypatch, model, judge, *, limits=None):
    with FakeServer(model) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        engine = open_engine(load_settings(model="openai:fake", judge=judge))
        return invoke(QUESTION, draft=DRAFT, context=replace(context, engine=engine, k=10, limits=limits or Limits()))


def verdicts(answer, number=0):
    return [row["verdict"] for row in answer["critiques"][number]]


def test_beside_a_model_the_small_judge_accepts_the_revision_without_a_call(context, monkeypatch, folder):
    model = pharmacist_model()
    answer = run(context, monkeypatch, model, f"small:{folder}")
    assert (answer["accepted"], model.asked) == (True, ["critique", "revise"])
    assert [verdicts(answer, 0), verdicts(answer, 1)] == [["unmet", "met"], ["met", "met"]]
    name = read_judge_folder(folder).name
    assert answer["models"] == {"writer": "openai:fake", "judge": name}
    assert answer["engine"] == f"llm (writer openai:fake, judge {name})"


def test_where_it_differs_its_verdict_counts_and_where_both_agree_the_models_words_stay(context, monkeypatch, folder):
    told = [
        criterion("ask your pharmacist first", fix="say so after [1]"),
        criterion("take 400 mg with food", fix="say so"),
    ]
    answer = run(context, monkeypatch, pharmacist_model(critique=critique(*told)), f"small:{folder}")
    agreed, differed = answer["critiques"][0]
    assert (agreed["verdict"], agreed["fix"], agreed["reason"]) == ("unmet", "say so after [1]", "because")
    assert (differed["verdict"], differed["fix"]) == ("met", None)
    assert differed["reason"] == "holds: its probability is 1.00"


def test_what_it_is_not_sure_of_stays_the_critics_and_no_revision_is_accepted_on_it(context, monkeypatch, unsure):
    answer = run(context, monkeypatch, pharmacist_model(), f"small:{unsure}")
    assert verdicts(answer) == ["unmet", "met"]
    assert (answer["accepted"], answer["stopped_because"]) == (False, "revision gained nothing")


def test_a_critique_that_reaches_the_limit_is_not_lost(context, monkeypatch, folder):
    answer = run(context, monkeypatch, pharmacist_model(), f"small:{folder}", limits=Limits(max_calls=1))
    assert (answer["stopped_because"], verdicts(answer)) == ("limit reached: calls", ["unmet", "met"])


def test_a_cascades_model_judges_what_the_small_judge_leaves_open(context, monkeypatch, unsure):
    model = pharmacist_model()
    answer = run(context, monkeypatch, model, f"small:{unsure},openai:fake")
    assert (answer["accepted"], model.asked) == (True, ["critique", "revise", "judge"])
    assert answer["models"]["judge"] == f"cascade({read_judge_folder(unsure).name}, openai:fake)"


def test_a_cascade_whose_small_judge_is_sure_saves_the_judgement(context, monkeypatch, folder):
    model = pharmacist_model()
    assert run(context, monkeypatch, model, f"small:{folder},openai:fake")["accepted"]
    assert model.asked == ["critique", "revise"]


def test_without_a_model_it_judges_and_the_detectors_revise(data_dir, tmp_path):
    met_by_all = make_tiny_judge(tmp_path / "wrong", steepness=-12.0)
    answers = {
        judge: invoke(
            CHEST_PAIN, draft="Rest and wait until tomorrow.", context=load_context(load_settings(judge=judge))
        )
        for judge in (None, f"small:{met_by_all},embedded", f"small:{met_by_all}")
    }
    alone, cascade, small = answers.values()
    assert alone["accepted"] and alone["usage"]["calls"] == small["usage"]["calls"] == 0
    assert small["rubric"] == alone["rubric"] and verdicts(small) != verdicts(alone)
    name = f"cascade({read_judge_folder(met_by_all).name}, embedded)"
    assert small["models"]["judge"] == cascade["models"]["judge"] == name
    assert f"judge {name}" in small["engine"]


def test_the_detectors_mend_only_what_the_judge_finds_failing_too(index, embedder, context):
    class Given:
        name = "given"

    engine = embedded_engine(index, embedder, k=8, judge=lambda detectors: Given())
    asked = parse_conversation(CHEST_PAIN)
    case = with_material(Case(asked, context.classifier.classify(asked), asked_form(asked)), context, draft="Rest.")
    rubric = engine.rubric_writer.write(case, "Rest.", ledger=Ledger()).criteria
    failing = [Verdict("unmet" if criterion.points > 0 else "met") for criterion in rubric]
    mended = {edit.criterion for edit in revised(engine, case, rubric, failing)}
    assert len(mended) > 1
    (one, *_) = mended
    only = [
        given if criterion.text == one else Verdict("unknown") for criterion, given in zip(rubric, failing, strict=True)
    ]
    assert {edit.criterion for edit in revised(engine, case, rubric, only)} == {one}


def revised(engine, case, rubric, verdicts):
    return engine.reviser.revise(case, "Rest.", rubric, verdicts, max_words=500, ledger=Ledger()).edits


def test_without_a_model_a_dangerous_draft_is_mended_though_the_small_judge_is_sure_of_nothing(data_dir, unsure):
    alone, cascade, small = (
        invoke(CHEST_PAIN, draft="Rest and wait until tomorrow.", context=load_context(load_settings(judge=judge)))
        for judge in (None, f"small:{unsure},embedded", f"small:{unsure}")
    )
    assert alone["accepted"] and alone["answer"] != alone["draft"]
    for answer in (cascade, small):
        assert (answer["answer"], verdicts(answer)) == (alone["answer"], verdicts(alone))
        assert "no verdict on any criterion" not in " ".join(answer["warnings"])


def test_a_judge_without_any_verdict_is_told_as_not_knowing(context, index, embedder):
    class Silent:
        name = "silent"

        def judge(self, conversation, answers, rubric, *, ledger):
            return [[Verdict("unknown") for _ in rubric] for _ in answers]

    engine = embedded_engine(index, embedder, k=8, judge=lambda detectors: Silent())
    answer = invoke(CHEST_PAIN, draft="Rest and wait until tomorrow.", context=replace(context, engine=engine))
    assert (answer["answer"], set(verdicts(answer))) == (answer["draft"], {"unknown"})
    assert "no verdict on any criterion" in " ".join(answer["warnings"])


def test_without_a_writer_a_cascades_model_is_asked_for_verdicts_alone(data_dir, monkeypatch, unsure):
    def all_met(prompt):
        return judged_by("", prompt, criteria=asked_for(prompt))

    model = ScriptedModel(critique={}, judge=all_met)
    with FakeServer(model) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        context = load_context(load_settings(judge=f"small:{unsure},openai:fake"))
        answer = invoke(CHEST_PAIN, draft="Rest and wait until tomorrow.", context=context)
    assert set(model.asked) == {"judge"} and answer["usage"]["calls"] == len(model.asked)
    assert set(verdicts(answer)) == {"met"}


@pytest.mark.parametrize(
    ("given", "models"),
    [
        ({}, ()),
        ({"judge": "small:a"}, ()),
        ({"judge": "small:a,embedded"}, ()),
        ({"judge": "small:a,openai:b"}, ("openai:b",)),
        ({"model": "openai:c", "judge": "small:a"}, ("openai:c",)),
        ({"model": "openai:c", "judge": "small:a,openai:c"}, ("openai:c",)),
        ({"model": "openai:c", "judge": "small:a,openai:b"}, ("openai:c", "openai:b")),
    ],
)
def test_the_models_that_an_answer_may_ask_are_those_of_writer_and_cascade(given, models):
    assert Settings(**given).models == models


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"judge": "openai:b"}, "judge needs a model too"),
        ({"model": "openai:c", "judge": "small:a,embedded"}, "leave embedded out"),
        ({"judge": "small:"}, "names no folder"),
        ({"judge": "small:a,openai:b", "max_cost": 1.0}, "max_cost needs price_input"),
    ],
)
def test_a_judge_that_cannot_be_is_refused_with_the_settings(given, error):
    with pytest.raises(ConfigError, match=error):
        load_settings(**given)


def test_a_batch_goes_on_with_the_same_judge_in_another_place_and_not_with_another(tmp_path):
    first, moved = (make_tiny_judge(tmp_path / place / "tiny") for place in ("a", "b"))
    plans = [make_plan(Settings(judge=f"small:{place}"), None, "") for place in (first, moved)]
    assert plans[0].differences(plans[1]) == []
    make_tiny_judge(moved, calibration=NEVER)
    (told,) = plans[0].differences(make_plan(Settings(judge=f"small:{moved}"), None, ""))
    assert told.startswith(f"judge {read_judge_folder(first).name}, now small:tiny@")


@pytest.mark.parametrize(("rest", "has_prompts"), [("", False), (",embedded", False), (",openai:b", True)])
def test_a_batch_is_held_to_the_prompts_that_its_judge_is_asked_with(folder, rest, has_prompts):
    assert bool(make_plan(Settings(judge=f"small:{folder}{rest}"), None, "").prompts) == has_prompts


def test_the_doctor_looks_into_the_folder(folder, unsure):
    found = {check.name: check for check in run_checks(Settings(judge=f"small:{folder}"))}
    assert found["small judge"].ok and read_judge_folder(folder).name in found["small judge"].detail
    found = {check.name: check for check in run_checks(Settings(judge=f"small:{unsure}"))}
    assert "never sure of positive criteria and of negative criteria" in found["small judge"].detail
    (folder / MODEL_FILES["fp32"]).unlink()
    found = {check.name: check for check in run_checks(Settings(judge=f"small:{folder}"))}
    assert not found["small judge"].ok and "model.onnx can't be read" in found["small judge"].detail


@pytest.mark.parametrize(
    ("judge", "grader", "shared"),
    [
        ("small:a", "small:a", "small:a"),
        ("small:a,openai:b", "openai:b", "openai:b"),
        ("small:a,openai:b", "small:a,openai:c", "small:a"),
        (None, "small:a,openai:m", "openai:m"),
        ("small:a", "openai:m", None),  # the writer judges nothing then
        ("small:a", "small:b", None),
    ],
)
def test_an_ablation_is_warned_of_a_grader_that_also_accepts_the_revisions(judge, grader, shared):
    settings = Settings(model="openai:m", judge=judge)
    ablation = Ablation(Path("data"), (), settings, (), Judging((grader,)), Path("out"))
    told = [f"the grader {shared} is also the judge"] if shared else []
    assert [warning[: len(told[0])] for warning in ablation.warnings] == told


@pytest.mark.parametrize(
    ("judge", "kept"),
    [
        (None, None),
        ("openai:b", None),
        ("small:a", "small:a"),
        ("small:a,openai:b", "small:a"),
    ],
)
def test_where_no_model_may_be_asked_the_small_judge_still_is(judge, kept):
    left = Settings(model="openai:m", judge=judge).without_models()
    assert (left.judge, left.models) == (kept, ())


def test_the_detectors_behind_a_small_judge_are_no_model():
    assert Settings(judge="small:a,embedded").without_models().judge == "small:a"
