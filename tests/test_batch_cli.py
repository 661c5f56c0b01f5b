"""`clinalign batch` as a user meets it: real processes, real signals, real exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from batch_work import CALLS, Model, asked, children_of, ids_in, ids_of, input_of, is_alive, rows_in
from in_process import address, clinalign_here
from waiting import wait_until

from agent.batch.plan import state_folder
from agent.testing import FakeServer, Fault

pytestmark = pytest.mark.usefixtures("data_dir")
MODEL = ("--model", "openai:fake", "--processes", "1")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return input_of(tmp_path, asked(12))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def words(source: Path, output: Path, *options: str) -> list[str]:
    return ["batch", str(source), "-o", str(output), *options]


def command(source: Path, output: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "agent.cli", *words(source, output, *options)]


def environment(server: FakeServer | None = None, **more: str) -> dict[str, str]:
    return {**os.environ, **address(server), **more}


def batch(
    source: Path, output: Path, *options: str, server: FakeServer | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    return clinalign_here(*words(source, output, *options), **address(server), **more)


@contextmanager
def running(source: Path, output: Path, *options: str, server: FakeServer) -> Iterator[subprocess.Popen[str]]:
    """Start a batch in a process group of its own, as a shell does."""
    process = subprocess.Popen(
        command(source, output, *options),
        env=environment(server),
        stdout=-1,
        stderr=-1,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def on_terminal(arguments: list[str], variables: dict[str, str]) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run a command whose standard error is a terminal, and return what was shown there too."""
    ours, theirs = pty.openpty()
    shown = bytearray()

    def read() -> None:
        with contextlib.suppress(OSError):  # at the end
            while piece := os.read(ours, 4096):
                shown.extend(piece)

    reading = threading.Thread(target=read)
    reading.start()
    done = subprocess.run(
        arguments, env=variables, stdout=subprocess.PIPE, stderr=theirs, text=True, timeout=120, check=False
    )
    os.close(theirs)
    reading.join()
    os.close(ours)
    return done, shown.decode()


def what_was_said(process: subprocess.Popen[str], *, at_most_s: float = 60) -> tuple[str, str]:
    said, told = process.communicate(timeout=at_most_s)
    assert "Traceback" not in told, told
    return said, told


def test_a_file_is_revised_without_a_model_also_where_one_is_configured(source: Path, output: Path) -> None:
    source.write_text(source.read_text() + '{"id": "odd"}\n')
    options = ("--engine", "embedded", "--json", "--processes", "1")
    done = batch(source, output, *options, CLINALIGN_MODEL="openai:fake")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert (told["complete"], told["total"], told["done"], told["failed"]) == (True, 13, 13, 1)
    assert told["accepted"] + told["kept"] == 12
    assert told["usage"]["calls"] == 0
    assert told["errors"] == {"InputError": 1}
    assert told["output"] == str(output)
    assert ids_of(rows_in(output)) == sorted([*ids_of(asked(12)), "odd"])
    assert re.fullmatch(r"(\d+/13 rows, \d+ revised, \d+ kept as they were, \d+ failed.*\n)+", done.stderr)


@pytest.mark.slow
def test_a_bound_stops_and_the_same_command_goes_on_with_a_bar_on_a_terminal(source: Path, output: Path) -> None:
    model, options = Model(delay_s=0.1), (*MODEL, "--concurrency", "3")
    with FakeServer(model) as server:
        stopped = batch(source, output, *options, "--max-calls", "8", server=server)
        assert stopped.returncode == 3
        assert "limit reached: calls: run the same command again to continue" in stopped.stdout
        earlier = len(rows_in(output))
        done, shown = on_terminal(command(source, output, *options), environment(server, TERM="xterm"))
    assert done.returncode == 0
    assert "12/12 rows" in shown
    assert "\x1b[" in shown
    counts = dict(re.findall(r"│ ([a-z ]+?) +│ +(\d+) │", done.stdout))
    assert counts == {"done by earlier runs": f"{earlier}", "revised": f"{12 - earlier}", "kept as they were": "0"}
    assert ids_of(rows_in(output)) == ids_of(asked(12))
    assert len(model.asked) == 12 * CALLS
    assert not model.asked_twice


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ("--model", "openai:other"),
            "was begun in another way: model openai:fake, now openai:other. Run it as it was",
        ),
        (("--model", "hf:FOLDER", "--processes", "2"), "hf:FOLDER is loaded into this process"),
        (("--engine", "embedded", "--model", "openai:fake"), "--engine embedded uses no model"),
        (("--engine", "embedded", "--judge", "small:a,openai:fake"), "--engine embedded uses no model"),
        (("--engine", "embedded", "--judge", "small:a"), "a is no small judge"),
        (("--max-cost", "1"), "--max-cost needs CLINALIGN_PRICE_INPUT"),
        (("--library", "missing"), "missing"),
    ],
)
def test_what_can_t_be_done_is_told_in_one_line_before_anything_is_done(
    source: Path, output: Path, options: tuple[str, ...], told: str
) -> None:
    source.write_text('{"id": "odd"}\n' + source.read_text())
    with FakeServer(Model()) as server:
        if "was begun" in told:
            batch(source, output, *MODEL, "--limit", "1", server=server)
        before = len(server.requests), output.exists() and output.read_bytes()
        done = batch(source, output, *options, server=server)
        assert (len(server.requests), output.exists() and output.read_bytes()) == before
    assert done.returncode == 2
    assert re.fullmatch(r"clinalign: .*\n", done.stderr)
    assert told in done.stderr
    assert done.stdout == ""


