"""The measurements of the batch: the ideal and the accounts by hand, and every command once at a tiny size."""

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sentences import split
from agent.testing import Reply
from evals.batch.arm import Outcome, environment
from evals.batch.case_rows import numbered_rows, read_cases, sized_rows, unlike_rows, write_rows
from evals.batch.cpu_parts import CpuParts
from evals.batch.efficiency import Efficiency
from evals.batch.kill import Asked, Kills, count_excused, kill_moments, read_rows
from evals.batch.latency import TASKS, Latency, ideal_seconds, slow_model
from evals.batch.memory import growth
from evals.batch.process_usage import MemoryWatch, child_pids, peak_bytes, resident_bytes

PAIRS = [
    ("Is a pulse of 58 normal?", "Yes, for a fit adult. Rest well, and drink enough."),
    ([{"role": "user", "content": "Can I take ibuprofen with lisinopril?"}], "Yes. Take 400 mg with food."),
]


@pytest.mark.parametrize(
    ("durations", "slots", "seconds"),
    [
        ([3, 1, 2], 1, 6),
        ([3, 1, 2], 2, 3),
        ([1, 1, 1, 1], 2, 2),
        ([2, 3, 1, 4], 2, 7),  # 0-2, 0-3, 2-3, 3-7
        ([5, 1, 1, 1], 3, 5),
        ([5, 1, 1], 2, 5),
        ([1, 1, 5], 2, 6),  # in the order of the input, not longest first
        ([4, 2, 2, 3, 1], 3, 5),  # 0-4, 0-2, 0-2, 2-5, 2-3
        ([2, 4], 8, 4),
        ([7], 1, 7),
        ([], 3, 0),
    ],
)
def test_the_ideal_puts_each_row_into_the_first_slot_that_is_free(durations, slots, seconds):
    assert ideal_seconds(durations, slots) == seconds


@given(st.lists(st.floats(0.01, 10), min_size=1), st.integers(1, 20))
def test_no_schedule_beats_the_longest_row_or_the_sum_over_the_slots(durations, slots):
    ideal = ideal_seconds(durations, slots)
    assert ideal >= max(*durations, sum(durations) / slots) - 1e-9
    assert ideal <= max(durations) + sum(durations) / slots + 1e-9


def test_a_call_takes_the_time_that_its_case_its_task_and_the_seed_say():
    latency = Latency(2.0, seed=1)
    assert latency.of_call(7, "REVISE") == Latency(2.0, seed=1).of_call(7, "REVISE")
    others = {latency.of_call(8, "REVISE"), latency.of_call(7, "JUDGE"), Latency(2.0, seed=2).of_call(7, "REVISE")}
    assert len({latency.of_call(7, "REVISE"), *others}) == 4
    assert latency.of_row(7) == sum(latency.of_call(7, task) for task in TASKS)


def test_latencies_have_the_mean_that_is_asked_for_and_a_long_tail():
    calls = sorted(Latency(2.0).of_call(case, "JUDGE") for case in range(10_000))
    assert mean(calls) == pytest.approx(2.0, rel=0.02)
    assert calls[5_000] == pytest.approx(1.765, rel=0.03)  # 2 / exp(sigma² / 2)
    assert calls[9_500] == pytest.approx(4.0, rel=0.05)


def test_the_slow_model_takes_the_time_of_the_case_in_the_prompt():
    latency, user = Latency(0.3), {"role": "user", "content": "Is it bad? (case 12)\nTask: CRITIQUE"}
    reply = slow_model(latency)({"messages": [{"role": "system", "content": "Be brief."}, user]})
    assert isinstance(reply, Reply)
    assert (reply.delay_s, "criteria" in reply.text) == (latency.of_call(12, "CRITIQUE"), True)
    with pytest.raises(ValueError, match="neither case nor task"):
        slow_model(latency)({"messages": [{"role": "user", "content": "Is it bad?"}]})


def test_numbered_rows_say_which_case_they_are_and_come_back_from_their_file(tmp_path):
    rows = numbered_rows(PAIRS, 5)
    assert [row["conversation"][-1]["content"][-8:] for row in rows] == [f"(case {n})" for n in range(5)]
    cases = read_cases(write_rows(rows, tmp_path / "in.jsonl"))
    assert [draft for _, draft in cases] == [row["draft"] for row in rows]
    assert cases[3][0] == [{"role": "user", "content": "Can I take ibuprofen with lisinopril? (case 3)"}]


def test_no_two_unlike_rows_share_a_sentence_and_none_gains_a_number():
    drafts = [row["draft"] for row in unlike_rows(PAIRS, 100)]
    sentences = [sentence.plain for draft in drafts for sentence in split(draft)]
    assert len(set(sentences)) == len(sentences) == 200
    assert all(
        [c for c in draft if c.isdigit()] == [c for c in PAIRS[n % 2][1] if c.isdigit()]
        for n, draft in enumerate(drafts)
    )


def test_sized_rows_have_their_size_and_differ_while_their_sentences_come_from_a_stock():
    rows = list(sized_rows(PAIRS, 300))
    assert all(1_990 < len(json.dumps(row)) < 2_100 for row in rows)
    assert len({row["conversation"][1]["content"] for row in rows}) == 300
    assert len({sentence.plain for row in rows for sentence in split(row["draft"])}) <= 2 * 2 * 20


def outcome(rows: int, seconds: float, **more: object) -> Outcome:
    figures = {"own_cpu_s": 0.1 * rows, "workers_cpu_s": 0.2 * rows, "own_peak": 0, "worker_peaks": [], **more}
    return Outcome(rows, seconds, **figures)


