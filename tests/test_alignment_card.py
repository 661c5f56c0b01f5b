"""The model card: says what was measured and what was not, and nothing that the run doesn't hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from disagreeing import judgement

from agent.errors import InputError
from agent.state import DISCLAIMER
from training.alignment.card import card, write_card
from training.alignment.config import load_config
from training.alignment.gold import GoldPoint, append_point
from training.alignment.manifest import read_manifest, write_manifest

TOML = """
[run]
output = "run"
[model]
path = "{model}"
[data]
files = ["shipped"]
{more}
"""
BEFORE = GoldPoint(0, 0.25, None, 1.0, 4, {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4})
AFTER = GoldPoint(50, 0.45, 0.5, 1.0, 4, {"a": 0.3, "b": 0.4, "c": 0.5, "d": 0.6})


def manifest_of(folder: Path, *, model: str = "tiny", more: str = "", **facts: Any) -> Mapping[str, Any]:
    (folder / "run.toml").write_text(TOML.format(model=model, more=more), encoding="utf-8")
    config = load_config(folder / "run.toml", output=folder)
    given = {"best_step": 50, "steps": 60, "stopped_because": "all steps are done"} | facts
    write_manifest(config, {"rows": 1200, "train": 1080, "gold": 120, "criteria_mean": 4.5}, "d1", folder, **given)
    return read_manifest(folder) or {}


def card_of(folder: Path, *gold: GoldPoint, **given: Any) -> str:
    return card(manifest_of(folder, **given), list(gold or (BEFORE, AFTER)), name="run")


def head_of(text: str) -> dict[str, Any]:
    head: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return head


def test_it_says_first_that_it_is_not_for_clinical_use(tmp_path: Path) -> None:
    text = card_of(tmp_path)
    assert DISCLAIMER in text
    assert text.index("Not for clinical use") < text.index("## Held-out")
    assert "not-for-clinical-use" in head_of(text)["tags"]


def test_no_licence_is_given_for_the_user(tmp_path: Path) -> None:
    text = card_of(tmp_path)
    assert "license" not in head_of(text)
    assert "# license: name one here before you publish" in text


@pytest.mark.parametrize(
    ("model", "base"),
    [("Qwen/Qwen3-4B-Instruct-2507", "Qwen/Qwen3-4B-Instruct-2507"), ("tiny", None), ("models", None)],
)
def test_the_base_model_is_named_where_the_hub_knows_it(tmp_path: Path, model: str, base: str | None) -> None:
    (tmp_path / "models").mkdir()
    assert head_of(card_of(tmp_path, model=model)).get("base_model") == base


def test_gold_is_told_before_and_after_with_the_gain_question_by_question(tmp_path: Path) -> None:
    text = card_of(tmp_path)
    assert "| before training | 0.250 [0.150, 0.350], n = 4 |" in text
    assert "| of this model, step 50 | 0.450 [0.350, 0.550], n = 4 |" in text
    assert "+0.200 [+0.200, +0.200], n = 4." in text
    assert "no gain is shown" not in text


def test_a_gain_that_may_be_chance_is_called_so(tmp_path: Path) -> None:
    after = GoldPoint(50, 0.26, 0.5, 1.0, 4, {"a": 0.9, "b": -0.4, "c": 0.5, "d": 0.04})
    assert "The interval holds 0: no gain is shown." in card_of(tmp_path, BEFORE, after)


def test_the_reward_s_judge_is_told_beside_gold_where_they_were_compared(tmp_path: Path) -> None:
    before, after = (
        replace(point, disagreement=judgement([share] * 10, gaps=[share] * 10, risk=0.2))
        for point, share in ((BEFORE, 0.2), (AFTER, 0.4))
    )
    text = card_of(tmp_path, before, after)
    assert (
        "(`small:tiny@1`), beside the gold judge:\n\n| held-out answers | before training | of this model, step 50 |"
        in text
    )
    assert "| of them different | 20.0% | 40.0% |\n| … met, by gold unmet | 20.0% | 40.0% |" in text
    assert "| score by it | 0.200 | 0.400 |" in text
    assert "beside the gold judge" not in card_of(tmp_path)


def test_what_the_reward_s_judge_left_unknown_is_told(tmp_path: Path) -> None:
    text = card_of(tmp_path, judges={"train": {"verdicts": 1200, "unknown": 300}})
    assert "| verdicts it left unknown | 25% of 1,200 |" in text


def test_a_best_step_of_zero_says_that_nothing_was_better(tmp_path: Path) -> None:
    text = card_of(tmp_path, BEFORE, AFTER, best_step=0)
    assert "None was better than the model from before training, so that is what this is." in text
    assert "Gain, question by question" not in text


@pytest.mark.parametrize("gold", [[], [GoldPoint(0, None, None, 0.0, 0)], [BEFORE]])
def test_without_a_judgement_of_this_model_nothing_is_claimed(tmp_path: Path, gold: list[GoldPoint]) -> None:
    text = card(manifest_of(tmp_path), gold, name="run")
    assert "nothing is known of what training has gained" in text


def test_a_run_that_was_stopped_says_how_to_go_on_and_claims_no_best(tmp_path: Path) -> None:
    manifest_of(tmp_path, stopped_because="SIGTERM")
    for point in (BEFORE, AFTER):
        append_point(tmp_path, point)
    stopped, *_ = (path.read_text() for path in write_card(tmp_path))
    (tmp_path / "best").mkdir()
    whole, *_ = (path.read_text() for path in write_card(tmp_path))

    assert "there is no `best/` yet" in stopped and f"--output {tmp_path.name} --resume" in stopped
    assert "| of the best checkpoint so far, step 50 |" in stopped and "of this model" not in stopped
    assert "## Serving it" not in stopped and "hf:" not in stopped
    assert "## Serving it" in whole and "--resume" not in whole


def test_unscored_questions_are_told(tmp_path: Path) -> None:
    after = GoldPoint(50, 0.45, 0.5, 0.9, 4, dict(AFTER.scores))
    assert "n = 4, 10% without a score" in card_of(tmp_path, BEFORE, after)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("", "an answer that was cut off: no reward; no reward where less than 80% of the points have a verdict"),
        ("[reward]\npositive_only = true", "penalties left out"),
        ("[reward]\nsaturate_at = 0.7", "no better from 0.7 on"),
        ("[reward.veto]", "-1 where a criterion of -8 points or worse is met"),
        ("[reward.length]\nbudget = 100\nbuffer = 50", "up to 0.5 less from 100 words on, all of it at 150"),
        ('[gold]\njudge = "openai:gpt-5"', "by the gold judge `openai:gpt-5`"),
        ('[gold]\njudge = "openai:gpt-5"', "another than the reward's"),
        ("", "no second opinion is in here"),
        ("[lora]", "| weights trained | LoRA adapters, merged |"),
        ("", "| weights trained | all |"),
        ("[warm_start]", "| supervised training before | yes |"),
    ],
)
def test_it_tells_what_the_config_chose(tmp_path: Path, more: str, says: str) -> None:
    assert says in card_of(tmp_path, more=more)


def test_counts_are_shown_as_they_are_read(tmp_path: Path) -> None:
    text = card_of(tmp_path)
    assert "| questions: rows | 1,200 |" in text
    assert "| questions: criteria mean | 4.50 |" in text


def test_warnings_of_the_run_stand_in_it_and_break_nothing(tmp_path: Path) -> None:
    text = card_of(tmp_path, warnings=["reward climbed | gold fell\nsee `x`"])
    assert "## Warnings of the run\n\n- reward climbed / gold fell see 'x'\n" in text
    assert "Warnings" not in card_of(tmp_path)


def test_it_is_written_beside_the_weights_too(tmp_path: Path) -> None:
    manifest_of(tmp_path)
    append_point(tmp_path, BEFORE)
    assert write_card(tmp_path) == [tmp_path / "README.md"]
    (tmp_path / "best").mkdir()
    first, second = write_card(tmp_path)
    assert first.read_bytes() == second.read_bytes()


def test_a_folder_that_is_no_run_has_no_card(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no manifest\.json"):
        write_card(tmp_path)
