"""A small judge as the reward's: named by its folder, known again by its content, watched by gold, told of by a dry run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from alignment_rows import config_of
from grpo_runs import HELD_OUT, Plan, course, run, write_run
from small_judge_runs import GENERATIONS, WORDS, with_small_judges

from agent.errors import ConfigError
from agent.small_judge.calibration import Calibration, SideCalibration
from agent.small_judge.folder import JUDGE_FILE, MODEL_FILES, TOKENIZER_FILE, JudgeFacts, file_digest
from agent.small_judge.reading import Layout
from training.alignment.card import write_card
from training.alignment.config import AlignmentConfig, load_config
from training.alignment.gold import read_points
from training.alignment.manifest import changes, read_manifest, resolved, write_manifest
from training.alignment.refusals import notes_of_judges, refusals_of_judges
from training.alignment.small_judges import small_judges
from training.alignment.watched_judge import free_part, watched_part

BOTH = SideCalibration(1.0, 0.0, 0.3, 0.7)


def folder_of(path: Path, *, positive: SideCalibration = BOTH, negative: SideCalibration = BOTH) -> Path:
    """Write the folder of a judge that is never asked."""
    path.mkdir(parents=True)
    names = (*MODEL_FILES.values(), TOKENIZER_FILE)
    for name in names:
        (path / name).write_text(name)
    facts = JudgeFacts(
        Layout(),
        Calibration(positive, negative, risk=0.2),
        "embedder",
        "fp32",
        {name: file_digest(path / name) for name in names},
        {},
    )
    (path / JUDGE_FILE).write_text(json.dumps(facts.as_dict()))
    return path


def loaded(folder: Path, reward: str, gold: str | None = None) -> AlignmentConfig:
    """Return the config of a file that names judges."""
    more = f'[gold]\njudge = "{gold}"\n' if gold else ""
    (folder / "run.toml").write_text(
        f'[run]\noutput = "x"\n[model]\npath = "tiny"\n[data]\nfiles = ["shipped"]\n[reward]\njudge = "{reward}"\n{more}'
    )
    return load_config(folder / "run.toml", output=folder / "runs" / "x")


def of_judges(reward: str, gold: str | None = None, **rules: Any) -> AlignmentConfig:
    return config_of("shipped", reward={"judge": reward, **rules}, gold={"judge": gold} if gold else {})


@pytest.mark.parametrize("rest", ["", ",openai:gpt-x", ",embedded"])
def test_its_folder_is_found_beside_the_config_and_told_as_it_was_written(tmp_path: Path, rest: str) -> None:
    config = loaded(tmp_path, f"small:judges/mine{rest}", f"small:judges/other{rest}")
    assert config.reward.judge == f"small:{tmp_path / 'judges' / 'mine'}{rest}"
    told = resolved(config)
    assert (told["reward"]["judge"], told["gold"]["judge"]) == (f"small:judges/mine{rest}", f"small:judges/other{rest}")


@pytest.mark.parametrize("judge", ["embedded", "openai:gpt-x"])
def test_other_judges_are_left_as_they_are(tmp_path: Path, judge: str) -> None:
    assert loaded(tmp_path, judge, judge).gold.judge == judge


@pytest.mark.parametrize("judge", ["small:", "small:a,small:b", "small:a,openai:b,openai:c"])
def test_a_cascade_that_cannot_be_is_refused_with_the_file(tmp_path: Path, judge: str) -> None:
    with pytest.raises(ConfigError, match=r"run\.toml: judge '"):
        loaded(tmp_path, judge)


def test_the_manifest_names_it_by_what_its_verdicts_depend_on_and_by_no_path(tmp_path: Path) -> None:
    folder_of(tmp_path / "judges" / "mine")
    config = loaded(tmp_path, "small:judges/mine", "openai:gpt-x")
    text = write_manifest(config, {}, "d1", tmp_path).read_text()
    assert json.loads(text)["small_judges"] == small_judges(config)
    assert list(small_judges(config)) == ["reward.judge"]
    assert small_judges(config)["reward.judge"].startswith("small:mine@")
    assert str(tmp_path) not in text


def test_a_run_is_not_gone_on_with_by_another_judge_in_the_same_folder(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "mine")
    config = loaded(tmp_path, "small:mine", "openai:gpt-x")
    write_manifest(config, {}, "d1", tmp_path)
    manifest = read_manifest(tmp_path)
    assert manifest
    assert changes(manifest, config, "d1") == []
    before = small_judges(config)["reward.judge"]
    shutil.rmtree(folder)
    folder_of(folder, positive=SideCalibration(1.1, 0.0, 0.3, 0.7))
    after = small_judges(config)["reward.judge"]
    assert changes(manifest, config, "d1") == [f"reward.judge: the folder's judge was {before}, is {after}"]


def test_a_run_that_has_ended_is_told_of_though_its_judge_is_gone(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "mine")
    config = loaded(tmp_path, "small:mine")
    write_manifest(config, {}, "d1", tmp_path)
    shutil.rmtree(folder)
    assert "small:mine@" in write_manifest(config, {}, "d1", tmp_path, ended="now").read_text()


def test_a_folder_that_is_no_judge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine is no small judge: there is no judge\.json in it"):
        small_judges(loaded(tmp_path, "small:mine,openai:gpt-x"))


@pytest.mark.parametrize(
    ("reward", "gold", "watched"),
    [
        ("small:{a}", "openai:gpt-x", "small:{a}"),
        ("small:{a},openai:gpt-x", "openai:gpt-x", "small:{a}"),
        ("small:{a},embedded", "embedded", "small:{a}"),
        ("small:{a}", "small:{b}", "small:{a}"),
        ("small:{a}", "embedded", "small:{a}"),
        ("embedded", "openai:gpt-x", "embedded"),
        ("openai:gpt-x", "small:{a}", None),  # what costs money is asked once
        ("small:{a}", None, None),
        ("small:{a}", "small:{a}", None),
        ("small:{a}", "small:{a},openai:gpt-x", None),  # of what it is sure of it is gold itself
        ("small:{a}", "small:{copy}", None),
        ("embedded", "embedded", None),
        ("embedded", "small:{a},embedded", None),
    ],
)
def test_what_costs_nothing_is_watched_where_gold_is_without_it(
    tmp_path: Path, reward: str, gold: str | None, watched: str | None
) -> None:
    a, b = folder_of(tmp_path / "a"), folder_of(tmp_path / "b", negative=SideCalibration(2.0, 0.0, 0.1, 0.9))
    copy = shutil.copytree(a, tmp_path / "copy")

    def named(spec: str | None) -> str | None:
        return spec and spec.format(a=a, b=b, copy=copy)

    config = of_judges(named(reward) or "", named(gold))
    assert watched_part(config) == named(watched)
    unwatched = free_part(config) is not None and watched is None
    assert (
        any("is never wrong" in note or "where that is wrong" in note for note in notes_of_judges(config)) == unwatched
    )


NEVER = SideCalibration(1.0, 0.0, None, None)


@pytest.mark.parametrize(
    ("sides", "rest", "refused", "noted"),
    [
        ({}, "", False, None),
        ({"positive": NEVER}, "", True, "never says met or unmet of criteria with positive points"),
        ({"positive": NEVER}, ",openai:gpt-x", False, None),
        ({"positive": SideCalibration(1.0, 0.0, None, 0.8)}, "", False, "never says unmet of criteria with positive"),
        ({"negative": SideCalibration(1.0, 0.0, 0.1, None)}, "", False, "never says met of penalties"),
    ],
)
def test_a_judge_that_decides_too_little_to_reward_is_told_before(
    tmp_path: Path, sides: dict[str, SideCalibration], rest: str, refused: bool, noted: str | None
) -> None:
    config = of_judges(f"small:{folder_of(tmp_path / 'mine', **sides)}{rest}", "openai:gpt-x")
    assert len(list(refusals_of_judges(config))) == refused
    told = [note for note in notes_of_judges(config) if "never says" in note]
    assert [noted in note for note in told if noted] == [True] * (noted is not None)
    assert len(told) == (noted is not None)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from training.alignment.tiny import build_tiny

    return build_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def whole(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the config of a run that nobody disturbed."""
    config = with_small_judges(write_run(tmp_path_factory.mktemp("whole"), model))
    assert run(config, JUDGED) == 0
    return config


