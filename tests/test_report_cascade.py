"""Who gave the verdicts of a cascade, in reports and in agreement: counted from the rows, and the same wherever it is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from agreement_rows import label_row, write
from hypothesis import given
from hypothesis import strategies as st
from report_rows import graded, rows, written
from typer.testing import CliRunner

from evals.agreement.cli import agreement
from evals.graded import Grade, read_graded
from evals.reports.cli import report
from evals.shares import Met, Shares, cascade_of, givers, shares
from evals.summary import summarise
from tests.graded_answers import answer

SMALL, LLM = "small:tiny, old@0123", "openai:gpt-4.1"
CASCADE = f"cascade({SMALL}, {LLM})"
ALL = "each criterion by itself, by a small model; where that is not sure: all criteria in one call"
EACH = ALL.replace("all criteria in one call", "one criterion per call")


def cascaded(number: int, small: list[Met], llm: list[Met], protocol: str = ALL) -> dict[str, Any]:
    """Return a row of a cascade from what each judge said."""
    verdicts = [b if a is None else a for a, b in zip(small, llm, strict=True)]
    judges = {
        name: [{"criteria_met": met, "explanation": "why"} for met in said]
        for name, said in ((SMALL, small), (LLM, llm))
    }
    return graded(number, verdicts, judge=CASCADE, protocol=protocol, judges=judges)


ROWS = [
    cascaded(1, [True, False, False], [None, None, None]),
    cascaded(2, [True, None, None], [None, True, False]),
    cascaded(3, [None, None, False], [True, None, None]),
]
"""Of 9 criteria the small judge gives 5, the other 3, nobody 1; of 3 answers the other is asked about 2."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path, ROWS)


def run(command: Any, *options: object) -> str:
    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, [str(one) for one in options], catch_exceptions=False, env={"COLUMNS": "200"})
    assert done.exit_code == 0
    return done.stdout


def test_the_json_report_has_the_shares(file: Path) -> None:
    found = json.loads(run(report, file, "--json"))["cascade"]
    assert (found["small"], found["rest"]) == (SMALL, LLM)
    assert (found["criteria"], found["by_small"], found["by_rest"], found["unknown"]) == (9, 5, 3, 1)
    assert (found["answers"], found["asked_answers"]) == (3, 2)
    assert (found["calls"], found["calls_saved"]) == (3, 1)


def test_one_criterion_per_call_counts_criteria_as_calls(tmp_path: Path) -> None:
    file = written(tmp_path, [row | {"protocol": EACH} for row in ROWS])
    found = json.loads(run(report, file, "--json"))["cascade"]
    assert (found["calls"], found["calls_saved"]) == (9, 5)


def test_every_form_of_the_report_says_who_gave_what(file: Path, tmp_path: Path) -> None:
    page, text = tmp_path / "a.html", tmp_path / "a.md"
    table = run(report, file, "--html", page, "--markdown", text)
    for told in (table, page.read_text(), text.read_text()):
        assert f"{SMALL} 55.6%, {LLM} 33.3%, nobody 11.1% of 9 criteria" in told
        assert f"1 of 3 calls (33.3%): {LLM} was asked about 44.4% of the criteria, and of 66.7% of the answers" in told


def test_nobody_is_named_only_where_verdicts_are_missing(tmp_path: Path) -> None:
    assert "nobody" not in run(report, written(tmp_path, ROWS[:2]))


@pytest.mark.parametrize(
    "change", [{"judges": None}, {"judge": "panel(a, b)"}, {"judge": f"cascade({SMALL}, another)"}, {"judge": LLM}]
)
def test_rows_that_are_not_a_cascades_have_no_shares(change: dict[str, Any], tmp_path: Path) -> None:
    found = run(report, written(tmp_path, [row | change for row in ROWS]), "--json")
    assert json.loads(found)["cascade"] is None


def test_answers_that_failed_are_in_no_share(tmp_path: Path) -> None:
    lost = graded(9, [None] * 3, judge=CASCADE, protocol=ALL, error={"type": "NoAnswer", "message": "cut off"})
    found = shares(read_graded(written(tmp_path, [lost, *ROWS, {**lost, "prompt_id": "p10"}])))
    assert found is not None
    assert (found.answers, found.criteria) == (3, 9)


