"""Verdicts that are paid for: found again after a kill, by nothing but the same question, and no trap when the file is broken."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from grading_work import Judge
from hypothesis import given
from hypothesis import strategies as st
from reward_work import batch, open_reward

from agent.errors import ConfigError
from agent.ledger import Usage
from agent.rubric import Criterion
from agent.testing import FakeServer
from training.alignment import kept_verdicts
from training.alignment.judging import Case, Sheet
from training.alignment.kept_verdicts import KeptVerdicts, case_key
from training.reward import TrainingStopped

CASE = Case(
    "q1", ({"role": "user", "content": "What now?"},), (Criterion("Says rest", 5), Criterion("Says run", -3)), "Rest."
)
SHEETS = st.lists(st.sampled_from([True, False, None]), max_size=20).map(lambda mets: Sheet(tuple(mets)))
KILLED = """
import sys
from pathlib import Path
sys.path[:0] = ["tests"]
from reward_work import batch, open_reward
open_reward(sys.argv[1], Path(sys.argv[2]), concurrency=2)(**batch([f"Take paracetamol . {n}" for n in range(20)]))
"""


@given(st.dictionaries(st.binary(min_size=16, max_size=16), SHEETS, max_size=20))
def test_what_is_kept_is_found_as_it_was(sheets: dict[bytes, Sheet]) -> None:
    kept = KeptVerdicts(Path(":memory:"))
    kept.keep(sheets.items(), split="train", spent=Usage())
    assert kept.find([*sheets, b"another"]) == sheets


def test_more_keys_than_a_query_takes_are_found(tmp_path: Path) -> None:
    kept = KeptVerdicts(tmp_path / "verdicts-0.sqlite")
    sheets = {number.to_bytes(16, "big"): Sheet((True, None)) for number in range(2345)}
    kept.keep(sheets.items(), split="train", spent=Usage())
    assert kept.find(list(sheets)) == sheets


@pytest.mark.parametrize(
    "other",
    [
        replace(CASE, response="Rest"),
        replace(CASE, conversation=({"role": "user", "content": "What now"},)),
        replace(CASE, conversation=({"role": "system", "content": "What now?"},)),
        replace(CASE, rubric=CASE.rubric[:1]),
        replace(CASE, rubric=(Criterion("Says rest", 4), CASE.rubric[1])),
        replace(CASE, rubric=CASE.rubric[::-1]),
    ],
)
def test_another_question_rubric_or_answer_is_another_judgement(other: Case) -> None:
    assert case_key("judge", CASE) != case_key("judge", other)
    assert case_key("judge", CASE) != case_key("another judge", CASE)
    assert case_key("judge", CASE) == case_key("judge", replace(CASE, row="q2"))


def test_a_file_that_holds_something_else_is_refused_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "verdicts-0.sqlite"
    file.write_text("no database " * 100, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"verdicts-0.sqlite: .*not a database; move it away"):
        KeptVerdicts(file)


def test_two_trainings_in_one_folder_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_verdicts, "_LOCK_WAIT_S", 0.05)
    first = KeptVerdicts(tmp_path / "verdicts-0.sqlite")
    with pytest.raises(ConfigError, match="does another training run in this folder"):
        KeptVerdicts(tmp_path / "verdicts-0.sqlite")
    first.close()
    KeptVerdicts(tmp_path / "verdicts-0.sqlite").close()


def test_what_was_spent_adds_up_over_processes(tmp_path: Path) -> None:
    for _ in range(2):
        kept = KeptVerdicts(tmp_path / "verdicts-0.sqlite")
        kept.keep([], split="train", spent=Usage(1, 20, 3, 0.25))
        kept.close()
    kept = KeptVerdicts(tmp_path / "verdicts-0.sqlite")
    assert kept.spent("train") == Usage(2, 40, 6, 0.5)
    assert kept.spent("gold") == Usage()


def test_what_a_full_disk_refuses_is_spent_all_the_same_and_stored_with_what_it_takes_next(tmp_path: Path) -> None:
    kept = KeptVerdicts(tmp_path / "verdicts-0.sqlite")
    kept._connection.execute("PRAGMA query_only = ON")
    kept.keep([(b"k" * 16, Sheet((True,)))], split="train", spent=Usage(1, 20, 3, 0.25))
    assert kept.spent("train") == Usage(1, 20, 3, 0.25)
    kept._connection.execute("PRAGMA query_only = OFF")
    kept.keep([], split="train", spent=Usage(1, 20, 3, 0.25))
    kept.close()
    again = KeptVerdicts(tmp_path / "verdicts-0.sqlite")
    assert (again.spent("train"), again.find([b"k" * 16])) == (Usage(2, 40, 6, 0.5), {})


def test_the_bound_on_cost_ends_training_though_the_disk_is_full(tmp_path: Path) -> None:
    with FakeServer(Judge()) as server:
        reward = open_reward(server, tmp_path, {"price_input": 1000.0, "max_cost": 3.0}, price_input=1000.0)
        kept = reward._juries["train"].kept
        assert kept is not None
        kept._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(TrainingStopped, match="have cost"):
            for step in range(20):
                reward(**batch([f"Take paracetamol . {step}"]))


def test_a_file_that_cannot_be_read_any_more_costs_calls_no_reward_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with FakeServer(Judge()) as server:
        reward = open_reward(server, tmp_path)
        kept = reward._juries["train"].kept
        assert kept is not None
        kept._connection.execute("DROP TABLE verdicts")
        assert [reward(**batch(["Take paracetamol ."])) for _ in range(3)] == [[0.5]] * 3
        assert len(server.requests) == reward.totals.train.spent.calls == 3
    assert caplog.text.count("verdicts can't be read") == 1


def test_a_disk_that_refuses_costs_no_reward_and_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with FakeServer(Judge()) as server:
        reward = open_reward(server, tmp_path)
        kept = reward._juries["train"].kept
        assert kept is not None
        kept._connection.execute("PRAGMA query_only = ON")  # a full disk, as the process sees it
        assert reward(**batch(["Take paracetamol . See a doctor ."])) == [1.0]
        assert reward(**batch(["Take paracetamol ."])) == [0.5]
    assert caplog.text.count("verdicts can't be kept") == 1


def test_a_run_that_is_killed_in_mid_step_pays_nothing_twice_and_earns_the_same(tmp_path: Path) -> None:
    enough = threading.Event()

    def begin(request: object, number: int) -> None:
        if number > 10:
            enough.set()

    work = batch([f"Take paracetamol . {n}" for n in range(20)])
    with FakeServer(judge := Judge(begin, delay_s=0.1)) as server:
        process = subprocess.Popen([sys.executable, "-c", KILLED, server.base_url, str(tmp_path)])
        assert enough.wait(60)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        before = len(judge.requests)
        reward = open_reward(server, tmp_path)
        assert reward(**work) == [0.5] * 20
        assert reward.totals.train.kept >= 7  # of nine or more that were answered; some may not have come yet
        assert len(judge.requests) - before == 20 - reward.totals.train.kept
        assert reward.totals.train.spent.calls == 20
