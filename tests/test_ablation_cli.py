"""`clinalign eval ablate` as a user meets it: real processes, a kill, exit codes, and what is printed and written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import Mock

import pytest
from eval_work import PartModel, data_file, data_rows
from in_process import address, clinalign_here
from typer.testing import CliRunner
from waiting import wait_until

from agent.testing import FakeServer, Fault
from evals.cli import app

pytestmark = pytest.mark.usefixtures("data_dir")
OPTIONS = ("--model", "openai:fake", "--grader", "openai:grader", "--processes", "1", "--samples", "100")
TWO = ("--arms", "generic,retrieved")


def served(model):
    return FakeServer(model, models=("fake", "grader"))


def words(data: Path, folder: Path, *options: str) -> list[str]:
    return ["eval", "ablate", str(data), "-o", str(folder), *OPTIONS, *options]


def command(data: Path, folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "agent.cli", *words(data, folder, *options)]


def environment(server: FakeServer) -> dict[str, str]:
    return {**os.environ, **address(server), "COLUMNS": "80"}


def ablate(data: Path, folder: Path, *options: str, server: FakeServer) -> subprocess.CompletedProcess[str]:
    return clinalign_here(*words(data, folder, *options), **address(server), COLUMNS="80")


def test_one_command_gives_one_table_on_the_terminal_as_json_and_as_markdown(tmp_path):
    data, folder = data_file(tmp_path, data_rows(3)), tmp_path / "out"
    with served(PartModel()) as server:
        shown = ablate(data, folder, *TWO, server=server)
        found = json.loads(ablate(data, folder, *TWO, "--json", server=server).stdout)
    assert shown.returncode == 0, shown.stderr
    written = (folder / "table.md").read_text(encoding="utf-8")
    for arm in found["arms"]:
        for text in (shown.stdout, written):
            assert f"{arm['raw_mean']:.3f}" in lines_of(text, arm["arm"])
            assert f"{arm['per_answer']['calls']:.2f}" in lines_of(text, arm["arm"])
    assert [arm["arm"] for arm in found["arms"]] == ["base", "generic", "retrieved"]
    assert found["statements"][0] in shown.stdout.replace("\n", " ")
    assert (found["grader"], found["model"], found["canary"]) == ("openai:grader", "openai:fake", "canary-1")
    assert "canary-1" in written
    assert f"clinalign eval ablate {data}" in written


def lines_of(text: str, arm: str) -> str:
    """Return an arm's lines of the tables."""
    return "\n".join(line for line in text.splitlines() if line.strip("| ").split()[:1] == [arm])


@pytest.mark.slow
def test_a_killed_ablation_goes_on_and_pays_only_for_what_the_kill_cut_off(tmp_path):
    data, folder = data_file(tmp_path, data_rows(3)), tmp_path / "out"
    model = PartModel(delay_s=0.02)
    with served(model) as server:
        for calls in (2, 7, 13, 20):
            process = subprocess.Popen(
                command(data, folder, *TWO, "--concurrency", "1"), env=environment(server), stdout=-3, stderr=-3
            )
            wait_until(lambda most=calls: len(model.bodies) >= most)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        done = ablate(data, folder, *TWO, "--json", server=server)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["answers"] == 3
    one_pass = 3 * (1 + 3 + 3) + 9
    assert one_pass <= len(model.bodies) <= one_pass + 4


def test_a_dry_run_says_how_many_calls_there_may_be_and_makes_none(tmp_path):
    data, folder = data_file(tmp_path, data_rows(5)), tmp_path / "out"
    with served(model := PartModel()) as server:
        done = ablate(data, folder, "--dry-run", "--json", "--per-criterion", server=server)
    assert not model.bodies
    assert not folder.exists()
    found = {row["arm"]: row for row in json.loads(done.stdout)}
    assert (found["base"]["least_calls"], found["base"]["most_calls"]) == (5, 5)
    assert (found["shipped-3"]["least_calls"], found["shipped-3"]["most_calls"]) == (5, 5 * 12)
    assert found["generic-3"]["most_calls"] == found["shipped-3"]["most_calls"]
    assert (found["base"]["least_grading"], found["all"]["least_grading"], found["all"]["most_grading"]) == (35, 0, 35)


def test_a_dry_run_counts_what_is_on_disk(tmp_path):
    data, folder = data_file(tmp_path, data_rows(2)), tmp_path / "out"
    with served(PartModel()) as server:
        ablate(data, folder, "--arms", "generic", "--limit", "1", server=server)
        done = ablate(data, folder, *TWO, "--dry-run", server=server)
    lines = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line.strip()}
    assert lines["base"][1:3] == ["2", "1"]
    assert lines["retrieved"][2] == "0"


def test_a_judge_that_grades_its_own_choice_is_warned_of(tmp_path):
    data = data_file(tmp_path, data_rows(1))
    with served(PartModel()) as server:
        own = ablate(data, tmp_path / "a", "--dry-run", "--judge", "openai:grader", server=server)
        other = ablate(data, tmp_path / "a", "--dry-run", server=server)
    assert "the grader openai:grader is also the judge" in own.stderr
    assert "is also the judge" not in other.stderr


