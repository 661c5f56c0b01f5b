"""The study of the small judge: what its trials are made of, what a cascade saves, and its tables."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from tiny_bert import build_tiny_bert, graded_rows

from agent.errors import ConfigError, InputError
from agent.small_judge.calibration import Calibration, SideCalibration
from agent.small_judge.judge import load_small_judge
from agent.small_judge.reading import Layout
from evals.dataset import TaggedCriterion
from evals.graded import Grade, GradedAnswer, read_graded
from training.judge_distillation.base import open_base
from training.judge_distillation.baselines import commoner_verdict, judged, logistic_regression, similarities
from training.judge_distillation.study import Study, do, main, options_of, planned, prepare, shake
from training.judge_distillation.study_intervals import resampled_kappas
from training.judge_distillation.study_material import read_material, write_material
from training.judge_distillation.study_report import tables
from training.judge_distillation.study_results import read_results
from training.judge_distillation.study_robustness import robustness_table
from training.judge_distillation.trials import RESULT, Trial, drawn, halves

RANDOM = np.random.default_rng(0)
MET = RANDOM.random(400) < 0.4
CHANCES = np.clip(MET * 0.3 + RANDOM.random(400) * 0.7, 0, 1)
ANSWERS = np.arange(400) // 8
LOGITS = np.log((CHANCES + 0.01) / (1.01 - CHANCES))


def graded(conversation: int, answer: int, mets: tuple[bool | None, ...] = (True, False, None)) -> GradedAnswer:
    return GradedAnswer(
        id=f"{conversation}-{answer}",
        prompt_id=str(conversation),
        conversation=[{"role": "user", "content": f"I have had symptom {conversation} for a week. What shall I do?"}],
        response=f"Rest for {answer} days. Drink enough. See a doctor if symptom {conversation} gets worse.",
        rubric=tuple(TaggedCriterion(f"Says to rest, {number}", 5 - 8 * (number % 2)) for number in range(len(mets))),
        grades=tuple(Grade(met) for met in mets),
    )


@pytest.fixture
def answers() -> list[GradedAnswer]:
    return [graded(conversation, answer) for conversation, answer in product(range(12), range(3))]


def known(found: list[GradedAnswer]) -> int:
    return sum(grade.met is not None for answer in found for grade in answer.grades)


def test_the_halves_share_no_conversation(answers):
    train, test = halves(answers, 0)

    assert {one.prompt_id for one in train}.isdisjoint(one.prompt_id for one in test)
    assert len(train) + len(test) == len(answers)
    assert halves(answers, 1)[0] != train


@pytest.mark.parametrize(("size", "conversations"), [(1, 1), (9, 5), (24, 12), (25, 12), (71, 12)])
def test_fewer_verdicts_are_drawn_from_as_many_conversations_as_can_be(answers, size, conversations):
    found = drawn(answers, size, seed=3)

    assert known(found) == size
    assert len({one.prompt_id for one in found}) == conversations


def test_all_answers_are_drawn_where_no_more_are_there(answers):
    assert drawn(answers, None, seed=0) == answers
    assert sorted(one.id for one in drawn(answers, 1000, seed=0)) == sorted(one.id for one in answers)


def test_trials_that_tell_most_come_first():
    names = [trial.name for trial in planned(range(3), (250, 1000))]

    assert names[:5] == ["seed-0-all", "seed-1-all", "seed-2-all", "seed-0-all-plain", "seed-1-all-plain"]
    assert names[5:] == [f"seed-{seed}-{size}" for size in (250, 1000) for seed in range(3)]
    later = [trial.name for trial in planned(range(3, 5), ())]
    assert later == ["seed-3-all", "seed-4-all"], "another machine's share of the study"


def test_few_verdicts_are_gone_over_more_often(tmp_path):
    study = Study(tmp_path / "rows", tmp_path, threads=1)

    assert options_of(study, Trial(0, 250)).epochs == 13  # 200 steps of 16
    assert options_of(study, Trial(0)).epochs == options_of(study, Trial(0, 2500)).epochs
    assert options_of(study, Trial(0, augmented=False)).augment == 0 < options_of(study, Trial(0)).augment


def test_the_regression_finds_what_separates_and_the_commoner_verdict_does_not():
    features = np.stack([MET + RANDOM.normal(0, 0.1, 400), RANDOM.random(400)], axis=1)
    positive = ANSWERS % 2 == 0

    assert ((logistic_regression(features, MET, features) >= 0.5) == MET).mean() > 0.95
    shares = commoner_verdict(positive, MET, np.array([True, False]))
    assert shares == pytest.approx([MET[positive].mean(), MET[~positive].mean()])


def test_similarities_have_a_row_per_criterion_and_see_the_nearest_passage(answers, embedder):
    near, far = replace(answers[0], response="Says to rest, 0."), replace(answers[0], response="")
    found = similarities([near, far], embedder)

    assert found.shape == (6, 14)
    assert np.isfinite(found).all()
    assert found[0, 1] > 0.9 > found[3, 1]


def test_the_material_is_read_as_it_was_worked_out(answers, embedder, context, tmp_path):
    few = tuple(answers[:2])
    write_material(few, tmp_path, open_base(None, Layout()).tokenizer(), Layout(), threads=1)
    found = read_material(few, tmp_path)

    assert found.features[few[1].id] == pytest.approx(similarities(few[1:], embedder), abs=1e-5)
    np.testing.assert_equal(found.detectors[few[0].id], judged(few[:1], context.engine.judge))
    assert [len(found.pairs[one.id]) for one in few] == [3, 3]
    assert found.pairs[few[0].id][0].ids[0] == 101  # [CLS]


def test_answers_that_cannot_be_told_apart_are_refused_before_any_work(answers, tmp_path):
    twice = [*answers[:2], replace(answers[0], response="Something else.")]

    with pytest.raises(InputError, match=r"2 different answers have the id '0-0'.*give each its own"):
        write_material(twice, tmp_path, open_base(None, Layout()).tokenizer(), Layout(), threads=1)
    assert not list(tmp_path.iterdir())


def result_of(seed: int, size: int | None = None, *, augmented: bool = True) -> dict:
    logits = LOGITS.tolist()
    held = {
        "met": MET.astype(int).tolist(),
        "positive": (ANSWERS % 2).tolist(),
        "conversation": [str(number) for number in ANSWERS // 5],
    }
    return {
        "trial": {"seed": seed, "size": size, "augmented": augmented},
        "train": {"verdicts": size or 3000, "answers": 30, "conversations": 30},
        "seconds": {"training": 60.0 + seed},
        "risk": 0.2,
        "held": {**held, "logits": logits},
        "serves": "int8",
        "rows": {
            **held,
            "axis": ["accuracy" if number % 3 else None for number in range(400)],
            "answer": ANSWERS.tolist(),
        },
        "logits": {"fp32": logits, "int8": logits},
        "chances": dict.fromkeys(("similarities", "majority"), CHANCES.tolist()),
        "detectors": [1, 0, None, None] * 100,
    }


@pytest.fixture
def done(tmp_path):
    for seed, size, augmented in [(0, None, True), (1, None, True), (0, None, False), (0, 250, True)]:
        folder = tmp_path / Trial(seed, size, augmented).name
        folder.mkdir()
        (folder / RESULT).write_text(json.dumps(result_of(seed, size, augmented=augmented)))
    return tmp_path


def test_verdicts_within_the_bounds_are_unknown(done):
    found = read_results(done)[0]
    side = SideCalibration(1.0, 0.0, unmet_to=0.3, met_from=0.7)
    found = replace(found, calibration=Calibration(side, replace(side, met_from=None), risk=0.2))
    sure, chances = found.sure("fp32"), found.chances_of("fp32")

    assert np.isnan(sure[(chances > 0.3) & (chances < 0.7)]).all()
    assert (sure[found.positive & (chances >= 0.7)] == 1).all()
    assert np.isnan(sure[~found.positive & (chances >= 0.7)]).all()
    assert (sure[chances <= 0.3] == 0).all()


def test_bounds_for_a_higher_risk_decide_more(done):
    found = read_results(done)[0]
    decided = [float((~np.isnan(found.with_risk(risk).sure("int8"))).mean()) for risk in (0.05, 0.2, 0.3)]

    assert decided == sorted(decided)
    assert decided[0] < decided[2]


def test_agreement_is_cohens_kappa_and_unknown_is_counted_as_said(done):
    found = read_results(done)[0]
    known = ~np.isnan(found.detectors)

    assert found.agreement(found.said("fp32"), "kappa") == pytest.approx(
        cohen_kappa_score(found.met, found.chances_of("fp32") >= 0.5)
    )
    assert found.agreement(found.detectors, "kappa") == pytest.approx(
        cohen_kappa_score(found.met[known], found.detectors[known])
    )
    unmet = np.nan_to_num(found.detectors)
    assert found.agreement(found.detectors, "kappa", unknown="unmet") == pytest.approx(
        cohen_kappa_score(found.met, unmet)
    )


def test_the_tables_are_printed_again_from_the_files(done, capsys):
    assert main(["-o", str(done), "--report"]) == 0

    printed = capsys.readouterr().out
    assert printed.strip() == tables(read_results(done))
    kappa = cohen_kappa_score(MET, CHANCES.round(5) >= 0.5)
    assert f"| commoner verdict per polarity | 2 | {kappa:.3f} |" in printed
    assert "| 250 | 1 | 250 | 30 |" in printed
    (one, *_) = read_results(done)
    held = roc_auc_score(one.held.met[one.held.positive], one.held.logits[one.held.positive])
    kappa, area = one.agreement(one.said("as it serves"), "kappa"), one.auc("as it serves")
    assert f"| {one.trial.name} | 1 | {kappa:.3f} | {area:.3f} | {held:.3f} |" in printed
    assert "| training | 2 | 60 ± 1 |" in printed


def test_intervals_hold_the_mean_kappa_and_resample_whole_conversations(done):
    whole = [one for one in read_results(done) if one.trial.size is None]
    kappas = resampled_kappas(whole, "fp32")

    assert kappas[0] == pytest.approx(np.mean([one.agreement(one.said("fp32"), "kappa") for one in whole]))
    assert kappas[1:].std() > 0.01
    alone = [replace(one, conversation=np.full(400, "the same")) for one in whole]
    assert resampled_kappas(alone, "fp32").std() == pytest.approx(0)


def test_a_folder_without_results_is_refused_in_words(tmp_path, capsys):
    with pytest.raises(InputError, match="no trial of a study"):
        read_results(tmp_path)
    assert main(["-o", str(tmp_path), "--report"]) == 2
    assert main(["-o", str(tmp_path)]) == 2
    assert "name the graded rows" in capsys.readouterr().err


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    rows = "".join(json.dumps(row) + "\n" for row in graded_rows(24))
    (folder / "graded.jsonl").write_text(rows)
    base = build_tiny_bert(folder / "base")
    found = Study(folder / "graded.jsonl", folder / "study", threads=1, epochs=1, base=base, device="cpu")
    prepare(found)
    do(found, Trial(0))
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)  # the fixture trains and exports
def test_a_trial_asks_its_judge_as_a_user_would(study):
    (found,) = read_results(study.folder)
    folder = study.folder / Trial(0).name
    judge = load_small_judge(folder / "judge", precision="fp32")
    asked = [
        p
        for answer in read_graded(folder / "test.jsonl")
        for p in judge.probabilities(answer.conversation, [answer.response], answer.rubric)[0]
    ]

    assert found.chances_of("fp32") == pytest.approx(asked, abs=1e-3)
    assert set(found.logits) == {"fp32", "int8"}
    assert len(asked) == found.train["verdicts"] == 120


@pytest.mark.slow
def test_a_trial_that_is_done_is_not_done_again(study):
    result = study.folder / Trial(0).name / RESULT
    before = result.stat().st_mtime_ns
    do(study, Trial(0))

    assert result.stat().st_mtime_ns == before


@pytest.mark.slow
def test_the_folder_of_another_study_is_refused(study):
    with pytest.raises(ConfigError, match="name another folder"):
        prepare(replace(study, epochs=2))


@pytest.mark.slow
def test_the_judges_of_both_arms_are_shaken(study):
    shake(study, Trial(0))
    shake(study, Trial(1))  # not done: left alone

    assert "| said twice, with augmentation | 1 |" in robustness_table(study.folder)
    assert robustness_table(study.folder.parent) == ""