def test_a_worker_that_can_t_open_its_engine_is_told_in_one_line(source: Path, output: Path) -> None:
    with FakeServer(Model()) as server:
        options = ("--model", "openai:fake", "--processes", "2", "--trace", str(output.parent / "missing" / "trace"))
        done = batch(source, output, *options, server=server)
    assert done.returncode == 2
    assert re.fullmatch(r"clinalign: can't write the trace .*\n", done.stderr)


def test_a_wrong_key_ends_the_batch_early_and_the_right_one_goes_on(source: Path, output: Path) -> None:
    input_of(source.parent, asked(500))
    with FakeServer(Model(), api_key="right") as server:
        done = batch(source, output, *MODEL, "--concurrency", "2", server=server)
        assert done.returncode == 3
        assert "8 rows in a row failed for a reason that has nothing to do with them" in done.stdout
        assert "the key is missing, wrong or not allowed" in done.stdout
        assert "run the same command again to continue" in done.stdout
        assert "add --retry-errors to do just those again" in done.stdout
        assert 8 <= len(rows_in(output)) <= 16


@pytest.mark.slow
def test_ctrl_c_finishes_what_is_in_flight_and_the_same_command_goes_on(source: Path, output: Path) -> None:
    options, model = ("--model", "openai:fake", "--processes", "2", "--concurrency", "4"), Model(delay_s=0.5)
    with FakeServer(model) as server:
        with running(source, output, *options, server=server) as process:
            wait_until(lambda: len(server.requests) >= 4)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
            said, told = what_was_said(process)
        assert process.returncode == 130
        assert "finishing the rows in flight; Ctrl-C again stops at once" in told
        assert "interrupted: run the same command again to continue" in said
        assert 4 <= len(rows_in(output)) <= 4 + 4  # two wait in each process
        assert len(model.asked) == CALLS * len(rows_in(output))
        assert batch(source, output, *MODEL, server=server).returncode == 0
    assert not model.asked_twice
    assert ids_of(rows_in(output)) == ids_of(asked(12))


@pytest.mark.slow
@pytest.mark.parametrize("signals", [[signal.SIGINT, signal.SIGINT], [signal.SIGTERM]])
def test_a_second_ctrl_c_and_sigterm_stop_at_once(source: Path, output: Path, signals: list[signal.Signals]) -> None:
    with FakeServer(Model(faults=lambda case, task: Fault.hang() if task == "REVISE" else None)) as server:
        with running(source, output, *MODEL, "--concurrency", "4", server=server) as process:
            wait_until(lambda: server.in_flight == 4 and len(server.requests) == 8)
            for number in signals:
                process.send_signal(number)
                time.sleep(0.5)
            said, _ = what_was_said(process, at_most_s=30)
        assert process.returncode == 130
        assert "interrupted: run the same command again to continue" in said
        assert len(server.requests) == 8
    assert rows_in(output) == []
    assert (state_folder(output) / "calls.jsonl").read_bytes().count(b"\n{") == 4  # the critiques


@pytest.mark.slow
def test_a_batch_that_is_killed_takes_its_processes_with_it_and_goes_on_without_paying_twice(
    source: Path, output: Path
) -> None:
    options, model = ("--model", "openai:fake", "--processes", "2", "--concurrency", "4"), Model(delay_s=0.5)
    with FakeServer(model) as server:
        with running(source, output, *options, server=server) as process:
            wait_until(lambda: len(server.requests) >= 10)
            workers = children_of(process.pid)
            process.kill()
            process.wait()
            wait_until(lambda: not any(map(is_alive, workers)), at_most_s=10)
        assert len(workers) == 2
        before = len(model.asked)
        time.sleep(1.0)
        assert len(model.asked) == before
        kept = ids_in(output) if output.read_bytes().endswith(b"\n") else []
        assert batch(source, output, *MODEL, server=server).returncode == 0
    assert ids_in(output)[: len(kept)] == kept
    assert ids_of(rows_in(output)) == ids_of(asked(12))
    assert len(model.asked_twice) <= 4
    assert len(model.asked) <= 12 * CALLS + 4
