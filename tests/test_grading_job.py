"""Grading on the batch: durable, continued without paying twice, bounded in what is in flight, and honest about what failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chat_client import open_client
from grading_runs import ROWS, done, grading, model, verdicts_of
from grading_work import Judge, answer_rows, case_of, rows_in

from agent.state import AgentContext
from agent.testing import FakeServer, Fault
from evals.dataset import DatasetError
from evals.graded import read_graded
from evals.grading.local import LocalGrader
from evals.grading.model import ModelGrader
from evals.grading.panel import Panel
from evals.grading.rehearsed import Asked


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "graded.jsonl"


def test_every_answer_becomes_a_graded_row_that_reads_back(output: Path) -> None:
    with FakeServer(Judge()) as server:
        tally = done(grading(model(server), output))
    answers = {answer.id: answer for answer in read_graded(output)}
    assert sorted(answers) == sorted(row["id"] for row in answer_rows(ROWS))
    for row in answer_rows(ROWS):
        answer = answers[row["id"]]
        assert [grade.met for grade in answer.grades] == [True, False, True, True]
        assert (answer.prompt_id, answer.response, answer.conversation) == (
            row["prompt_id"],
            row["response"],
            row["prompt"],
        )
        assert (answer.judge, answer.model, answer.error) == ("openai:fake", "openai:candidate", None)
    assert (tally.outcomes["graded"], tally.failed, tally.criteria, tally.unknown) == (ROWS, 0, 4 * ROWS, 0)
    assert (tally.calls_per_answer, tally.spent.calls) == (1, ROWS)


def test_a_row_says_how_it_was_graded_and_what_that_took(output: Path) -> None:
    with FakeServer(Judge()) as server:
        done(grading(model(server, per_criterion=True), output, answer_rows(1), per_criterion=True))
    (row,) = rows_in(output)
    assert list(row)[:2] == ["id", "prompt_id"]
    assert row["protocol"] == "one criterion per call"
    assert list(row["prompt_hashes"]) == ["one_criterion"]
    assert row["usage"]["calls"] == 4


@pytest.mark.parametrize("per_criterion", [False, True])
def test_one_cap_holds_for_all_calls_of_a_panel(per_criterion: bool, output: Path) -> None:
    with FakeServer(Judge(delay_s=0.02)) as server:
        clients = [open_client(server, model=name) for name in ("fake", "other")]
        server.models = ("fake", "other")
        panel = Panel(tuple(ModelGrader(client, per_criterion=per_criterion) for client in clients))
        done(grading(panel, output, concurrency=3, per_criterion=per_criterion))
    assert 1 < server.most_in_flight <= 3
    assert len(server.requests) == 2 * ROWS * (4 if per_criterion else 1)


def test_a_panel_keeps_what_each_judge_said_and_counts_where_they_differ(output: Path) -> None:
    def other(request: Asked, _: int) -> str:
        rows = [{"criterion": n, "explanation": "no", "criteria_met": False} for n in request.criteria]
        return json.dumps({"verdicts": rows})

    with FakeServer(Judge()) as one, FakeServer(Judge(other)) as two:
        panel = Panel((model(one), ModelGrader(open_client(two, model="fake"))))
        object.__setattr__(panel.judges[1].client, "name", "openai:strict")  # type: ignore[attr-defined]
        tally = done(grading(panel, output, answer_rows(2)))
    answer = next(read_graded(output))
    assert answer.judge == "panel(openai:fake, openai:strict)"
    assert [grade.met for grade in answer.grades] == [None, False, None, None]
    assert {name: [grade.met for grade in grades] for name, grades in answer.judges.items()} == {
        "openai:fake": [True, False, True, True],
        "openai:strict": [False] * 4,
    }
    assert (tally.divided, tally.unknown, tally.failed) == (6, 6, 0)


# --- what fails ------------------------------------------------------------------------------------------------------------------


def broken_for(*cases: int) -> Judge:
    return Judge(lambda request, _: "{}" if case_of(request) in cases else None)


def test_a_reply_that_is_never_usable_is_an_error_with_unknown_verdicts_and_no_other_rows_matter(output: Path) -> None:
    with FakeServer(broken_for(3)) as server:
        tally = done(grading(model(server), output))
    rows = {row["id"]: row for row in rows_in(output)}
    assert list(rows["a3"])[:2] == ["id", "error"]
    assert rows["a3"]["error"]["type"] == "ModelError"
    assert verdicts_of(rows["a3"]) == [None] * 4
    assert all("malformed reply" in verdict["explanation"] for verdict in rows["a3"]["verdicts"])
    assert [id for id, row in rows.items() if "error" in row] == ["a3"]
    assert (tally.errors, tally.unknown, tally.in_part) == ({"malformed reply": 1}, 4, 0)
    assert [answer.error is not None for answer in read_graded(output)].count(True) == 1


def test_retrying_asks_for_just_what_is_missing_and_in_other_words(output: Path) -> None:
    judge = Judge(
        lambda request, _: "{}" if request.criteria == {2: "Says aspirin"} and case_of(request) == 5 else None
    )
    with FakeServer(judge) as server:
        first = done(grading(model(server, per_criterion=True), output, per_criterion=True))
        before = [json.dumps(request.body) for request in server.requests]
        judge.instead = lambda request, number: None
        again = done(grading(model(server, per_criterion=True), output, per_criterion=True, retry_errors=True))
        new = [json.dumps(request.body) for request in server.requests[len(before) :]]
    assert (first.failed, first.in_part, first.unknown) == (1, 1, 1)
    assert (again.rows, again.failed, again.spent.calls) == (1, 0, 1)
    assert not set(new) & set(before)
    assert {tuple(verdicts_of(row)) for row in rows_in(output)} == {(True, False, True, True)}
    assert not any("error" in row for row in rows_in(output))


def test_a_partly_graded_row_says_how_much_is_missing(output: Path) -> None:
    judge = Judge(lambda request, _: "{}" if request.criteria == {2: "Says aspirin"} else None)
    with FakeServer(judge) as server:
        done(grading(model(server, per_criterion=True), output, answer_rows(1), per_criterion=True))
    (row,) = rows_in(output)
    assert row["error"]["message"].startswith("1 of 4 criteria: no usable reply in 3 attempts")
    assert verdicts_of(row) == [True, None, True, True]


def test_a_panel_of_which_one_judge_failed_is_done_again_by_that_judge_alone(output: Path) -> None:
    down = [Fault.http(500)]
    with FakeServer(Judge()) as one, FakeServer(Judge(lambda request, _: down[0] if down else None)) as two:
        judges = (model(one), ModelGrader(open_client(two, model="fake", max_attempts=1)))
        object.__setattr__(judges[1].client, "name", "openai:late")
        first = done(grading(Panel(judges), output, answer_rows(2)))
        down.clear()
        again = done(grading(Panel(judges), output, retry_errors=True))
    assert (first.failed, first.in_part, again.failed) == (2, 2, 0)
    assert (len(one.requests), len(two.requests)) == (2, 4)
    assert [set(row["judges"]) for row in rows_in(output)] == [{"openai:fake", "openai:late"}] * 2


@pytest.mark.parametrize("fault", [Fault.wrong_key(), Fault.unknown_model(), Fault.http(500)])
def test_a_server_that_fails_every_row_stops_the_run(fault: Fault, output: Path) -> None:
    with FakeServer(fault) as server:
        run = grading(model(server), output, answer_rows(60))
        list(run)
    assert run.is_fruitless
    assert len(server.requests) < 20
    assert all(verdicts_of(row) == [None] * 4 for row in rows_in(output))


def test_rows_that_are_graded_in_part_never_stop_the_run(output: Path) -> None:
    judge = Judge(lambda request, _: "{}" if request.criteria == {2: "Says aspirin"} else None)
    with FakeServer(judge) as server:
        run = grading(model(server, per_criterion=True, attempts=1), output, answer_rows(20), per_criterion=True)
        list(run)
    assert run.is_complete and not run.is_fruitless
    assert (run.tally.failed, len(server.requests)) == (20, 80)


def test_a_run_goes_on_as_long_as_one_judge_of_a_panel_gives_verdicts(output: Path) -> None:
    with FakeServer(Judge(lambda *_: "{}")) as broken, FakeServer(Judge()) as good:
        judges = (model(broken, attempts=1), model(broken, attempts=1), model(good))
        for judge, name in zip(judges, "abc", strict=True):
            object.__setattr__(judge.client, "name", f"openai:{name}")
        run = grading(Panel(judges), output, answer_rows(20), attempts=1)
        list(run)
    assert run.is_complete
    assert all(verdicts_of(row) == [None] * 4 for row in rows_in(output))
    assert len(good.requests) == 20


def test_an_empty_answer_is_put_to_the_judge_and_must_stay_what_it_is(output: Path) -> None:
    rows = [{**row, "response": ""} for row in answer_rows(1)]
    with FakeServer(Judge()) as server:
        done(grading(model(server), output, rows))
        (row,) = rows_in(output)
        with pytest.raises(DatasetError, match="--fresh"):
            list(grading(model(server), output, answer_rows(1)))
    assert len(server.requests) == 1
    assert verdicts_of(row) == [False] * 4
    assert (row["response"], "error" in row) == ("", False)
    (answer,) = read_graded(output)
    assert (answer.response, answer.is_missing) == ("", False)


@pytest.mark.parametrize("place", ["response", "criterion"])
def test_half_a_character_is_no_trouble_to_the_embedded_judge(place: str, context: AgentContext, output: Path) -> None:
    (row,) = answer_rows(1)
    if place == "response":
        row["response"] += " \ud83d"
    else:
        row["rubrics"][0]["criterion"] += " \ud83d"
    tally = done(grading(LocalGrader(context.engine.judge), output, [row]))
    assert (tally.failed, tally.unknown) == (0, 4)


def test_an_empty_answer_is_no_trouble_to_the_embedded_judge(context: AgentContext, output: Path) -> None:
    tally = done(grading(LocalGrader(context.engine.judge), output, [{**answer_rows(1)[0], "response": ""}]))
    assert (tally.failed, tally.criteria) == (0, 4)


def test_answers_that_failed_stay_errors_and_cost_nothing(output: Path) -> None:
    error = {"type": "ModelError", "message": "the model refused"}
    rows = [*answer_rows(2), {"id": "x", "error": error}, {**answer_rows(1, 7)[0], "response": None, "error": error}]
    with FakeServer(Judge()) as server:
        tally = done(grading(model(server), output, rows))
    errors = {row["id"]: row for row in rows_in(output) if "error" in row}
    assert {row["error"]["message"] for row in errors.values()} == {"the model refused"}
    assert verdicts_of(errors["a7"]) == [None] * 4
    assert (len(server.requests), tally.outcomes["graded"], tally.failed) == (2, 2, 2)


def test_what_the_embedded_judge_does_not_know_is_no_error(context: AgentContext, output: Path) -> None:
    tally = done(grading(LocalGrader(context.engine.judge), output, answer_rows(2)))
    assert (tally.failed, tally.spent.calls, tally.calls_per_answer) == (0, 0, None)
    assert tally.unknown == 8
    assert all(verdict["explanation"] for row in rows_in(output) for verdict in row["verdicts"])


# --- stopped and continued -------------------------------------------------------------------------------------------------------
