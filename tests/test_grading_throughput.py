"""The measurement of grading: what it counts adds up, and the work that it makes is of the size it says."""

from __future__ import annotations

import json
from statistics import mean

import pytest
import typer
from typer.testing import CliRunner

from evals.grading.bench_cli import grading
from evals.grading.rehearsed import RehearsedJudge, asked, says_so
from evals.grading.throughput import Throughput, answers_to_grade, measure_throughput


def test_made_up_answers_have_as_many_criteria_as_those_of_the_benchmark() -> None:
    rows = answers_to_grade(2_000)
    assert 11.2 < mean(len(row["rubrics"]) for row in rows) < 11.8
    assert len({row["response"] for row in rows}) == len({row["id"] for row in rows}) == 2_000
    assert rows[:5] == answers_to_grade(5)


@pytest.mark.slow
@pytest.mark.parametrize("per_criterion", [False, True])
def test_a_run_is_measured_from_answers_to_graded_rows(per_criterion: bool) -> None:
    run = measure_throughput(in_flight=4, call_seconds=0.05, rows_per_slot=2, per_criterion=per_criterion)
    assert (run.rows, run.in_flight) == (8, 4)
    assert run.calls_per_row == (run.criteria_per_row if per_criterion else 1)
    assert run.ideal_seconds <= run.seconds
    assert run.input_tokens_per_row > 500


def test_the_share_is_ideal_time_over_time() -> None:
    run = Throughput(
        8, 11.5, 4, 1.0, seconds=2.5, ideal_seconds=2.0, calls_per_row=1, input_tokens_per_row=1, server_cpu_s=0
    )
    assert run.share == 0.8


@pytest.mark.slow
def test_the_command_prints_both_protocols() -> None:
    app = typer.Typer()
    app.command()(grading)
    done = CliRunner().invoke(app, ["--in-flight", "2", "--call-seconds", "0.02", "--rows-per-slot", "2", "--json"])
    first, second = json.loads(done.output)
    assert (first["per_criterion"], second["per_criterion"]) == (False, True)
    assert first["calls_per_row"] == 1 < second["calls_per_row"]


def test_the_rehearsed_judge_refuses_what_is_no_request_of_the_graders() -> None:
    with pytest.raises(ValueError, match="none of the grader's"):
        asked({"messages": [{"role": "user", "content": "Hello?"}]})
    assert RehearsedJudge().rule is says_so
