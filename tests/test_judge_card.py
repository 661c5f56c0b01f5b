"""The card of a small judge: what was measured stands there, and what it is not for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from agent.small_judge.calibration import Calibration, SideCalibration
from agent.small_judge.folder import JudgeFacts
from agent.small_judge.reading import Layout, Pair
from agent.state import DISCLAIMER
from training.judge_distillation.card import card, write_card
from training.judge_distillation.measures import all_figures
from training.judge_distillation.options import DistilOptions
from training.judge_distillation.report import DistilReport
from training.judge_distillation.samples import Sample

POSITIVE = SideCalibration(slope=1.0, bias=0.0, unmet_to=0.25, met_from=0.75)
SILENT = SideCalibration(slope=0.0, bias=-1.0, unmet_to=None, met_from=None)
CALIBRATION = Calibration(POSITIVE, SILENT, risk=0.15)
LOGITS = np.array([3.0, 2.0, -2.0, 0.5, 2.0, -1.0])
SAMPLES = [
    Sample(Pair((1, 2), 1, ""), met, side, axis, str(number))
    for number, (met, side, axis) in enumerate(
        [
            (True, "positive", "accuracy"),
            (False, "positive", "accuracy"),
            (False, "positive", None),
            (True, "positive", None),
            (True, "negative", "commu|nication"),
            (False, "negative", None),
        ]
    )
]


def report_of(*, calibration: Calibration = CALIBRATION, **known: Any) -> DistilReport:
    side = {"conversations": 40, "answers": 90, "verdicts": 1200, "met": 480, "copies": 22}
    trained_on = {
        "digest": "d1" * 32,
        "base": "all-MiniLM-L6-v2@0123456789ab",
        "options": DistilOptions().as_dict(),
        "judges": {"openai:gpt-4.1": 1500},
        "skipped": {"failed": 3, "unjudged": 0, "unknown": 12, "own": 0, "repeated": 0},
        "train": side,
        "held_out": {"conversations": 10, "answers": 20, "verdicts": 300, "met": 120, "copies": 0},
        "evaluations": [
            {"step": 40, "epoch": 0.5, "auc": 0.7, "without": [0.7]},
            {"step": 80, "epoch": 1.0, "auc": 0.75, "without": [0.75]},
        ],
        "best_step": 80,
        "figures": all_figures(LOGITS, SAMPLES, calibration),
        "export": {
            "serves": "fp32",
            "pairs": 300,
            "fp32_difference": 2e-6,
            "int8_agreement": 0.9812,
            "int8_difference": 0.0412,
        },
        "warnings": [],
        **known,
    }
    facts = JudgeFacts(Layout(), calibration, "encoder@1", "fp32", {"model.onnx": "ab" * 32}, trained_on)
    return DistilReport(Path("judge"), "small:judge@0123456789ab", facts, is_new=True)


def head_of(text: str) -> dict[str, Any]:
    head: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return head


def rows_of(text: str) -> dict[str, list[str]]:
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    return {row[0]: row[1:] for row in cells}


def test_it_says_first_that_it_is_not_for_clinical_use() -> None:
    text = card(report_of())
    assert DISCLAIMER in text
    assert text.index("Not for clinical use") < text.index("## Agreement")
    assert "not-for-clinical-use" in head_of(text)["tags"]


def test_no_licence_is_given_for_the_user() -> None:
    text = card(report_of())
    assert "license" not in head_of(text)
    assert "# license: name one here before you publish" in text


@pytest.mark.parametrize(
    ("base", "named"),
    [("all-MiniLM-L6-v2@01", "sentence-transformers/all-MiniLM-L6-v2"), ("mine@01", None)],
)
def test_the_base_model_is_named_where_the_hub_knows_it(base: str, named: str | None) -> None:
    assert head_of(card(report_of(base=base))).get("base_model") == named


def test_agreement_is_told_overall_by_polarity_and_by_axis() -> None:
    rows = rows_of(card(report_of()))
    assert rows["**all**"][:5] == ["6", "50.0%", "0.333", "0.667", "0.722"]
    assert rows["positive criteria"] and rows["negative criteria"]
    assert rows["axis: accuracy"][5:] == ["100.0%", "0.0%", "50.0%", "0.000", "100.0%", "0.0%"]
    assert "axis: commu/nication" in rows


def test_figures_that_are_not_defined_are_dashes() -> None:
    rows = rows_of(card(report_of(calibration=Calibration(SILENT, SILENT, 0.15))))
    assert rows["**all**"][5:] == ["0.0%", "100.0%", "–", "–", "0.0%", "0.0%"]


def test_it_says_how_many_conversations_chose_and_that_they_flatter() -> None:
    text = " ".join(card(report_of()).split())
    assert "10 conversations with 20 answers and 300 verdicts, of which training saw none" in text
    assert (
        "had a say in which of 2 moments of training it is, and chose the calibration and the bounds, so all figures here flatter"
        in text
    )


def test_bounds_and_silence_are_told() -> None:
    text = card(report_of())
    assert "of all those given, at most 15% were wrong" in text
    assert "| positive criteria | up to 0.25 | from 0.75 |" in text
    assert "| negative criteria | never | never |" in text
    assert "On negative criteria it is never sure" in text
    assert "On positive criteria it is never sure" not in text


def test_risk_is_told_against_coverage() -> None:
    rows = rows_of(card(report_of()))
    assert rows["100%"][0] == "33.3%"


@pytest.mark.parametrize(
    ("serves", "said"), [("fp32", "so `model.onnx`, in float32, serves"), ("int8", "so it serves")]
)
def test_it_says_which_model_serves_and_why(serves: Any, said: str) -> None:
    report = report_of()
    text = card(replace(report, facts=replace(report.facts, serves=serves)))
    assert said in text
    assert "98.1%" in text
    assert "99% are asked for" in text


def test_where_the_labels_come_from_is_told() -> None:
    rows = rows_of(card(report_of()))
    assert rows["labels by"] == ["openai:gpt-4.1 (1,500)"]
    assert rows["labels, SHA-256"] == [f"`{'d1' * 32}`"]
    assert rows["passed over"] == ["failed 3, unknown 12"]
    assert rows["`model.onnx`, SHA-256"] == [f"`{'ab' * 32}`"]


def test_warnings_are_told_and_their_heading_only_with_them() -> None:
    assert "## Warnings" not in card(report_of())
    assert "## Warnings of the training\n\n- few rows\n" in card(report_of(warnings=["few rows"]))


def test_a_name_can_not_break_a_table() -> None:
    rows = rows_of(card(report_of(judges={"a|b`\nc": 5})))
    assert rows["labels by"] == ["a/b' c (5)"]


def test_it_is_written_beside_the_judge(tmp_path: Path) -> None:
    write_card(tmp_path, report_of())
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == card(report_of())
