"""A small judge before another: what the first is sure of nobody else is asked, and every verdict says whose it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from cascades import MIXED, SURE, UNSURE, Fixed, cascade, cascade_rows
from grading_runs import done, grading, model
from grading_work import Judge, case_of, graded_by, mets, rows_in, written
from tiny_judge import make_tiny_judge
from typer.testing import CliRunner

from agent.config import Settings
from agent.testing import FakeServer, Fault
from evals.graded import Grade, read_graded
from evals.grading.cli import grade
from evals.grading.grader import FailedGrade, failures, open_graders
from evals.grading.panel import Panel

LLM = Fixed("openai:llm", Grade(True, "read it"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_judge(tmp_path_factory.mktemp("judges") / "tiny")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "graded.jsonl"


@pytest.mark.parametrize(("per_criterion", "calls"), [(False, [[1, 2]]), (True, [[2], [4]])])
def test_the_other_is_asked_about_what_is_left_alone(per_criterion: bool, calls: list[list[int]], folder: Path) -> None:
    judge = Judge()
    with FakeServer(judge) as server:
        grades, ledger = graded_by(cascade(folder, model(server, per_criterion=per_criterion)), rubric=MIXED)
    asked = [text for request in judge.requests for text in request.criteria.values()]
    assert asked == [criterion.text for criterion in UNSURE]
    assert ledger.spent.calls == len(calls)
    assert mets(grades) == [True, True, False, True]


def test_the_other_is_not_asked_where_nothing_is_left(folder: Path) -> None:
    with FakeServer(Judge()) as server:
        grades, _ = graded_by(cascade(folder, model(server)), rubric=SURE)
    assert server.requests == []
    assert mets(grades) == [True, False]


def test_every_verdict_says_who_gave_it(folder: Path) -> None:
    grades, _ = graded_by(cascade(folder, LLM), rubric=MIXED)
    givers = [grade.explanation.split("@")[0].split(": ")[0] for grade in grades]
    assert givers == ["small:tiny", "openai:llm", "small:tiny", "openai:llm"]


def test_the_name_and_the_protocol_are_of_both(folder: Path) -> None:
    both = cascade(folder, LLM)
    assert both.name == f"cascade({both.small.name}, openai:llm)"
    assert both.protocol == "each criterion by itself, by a small model; where that is not sure: fixed"


def test_rows_keep_what_each_judge_said_and_null_where_it_was_not_sure_or_not_asked(folder: Path, output: Path) -> None:
    with FakeServer(Judge()) as server:
        both = cascade(folder, model(server))
        tally = done(grading(both, output, cascade_rows(3)))
    answer = next(read_graded(output))
    assert {name: mets(list(grades)) for name, grades in answer.judges.items()} == {
        both.small.name: [True, None, False, None],
        "openai:fake": [None, True, None, True],
    }
    assert answer.judges["openai:fake"][0].explanation.startswith("not asked")
    assert mets(list(answer.grades)) == [True, True, False, True]
    assert (tally.divided, tally.unknown, tally.calls_per_answer) == (0, 0, 1)


def test_the_tally_says_what_each_gave_and_how_many_calls_were_saved(folder: Path, output: Path) -> None:
    rows = [*cascade_rows(4)[:1], *cascade_rows(4, SURE)[1:]]
    with FakeServer(Judge()) as server:
        tally = done(grading(cascade(folder, model(server)), output, rows))
    assert tally.cascade is not None
    assert (tally.cascade.by_small, tally.cascade.by_rest, tally.cascade.unknown) == (8, 2, 0)
    assert (tally.cascade.calls_saved, tally.cascade.calls) == (3, 4)
    assert [line for line in tally.told() if line.startswith("saved")] == [
        "saved 3 of 4 calls (75.0%): openai:fake was asked about 20.0% of the criteria, and of 25.0% of the answers"
    ]
    assert tally.as_dict()["cascade"]["calls_saved"] == len(server.requests) + 2


def test_one_criterion_per_call_saves_a_call_for_every_criterion(folder: Path, output: Path) -> None:
    with FakeServer(Judge()) as server:
        tally = done(grading(cascade(folder, model(server, per_criterion=True)), output, cascade_rows(3)))
    assert tally.cascade is not None
    assert (tally.cascade.calls, tally.cascade.calls_saved, len(server.requests)) == (12, 6, 6)


# --- what fails ------------------------------------------------------------------------------------------------------------------


def test_where_the_other_fails_the_row_is_an_error_with_the_verdicts_of_the_small_one(
    folder: Path, output: Path
) -> None:
    judge = Judge(lambda request, _: "{}" if case_of(request) == 1 else None)
    with FakeServer(judge) as server:
        tally = done(grading(cascade(folder, model(server)), output, cascade_rows(3)))
        judge.instead = lambda request, number: None
        again = done(grading(cascade(folder, model(server)), output, retry_errors=True))
    assert (tally.failed, tally.in_part, tally.unknown) == (1, 1, 2)
    assert tally.cascade is not None
    assert tally.cascade.unknown == 2
    assert (again.outcomes["graded"], again.failed) == (1, 0)
    assert not any("error" in row for row in rows_in(output))


def test_retrying_asks_the_other_for_just_what_is_missing(folder: Path, output: Path) -> None:
    judge = Judge(
        lambda request, _: "{}" if request.is_single and "Names doctor" in request.criteria.values() else None
    )
    with FakeServer(judge) as server:
        both = cascade(folder, model(server, per_criterion=True, attempts=1))
        done(grading(both, output, cascade_rows(2)))
        judge.instead = lambda request, number: None
        done(grading(both, output, retry_errors=True))
    asked = [text for request in judge.requests for text in request.criteria.values()]
    assert sorted(asked) == ["Names doctor"] * 4 + ["Says doctor"] * 2


def test_a_failure_is_seen_through_a_panel_of_cascades(folder: Path) -> None:
    lost = FailedGrade(None, "the server is gone", "unreachable")
    panel = Panel((cascade(folder, Fixed("a", lost)), LLM))
    grades, _ = graded_by(panel, rubric=MIXED)
    assert failures(grades) == [lost] * 2
    assert mets(grades) == [True, True, None, True]


def test_replies_that_are_never_of_use_end_the_run_although_the_small_judge_has_verdicts(
    folder: Path, output: Path
) -> None:
    with FakeServer(Judge(lambda request, _: "I'd rather not.")) as server:
        run = grading(cascade(folder, model(server, attempts=1)), output, cascade_rows(60))
        list(run)
    assert run.stopped_because
    assert len(server.requests) < 60


def test_a_server_that_is_gone_is_asked_once_per_answer(folder: Path) -> None:
    with FakeServer(lambda body: Fault.http(503)) as server:
        grades, _ = graded_by(cascade(folder, model(server, per_criterion=True)), rubric=MIXED)
    assert len(server.requests) == 1
    assert len(failures(grades)) == 2


def test_an_other_that_gives_too_few_verdicts_is_not_believed(folder: Path) -> None:
    class Short(Fixed):
        def grade(self, *args: object, **more: object) -> list[Grade]:
            return [self.says]

    with pytest.raises(ValueError, match="shorter"):
        graded_by(cascade(folder, Short("short", Grade(True))), rubric=MIXED)


# --- every kind of other judge ---------------------------------------------------------------------------------------------------


def test_recorded_verdicts_fill_what_is_left(folder: Path, tmp_path: Path) -> None:
    lines = [{"id": "a0", "criterion": one.text, "criteria_met": False} for one in MIXED]
    said = written(lines, tmp_path / "said.jsonl")
    grades, _ = graded_by(open_graders([f"small:{folder},recorded:{said}"], Settings()), rubric=MIXED, ids=("a0",))
    assert mets(grades) == [True, False, False, False]


@pytest.mark.usefixtures("data_dir")
def test_the_detectors_fill_what_is_left(folder: Path) -> None:
    both = open_graders([f"small:{folder},embedded"], Settings())
    grades, _ = graded_by(both, rubric=MIXED)
    assert both.name.endswith(", embedded)")
    assert mets(grades) == [True, None, False, None]


def test_the_command_grades_with_a_cascade_and_tells_the_saving(
    folder: Path, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = typer.Typer()
    app.command()(grade)
    answers = written(cascade_rows(3), tmp_path / "answers.jsonl")
    with FakeServer(Judge()) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        options = [str(answers), "-o", str(output), "--judge", f"small:{folder},openai:cascaded"]
        server.models = ("cascaded",)
        told = CliRunner().invoke(app, options, catch_exceptions=False, env={"COLUMNS": "200"})
    assert told.exit_code == 0
    assert "saved 0 of 3 calls (0.0%): openai:cascaded was asked about 50.0% of the criteria" in told.stdout
    assert "50.0%, openai:cascaded 50.0% of 12 criteria" in told.stdout
    assert list(json.loads(output.read_text().splitlines()[0])["judges"])[1] == "openai:cascaded"
