"""`clinalign eval grade` as a user meets it: real processes, a real server, a real SIGKILL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from grading_work import Judge, answer_rows, case_of, rows_in, written
from in_process import address, clinalign_here
from waiting import wait_until

from agent.testing import FakeServer, Fault
from evals.graded import read_graded

pytestmark = pytest.mark.usefixtures("data_dir")
JUDGE = ("--judge", "openai:fake")


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    return written(answer_rows(12), tmp_path / "answers.jsonl")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "graded.jsonl"


def words(answers: Path, output: Path, *options: str) -> list[str]:
    return ["eval", "grade", str(answers), "-o", str(output), *options]


def command(answers: Path, output: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "agent.cli", *words(answers, output, *options)]


def environment(server: FakeServer | None) -> dict[str, str]:
    return os.environ | address(server)


def grade(
    answers: Path, output: Path, *options: str, server: FakeServer | None = None
) -> subprocess.CompletedProcess[str]:
    return clinalign_here(*words(answers, output, *options), **address(server))


@contextmanager
def running(answers: Path, output: Path, *options: str, server: FakeServer) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command(answers, output, *options), env=environment(server), stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("processes", ["1", "2"])
def test_answers_become_graded_rows_and_the_summary_says_what_it_took(
    processes: str, answers: Path, output: Path
) -> None:
    with FakeServer(Judge()) as server:
        done = grade(answers, output, *JUDGE, "--processes", processes, server=server)
    assert done.returncode == 0, done.stderr
    assert len(list(read_graded(output))) == 12
    for told in ("12 calls", "1.00 calls per answer", "48 criteria, 0 without a verdict", f"eval report {output}"):
        assert told in done.stdout, done.stdout


def test_the_summary_is_an_object_where_that_is_wanted(answers: Path, output: Path) -> None:
    with FakeServer(Judge(lambda request, _: "{}" if case_of(request) == 3 else None)) as server:
        done = grade(answers, output, *JUDGE, "--json", "--attempts", "2", server=server)
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert (told["graded"], told["failed"], told["errors"]) == (11, 1, {"malformed reply": 1})
    assert (told["criteria"], told["unknown"], told["usage"]["calls"]) == (48, 4, 13)


def test_errors_are_done_again_where_that_is_asked_for(answers: Path, output: Path) -> None:
    judge = Judge(lambda request, _: "{}" if case_of(request) == 3 else None)
    with FakeServer(judge) as server:
        grade(answers, output, *JUDGE, server=server)
        judge.instead = lambda request, number: None
        kept = grade(answers, output, *JUDGE, server=server)
        done = grade(answers, output, *JUDGE, "--retry-errors", server=server)
    assert (kept.returncode, done.returncode) == (1, 0)
    assert len(server.requests) == 11 + 3 + 1
    assert not any("error" in row for row in rows_in(output))


def test_calls_per_answer_are_those_of_this_run(answers: Path, output: Path) -> None:
    options = (*JUDGE, "--per-criterion", "--json")
    judge = Judge(lambda request, _: "{}" if request.criteria == {2: "Says aspirin"} and case_of(request) < 5 else None)
    with FakeServer(judge) as server:
        first = json.loads(grade(answers, output, *options, server=server).stdout)
        judge.instead = lambda request, number: None
        again = json.loads(grade(answers, output, *options, "--retry-errors", server=server).stdout)
    assert (first["usage"]["calls"], first["calls_per_answer"]) == (48 + 2 * 5, round(58 / 12, 3))
    assert (again["done"], again["usage"]["calls"], again["calls_per_answer"]) == (5, 5, 1)


def test_a_judge_whose_replies_are_never_of_use_ends_the_run(output: Path, tmp_path: Path) -> None:
    answers = written(answer_rows(60), tmp_path / "answers.jsonl")
    options = (*JUDGE, "--concurrency", "4", "--attempts", "1")
    with FakeServer(Judge(lambda request, _: "I'd rather not.")) as server:
        done = grade(answers, output, *options, server=server)
    assert done.returncode == 3
    assert "8 rows in a row failed for a reason that has nothing to do with them: no usable reply in 1 attempt," in (
        done.stdout
    )
    assert "run the same command again to continue" in done.stdout
    assert len(server.requests) <= 8 + 2 * 4 + 2


@pytest.mark.slow
def test_killed_and_started_again_it_pays_for_no_reply_twice(answers: Path, output: Path) -> None:
    options = (*JUDGE, "--per-criterion", "--concurrency", "2", "--processes", "1")
    judge = Judge(delay_s=0.05)
    with FakeServer(judge) as server:
        with running(answers, output, *options, server=server) as process:
            wait_until(lambda: len(server.requests) >= 15)
            process.send_signal(signal.SIGKILL)
            process.wait()
        under_way = 2
        done = grade(answers, output, *options, server=server)
    assert done.returncode == 0, done.stderr
    asked = Counter(json.dumps(request.body) for request in server.requests)
    assert len(asked) == 48
    assert len(server.requests) <= 48 + under_way
    assert all(len(row["verdicts"]) == 4 and "error" not in row for row in rows_in(output))
    assert sorted(row["id"] for row in rows_in(output)) == sorted(row["id"] for row in answer_rows(12))


def test_the_embedded_judge_needs_no_model(answers: Path, output: Path) -> None:
    done = grade(answers, output, "--judge", "embedded", "--limit", "2")
    assert done.returncode == 0, done.stderr
    assert {row["judge"] for row in rows_in(output)} == {"embedded"}
    assert "without a verdict" in done.stdout


def test_a_panel_of_a_model_and_a_record_keeps_both(answers: Path, output: Path, tmp_path: Path) -> None:
    said = [{"id": "a0", "criterion": "Says aspirin", "criteria_met": True}]
    record = written(said, tmp_path / "said.jsonl")
    with FakeServer(Judge()) as server:
        done = grade(answers, output, *JUDGE, "--judge", f"recorded:{record}", server=server)
    assert done.returncode == 0, done.stderr
    row = next(row for row in rows_in(output) if row["id"] == "a0")
    assert [verdict["criteria_met"] for verdict in row["verdicts"]] == [True, None, True, True]
    assert list(row["judges"]) == ["openai:fake", "recorded:said.jsonl"]
    assert "the judges differ on 1 criterion\n" in done.stdout


def test_a_wrong_key_ends_the_run_with_what_to_do(output: Path, tmp_path: Path) -> None:
    answers = written(answer_rows(60), tmp_path / "answers.jsonl")
    with FakeServer(Fault.wrong_key()) as server:
        done = grade(answers, output, *JUDGE, "--concurrency", "4", server=server)
    assert done.returncode == 3
    assert "OPENAI_API_KEY" in done.stdout or "key" in done.stdout
    assert len(server.requests) < 30


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--judge"),
        (("--judge", "gpt-4.1"), "provider:name (a chat model, as openai:gpt-4.1), small:FOLDER"),
        (("--judge", "recorded:"), "names no file"),
        (("--judge", "embedded", "--judge", "embedded"), "twice"),
        (("--judge", "recorded:nowhere.jsonl"), "nowhere.jsonl"),
        (("--judge", "embedded", "--attempts", "0"), "attempts"),
        (("--judge", "embedded", "--data", "nowhere.jsonl"), "nowhere.jsonl"),
        (("--judge", "embedded", "--max-cost", "1"), "CLINALIGN_PRICE_INPUT"),
    ],
)
def test_a_command_that_can_not_be_carried_out_says_so(
    options: tuple[str, ...], said: str, answers: Path, output: Path
) -> None:
    done = grade(answers, output, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert not output.exists()


def test_a_row_that_can_not_be_graded_is_refused_before_anything_is_paid(output: Path, tmp_path: Path) -> None:
    rows = answer_rows(3)
    rows[2]["rubrics"][0]["points"] = 0
    with FakeServer(Judge()) as server:
        done = grade(written(rows, tmp_path / "answers.jsonl"), output, *JUDGE, server=server)
    assert (done.returncode, server.requests) == (2, [])
    assert "line 3: criterion 1: points 0" in done.stderr