JUDGED = Plan(is_judged=True)


@pytest.mark.slow
def test_a_run_rewarded_by_a_small_judge_compares_it_with_gold_at_each_judgement(whole: Path) -> None:
    points = read_points(whole.parent / "run")
    found = [point.disagreement for point in points if point.disagreement]
    assert [point.step for point in points if point.disagreement] == [0, 2, 4, 6, 8]
    assert all(one.judge.startswith("small:mild@") and one.risk == 0.2 for one in found)
    assert all(one.whole.known + one.whole.open == len(WORDS) * GENERATIONS * HELD_OUT for one in found)
    assert any(one.whole.false_met for one in found), "it is content with less"
    assert not any(one.whole.false_unmet for one in found)


@pytest.mark.slow
def test_the_comparison_is_in_log_card_curves_and_manifest(whole: Path) -> None:
    folder = whole.parent / "run"
    (gold_point, *_) = read_points(folder)
    assert gold_point.disagreement
    share = gold_point.disagreement.metrics()["disagreement/share"]
    log = json.loads((folder / "checkpoint-8" / "trainer_state.json").read_text())["log_history"]
    assert next(line["eval_disagreement/share"] for line in log if "eval_disagreement/share" in line) == share
    manifest = read_manifest(folder)
    assert manifest
    assert manifest["gold"][0]["disagreement/share"] == share
    text = write_card(folder)[0].read_text()
    assert "| of them different |" in text
    assert f"`{small_judges(load_config(whole))['reward.judge']}`" in text
    assert str(whole.parent) not in text


@pytest.mark.slow
@pytest.mark.parametrize("call", [1, 5, 7], ids=["in the first judgement", "in a step", "in a judgement"])
def test_a_run_by_a_small_judge_that_is_killed_and_resumed_is_the_whole_one(
    model: Path, whole: Path, tmp_path: Path, call: int
) -> None:
    config = with_small_judges(write_run(tmp_path, model))
    assert run(config, JUDGED, call=call) == -9
    assert run(config, JUDGED, resume=True) == 0
    assert course(config) == course(whole)
    assert course(config)["gold"].count("disagreement") == 5