def test_errors_and_bounds_are_told_by_the_exit_code(tmp_path):
    data, folder = data_file(tmp_path, data_rows(3)), tmp_path / "out"
    broken = PartModel(lambda case, job: Fault.http(400, "no") if (case, job) == (1, "problems") else None)
    with served(broken) as server:
        cut = ablate(data, folder, *TWO, "--max-calls", "4", server=server)
        done = ablate(data, folder, *TWO, "--json", server=server)
    assert (cut.returncode, done.returncode) == (3, 1)
    assert "limit reached: calls" in cut.stderr
    assert "run the same command again" in cut.stderr
    assert "generic: answers: 1 rows are errors; add --retry-errors" in done.stderr
    found = json.loads(done.stdout)
    assert (found["answers"], found["left_out"], found["missing"]) == (2, 1, {"generic": 1})


@pytest.mark.slow
def test_a_stage_without_fruit_stops_it_there_with_its_own_reason_and_goes_on_when_that_is_mended(tmp_path):
    data, folder = data_file(tmp_path, data_rows(3)), tmp_path / "out"
    no_key = Fault.http(401, "Incorrect API key provided")
    for faults, stage, others in (
        (lambda case, job: no_key, "answers of base", False),
        (lambda case, job: no_key if job == "CRITIQUE" else None, "answers of retrieved", True),
        (lambda case, job: no_key if job == "grade" else None, "grades of base", False),
    ):
        with served(model := PartModel(faults)) as server:
            for options in (("--retry-errors",), ()):  # without it nothing is asked, and the same is said
                asked = len(model.bodies)
                done = ablate(data, folder, *TWO, *options, server=server)
                last = done.stderr.splitlines()[-1]
                assert done.returncode == 3
                assert last.startswith(f"clinalign: stopped at the {stage}: all 3 rows are errors, as ModelError: ")
                assert "the key is missing, wrong or not allowed" in last
                assert ("leave that arm out with --arms" in last) is others
                assert last.endswith("run the same command with --retry-errors to continue")
                assert not (folder / "table.md").exists()
            assert len(model.bodies) == asked
    with served(PartModel()) as server:
        done = ablate(data, folder, *TWO, "--retry-errors", "--json", server=server)
    assert (done.returncode, json.loads(done.stdout)["answers"]) == (0, 3), done.stderr


def test_a_server_that_goes_away_in_the_midst_of_a_stage_stops_it_with_its_reason(tmp_path):
    data, folder = data_file(tmp_path, data_rows(12)), tmp_path / "out"
    gone = PartModel(lambda case, job: Fault.http(401, "no") if job == "problems" and case else None)
    with served(gone) as server:
        done = ablate(data, folder, *TWO, "--concurrency", "1", server=server)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 3
    assert last.startswith(
        "clinalign: stopped at the answers of generic: 8 rows in a row failed for a reason that has nothing"
    )
    assert not gone.jobs["CRITIQUE"]


@pytest.mark.parametrize("place", ["a file", "below a file", "/proc/x"])
def test_a_folder_that_can_not_be_is_refused_in_one_line(tmp_path, place):
    (tmp_path / "file").write_text("mine")
    folder = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "deep"}.get(place, Path(place))
    with served(model := PartModel()) as server:
        done = ablate(data_file(tmp_path, data_rows(1)), folder, *TWO, server=server)
    assert (done.returncode, model.bodies) == (2, [])
    assert done.stderr.splitlines()[-1].startswith(f"clinalign: {folder / 'arms'}: can't be made (")
    assert (tmp_path / "file").read_text() == "mine"


def interrupted(
    *arguments: str, server: FakeServer, when: Callable[[], object], signals: Sequence[int]
) -> tuple[int, str]:
    """Start the command, interrupt it once `when` has returned, and return its exit code and what it said."""
    process = subprocess.Popen(command(*arguments), env=environment(server), stdout=-3, stderr=-1, text=True)
    try:
        when()
        for number in signals:
            process.send_signal(number)
            time.sleep(0.5)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    return process.returncode, said


def test_ctrl_c_at_the_start_says_that_the_same_command_continues(tmp_path, monkeypatch):
    monkeypatch.setattr("agent.config.load_settings", Mock(side_effect=KeyboardInterrupt))
    given = ["ablate", str(data_file(tmp_path, data_rows(1))), "-o", str(tmp_path / "out"), *OPTIONS]
    done = CliRunner().invoke(app, given)
    assert (done.exit_code, done.stderr) == (130, "clinalign: interrupted; run the same command again to continue\n")


@pytest.mark.slow
@pytest.mark.parametrize("signals", [[signal.SIGINT, signal.SIGINT], [signal.SIGTERM]])
def test_a_stop_at_once_says_so_too(tmp_path, signals):
    hung = PartModel(lambda case, job: Fault.hang())
    with served(hung) as server:
        code, said = interrupted(
            data_file(tmp_path, data_rows(1)),
            tmp_path / "out",
            server=server,
            when=lambda: wait_until(lambda: hung.bodies),
            signals=signals,
        )
    assert code == 130
    assert said.splitlines()[-1] == "clinalign: interrupted; run the same command again to continue"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--arms", "magic"), "no arm 'magic'"),
        (("--judge", "nobody"), "provider:name"),
        (("--grader", "openai:grader"), "is there twice"),
    ],
)
def test_what_can_not_be_run_is_refused_before_anything_is_paid(tmp_path, options, said):
    with served(model := PartModel()) as server:
        done = ablate(data_file(tmp_path, data_rows(1)), tmp_path / "out", *options, server=server)
    assert (done.returncode, model.bodies) == (2, [])
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_rows_without_rubrics_are_refused_with_their_line(tmp_path):
    rows = data_rows(2)
    rows[1]["rubrics"] = []
    with served(PartModel()) as server:
        done = ablate(data_file(tmp_path, rows), tmp_path / "out", server=server)
    assert done.returncode == 2
    assert "line 2: no rubrics" in done.stderr
