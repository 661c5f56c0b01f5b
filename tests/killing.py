"""Real processes that die by SIGKILL while they write: at a given step to the disk, in the middle of its bytes, or when told.

This file is also the program that forks them: a process without threads that has imported what is tested, so one costs a few ms.
"""

from __future__ import annotations

import functools
import os
import pickle
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

_STEPS = ("write", "fsync", "ftruncate", "replace", "rename", "unlink", "mkdir", "open")
_write = os.write
Work = Callable[..., Any]
"""A function that can be pickled, so at the top of its module."""


def run_killed(work: Work, *given: Any, at_step: int | None = None, at_byte: int | None = None) -> bool:
    """Run `work` in a process that is killed before a step (a write is cut in half) or at a byte; tell whether it got there."""
    status = wait(start(work, *given, at_step=at_step, at_byte=at_byte))
    assert status in {0, -signal.SIGKILL}, "the process failed by itself; its traceback is above"
    return status == -signal.SIGKILL


def answer_of(work: Work, *given: Any) -> Any:
    """Return what `work` returns in a process of its own."""
    return _ask("answer", work, given)


def start(work: Work, *given: Any, at_step: int | None = None, at_byte: int | None = None) -> int:
    """Start `work` in a process of its own and return its id; every one must be waited for."""
    return int(_ask("start", work, given, at_step, at_byte))


def wait(pid: int) -> int:
    """Wait for a process and return its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(int(_ask("wait", pid)))


def kill(pid: int) -> None:
    """Kill a process as the kernel does when memory runs out."""
    os.kill(pid, signal.SIGKILL)
    assert wait(pid) == -signal.SIGKILL


def wait_for_file(path: Path) -> None:
    """Wait until a process has made a file."""
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"no {path} after 20 s"
        time.sleep(0.005)


@functools.cache
def _forker() -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


def _ask(*command: Any) -> Any:
    forker = _forker()
    assert forker.stdin
    assert forker.stdout
    pickle.dump(command, forker.stdin)
    forker.stdin.flush()
    answer = pickle.load(forker.stdout)
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _serve(commands: BinaryIO, answers: BinaryIO) -> None:
    while True:
        try:
            command, *given = pickle.load(commands)
        except EOFError:
            return
        if command == "wait":
            answer: Any = os.waitpid(given[0], 0)[1]
        elif command == "start":
            answer = _fork(functools.partial(_run, *given))
        else:
            answer = _answer(*given)
        pickle.dump(answer, answers)
        answers.flush()


def _answer(work: Work, given: tuple[Any, ...]) -> Any:
    reading, writing = os.pipe()

    def send() -> None:
        try:
            answer = work(*given)
        except Exception as error:
            answer = error
        with os.fdopen(writing, "wb") as file:
            pickle.dump(answer, file)

    pid = _fork(send)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        answer = pickle.load(file)
    os.waitpid(pid, 0)
    return answer


def _fork(work: Callable[[], None]) -> int:
    if pid := os.fork():
        return pid
    os.dup2(2, 1)  # what it prints is no answer
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _run(work: Work, given: tuple[Any, ...], at_step: int | None, at_byte: int | None) -> None:
    steps, written = 0, 0

    def killing(name: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == at_step:
                if name == "write":
                    _write(arguments[0], arguments[1][: len(arguments[1]) // 2])
                _die()
            return do(*arguments, **named)

        return step

    def write(descriptor: int, data: bytes) -> int:
        nonlocal written
        if at_byte is not None and written + len(data) >= at_byte:
            _write(descriptor, data[: at_byte - written])
            _die()
        written += len(data)
        return _write(descriptor, data)

    os.write = write
    for name in _STEPS:
        setattr(os, name, killing(name, getattr(os, name)))
    work(*given)


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