def test_the_judges_of_a_cascade_do_not_differ_since_no_criterion_has_two_verdicts(file: Path) -> None:
    assert summarise(list(read_graded(file))).judge_disagreement is None


@pytest.mark.parametrize("names", [(SMALL, LLM), (LLM, SMALL)])
def test_the_small_judge_is_known_by_the_name_whatever_the_order_of_keys(names: tuple[str, str]) -> None:
    assert cascade_of(CASCADE, names) == (SMALL, LLM)


SAID = st.lists(st.tuples(st.sampled_from([True, False, None]), st.sampled_from([True, False, None])), min_size=1)


@given(st.lists(SAID, min_size=1, max_size=6))
def test_the_parts_make_the_whole_and_no_more_calls_are_saved_than_there_are(answers: list[list[Any]]) -> None:
    found = Shares(SMALL, LLM, per_criterion=False)
    for said in answers:
        small = [mine for mine, _ in said]
        found = found.plus({SMALL: small, LLM: [theirs if mine is None else None for mine, theirs in said]})
    assert found.by_small + found.by_rest + found.unknown == found.criteria == sum(map(len, answers))
    assert 0 <= found.calls_saved <= found.calls == len(answers)
    assert found.calls_saved == sum(all(mine is not None for mine, _ in said) for said in answers)


def test_each_verdict_has_the_judge_that_was_asked_last() -> None:
    said = {SMALL: (Grade(True), Grade(None), Grade(None)), LLM: (Grade(None), Grade(False), Grade(None))}
    one = answer((1, True), (2, False), (3, None), judge=CASCADE, judges=said)
    assert givers(one) == [SMALL, LLM, LLM]
    assert givers(answer((1, True), judge=LLM)) == [None]


# --- agreement -------------------------------------------------------------------------------------------------------------------


def test_agreement_is_told_by_who_gave_the_verdict(file: Path, tmp_path: Path) -> None:
    labels = [
        label_row(rubric["criterion"], [met], prompt=row["prompt"], response=row["response"])
        for row, truth in zip(ROWS, [[True, False, True], [True, True, True], [True, True, False]], strict=True)
        for rubric, met in zip(row["rubrics"], truth, strict=True)
    ]
    found = json.loads(run(agreement, write(tmp_path / "labels.jsonl", labels), file, "--json"))["by_giver"]
    assert {name: (group["criteria"], group["unknown"]) for name, group in found.items()} == {
        SMALL: (5, 0),
        LLM: (4, 1),
    }
    assert found[SMALL]["known"]["accuracy"] == 4 / 5
    assert found[LLM]["known"]["accuracy"] == 2 / 3


def test_the_table_names_the_judges_of_a_cascade_as_they_are(file: Path, tmp_path: Path) -> None:
    labels = [label_row(rubric["criterion"], [True], prompt=ROWS[1]["prompt"], response=ROWS[1]["response"])
              for rubric in ROWS[1]["rubrics"]]  # fmt: skip
    told = run(agreement, write(tmp_path / "labels.jsonl", labels), file)
    assert "By who gave the verdict" in told
    assert SMALL in told


@pytest.mark.parametrize(
    ("judge", "is_told"), [("embedded", True), ("cascade(small:t@0, embedded)", True), (LLM, False)]
)
def test_detectors_are_for_smoke_tests_also_behind_a_small_judge(judge: str, is_told: bool, tmp_path: Path) -> None:
    one = rows(1)[0] | {"judge": judge}
    labels = [label_row(one["rubrics"][0]["criterion"], [True], prompt=one["prompt"], response=one["response"])]
    told = run(agreement, write(tmp_path / "labels.jsonl", labels), written(tmp_path, [one]))
    assert ("for smoke tests" in told) == is_told


def test_one_judge_alone_has_no_table_of_judges(tmp_path: Path) -> None:
    one = rows(1)[0]
    labels = [label_row(one["rubrics"][0]["criterion"], [True], prompt=one["prompt"], response=one["response"])]
    told = run(agreement, write(tmp_path / "labels.jsonl", labels), written(tmp_path, [one]))
    assert "By who gave" not in told