def test_efficiency_is_ideal_over_wall_and_its_middle_stands_for_the_runs():
    runs = (outcome(10, 10), outcome(10, 16), outcome(10, 20))
    found = Efficiency("batch", 4, 2.0, (9.0, 8.0, 12.0), runs, (1.0, 1.0, 1.0))
    assert found.shares == [0.5, 0.6, 0.9]
    assert found.share == 0.6
    assert found.cpu_per_row == pytest.approx((0.1, 0.2, 0.1))
    assert found.busy_cores == pytest.approx(12 / 46)


def test_parts_are_per_row_and_the_largest_comes_first():
    runs = (outcome(2, 1, parts_cpu_s={"a": 1.0, "b": 2.0}), outcome(2, 1, parts_cpu_s={"b": 4.0}))
    parts = Efficiency("metered batch", 1, 1.0, (1.0, 1.0), runs, (0.0, 0.0)).parts_per_row
    assert list(parts.items()) == [("b", 1.5), ("a", 0.25)]


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_what_a_part_within_another_takes_is_not_the_others_and_waiting_is_nobodys():
    parts = CpuParts()
    with parts.part("outer"):
        burn(0.02)
        with parts.part("inner"):
            burn(0.05)
        with parts.part("inner"):
            time.sleep(0.1)
    assert parts.seconds["outer"] == pytest.approx(0.02, abs=0.01)
    assert parts.seconds["inner"] == pytest.approx(0.05, abs=0.01)


def test_all_parts_together_are_the_processor_time_of_the_process():
    parts = CpuParts()
    before = time.process_time()
    together = sum(parts.now().values())
    assert before <= together <= time.process_time()


def test_rows_that_are_torn_or_doubled_are_seen(tmp_path):
    file = tmp_path / "out.jsonl"
    file.write_bytes(b'{"id": "a"}\n{"id": "b"}\n{"id": "b", "answer": 1}\n{"id": "c", "ans\n{"id": "d"}')
    rows, doubled, torn = read_rows(file)
    assert (sorted(rows), doubled, torn) == (["a", "b", "d"], 1, 2)
    assert read_rows(tmp_path / "none.jsonl") == ({}, 0, 0)


@pytest.mark.parametrize(
    ("answered_at", "excused"),
    [(None, 1), (9.94, 0), (9.96, 1), (10.0, 1), (10.5, 1), (11.5, 0), (19.97, 1)],
)
def test_a_call_is_excused_if_a_kill_cut_off_or_closely_followed_the_same_one_before(answered_at, excused):
    asked = [Asked("x", answered_at), Asked("y", 9.0), Asked("x", 25.0)]
    assert count_excused(asked, [10.0, 20.0]) == excused


def test_the_ratio_leaves_out_what_is_excused():
    found = Kills(20, 100, 0, 0, 0, 0, calls=330, calls_of_one_pass=300, excused=27)
    assert found.ratio == pytest.approx(1.01)
    assert found.is_clean
    assert not Kills(20, 100, 0, 0, 1, 0, calls=300, calls_of_one_pass=300, excused=0).is_clean


def test_kills_come_at_work_and_while_opening_with_and_without_the_workers():
    from random import Random

    moments = list(kill_moments(Random(0), 20, ideal=20.0))
    assert sum(moment.is_at_work for moment in moments) == 16
    assert {moment.with_workers for moment in moments if moment.is_at_work} == {True, False}
    assert 0 < max(moment.seconds for moment in moments if moment.is_at_work) <= 1.75


def test_growth_is_per_ten_thousand_rows():
    runs = [
        outcome(500, 1, own_peak=100, together_peak=300),
        outcome(5_500, 1, own_peak=110, together_peak=300),
        outcome(5_500, 1, own_peak=110, together_peak=300),
    ]
    (step,) = growth(runs)
    assert (step.rows, step.own, step.together) == ((500, 5_500), 20.0, 0.0)


def test_memory_of_a_process_and_its_children_is_seen_while_they_run():
    hold = "x = bytearray(60_000_000); print(flush=True); input()"
    starts = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    command = [sys.executable, "-c", starts]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        with MemoryWatch(process.pid, every_s=0.01) as watch:
            process.stdout.readline()
            (child,) = child_pids(process.pid)
            assert min(resident_bytes(child), peak_bytes(child)) > 60_000_000 > resident_bytes(process.pid)
            time.sleep(0.1)
        process.stdin.close()
    assert watch.peak > 60_000_000
    assert (child_pids(process.pid), resident_bytes(process.pid)) == ([], 0)


def test_a_users_own_model_has_no_part_in_a_measurement(monkeypatch):
    monkeypatch.setenv("CLINALIGN_MODEL", "openai:gpt-5")
    assert "CLINALIGN_MODEL" not in environment(None)
    assert environment("http://127.0.0.1:1/v1")["OPENAI_BASE_URL"] == "http://127.0.0.1:1/v1"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            "efficiency --in-flight 2 --call-seconds 0.05 --rows-per-slot 2 --parts",
            ["2 in flight, 0.05 s a call, 4 rows: clinalign batch in threads", "LangGraph abatch", "%  encoder"],
        ),
        ("embedded --rows 4", ["encoder alone", "one at a time", "batch in one process", "batch in 2 processes"]),
        ("memory --rows 4 --rows 8 --processes 2", ["4 rows: at most", "from 4 to 8 rows, per 10,000 more"]),
        (
            "kill --kills 2 --rows 12 --in-flight 4 --call-seconds 0.2",
            ["12 rows: 0 missing, 0 lost, 0 doubled, 0 torn"],
        ),
    ],
)
def test_each_command_runs_and_says_its_figures(command, said, data_dir):
    example = Path(__file__).resolve().parents[1] / "examples" / "chest_pressure.json"
    words = [sys.executable, "-m", "agent.cli", "eval", "batch", *command.split(), "--example", str(example)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(words in done.stdout for words in said), done.stdout
