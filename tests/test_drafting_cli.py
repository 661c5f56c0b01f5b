"""`clinalign rubrics draft` and `check` as a user meets them: real processes, a real server, a real SIGKILL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from drafting_work import TEXTS, judged, preference, rubric_reply, scripted
from in_process import address, clinalign_here
from waiting import wait_until

from agent.batch.rows import BadRow
from agent.testing import FakeServer, Reply
from training.preference_files import read_preferences, read_rows, write_records

pytestmark = pytest.mark.usefixtures("data_dir")
EXAMPLES = Path(__file__).parents[1] / "examples" / "preferences.jsonl"
MODEL = ("--model", "openai:fake", "--no-seeds")


def words(*arguments: str | Path) -> list[str]:
    return ["rubrics", *map(str, arguments)]


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "agent.cli", *words(*arguments)]


def environment(server: FakeServer | None) -> dict[str, str]:
    return os.environ | address(server)


def run(*arguments: str | Path, server: FakeServer | None = None) -> subprocess.CompletedProcess[str]:
    return clinalign_here(*words(*arguments), **address(server))


def test_preferences_become_records_and_the_summary_says_what_became_of_them(tmp_path: Path) -> None:
    output = tmp_path / "drafts.jsonl"
    write_records([preference("one"), preference("two", preferred=1)], tmp_path / "in.jsonl")
    with FakeServer(scripted(rubric_reply())) as server:
        done = run("draft", tmp_path / "in.jsonl", "-o", output, *MODEL, server=server)
    assert done.returncode == 0, done.stderr
    assert {record.id: record.status for record in read_preferences(output)} == {"one": "drafted", "two": "set aside"}
    for told in ("set aside", "rubrics review add"):
        assert told in done.stdout
    assert "the model judges its own rubrics; name another with --judge" in done.stderr


@pytest.mark.slow
def test_killed_and_started_again_it_pays_for_no_reply_twice(tmp_path: Path) -> None:
    output = tmp_path / "drafts.jsonl"
    write_records((preference(f"r{number}", theme=str(number)) for number in range(12)), tmp_path / "in.jsonl")
    arguments = ("draft", tmp_path / "in.jsonl", "-o", output, *MODEL, "--concurrency", "2", "--processes", "1")
    slow = scripted(
        lambda _: Reply(json.dumps(rubric_reply()), delay_s=0.05),
        lambda prompt: Reply(json.dumps(judged(prompt)), delay_s=0.05),
    )
    with FakeServer(slow) as server:
        with subprocess.Popen(command(*arguments), env=environment(server), stdout=subprocess.DEVNULL) as process:
            wait_until(lambda: len(server.requests) >= 9)
            process.send_signal(signal.SIGKILL)
        done = run(*arguments, server=server)
    assert done.returncode == 0, done.stderr
    assert Counter(record.status for record in read_preferences(output)) == {"drafted": 12}
    assert len(server.requests) <= 24 + 2


def test_nothing_of_a_broken_input_is_lost(tmp_path: Path) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "drafts.jsonl"
    source.write_text("question,chosen,rejected\nIs it?,Yes at the hospital,No\nIs it?,Yes\n", encoding="utf-8")
    with FakeServer(scripted(rubric_reply())) as server:
        done = run("draft", source, "-o", output, *MODEL, server=server)
    assert done.returncode == 1
    (bad,) = [row for row in read_rows(output) if isinstance(row, BadRow)]
    assert "in.csv: line 3: 2 cells under 3 columns" in bad.message


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("draft", EXAMPLES, "-o", "out.jsonl"), "--model provider:name or CLINALIGN_MODEL"),
        (("draft", "nowhere.jsonl", "-o", "out.jsonl", *MODEL), "nowhere.jsonl"),
        (("draft", EXAMPLES, "-o", "out.jsonl", *MODEL, "--max-cost", "1"), "CLINALIGN_PRICE_INPUT"),
        (("check", "nowhere.csv"), "nowhere.csv"),
    ],
)
def test_a_command_that_can_not_be_carried_out_says_so(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_the_examples_are_sound_and_say_what_they_are() -> None:
    done = run("check", EXAMPLES)
    assert (done.returncode, done.stdout) == (
        0,
        "24 rows: 24 with a preference, 0 with a rubric (0 criteria); 0 can't be read, 0 problems\n",
    )
    records = list(read_preferences(EXAMPLES))
    assert Counter(record.id.partition("-")[0] for record in records) == dict.fromkeys(
        ("urgency", "uncertainty", "expertise", "task"), 6
    )
    assert Counter(record.preferred for record in records) == {0: 12, 1: 12}
    assert all(
        record.provenance.origin == "synthetic" and "not clinicians" in record.preferred_by for record in records
    )
    assert all(record.preference_reason and record.theme for record in records)


def test_check_tells_every_problem_and_every_row_that_can_not_be_read(tmp_path: Path) -> None:
    tags = ["axis:accuracy"]
    rubric = [{"criterion": text, "points": points, "tags": tags} for points, text in TEXTS]
    rubric[0]["criterion"] = "says it."
    rows = [{"id": "mine", "prompt": "Is it?", "rubrics": rubric}, {"id": "other"}]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    done = run("check", tmp_path / "in.jsonl", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["problem_kinds"], len(told["unreadable"])) == (1, {"form": 1}, 1)
    assert told["problems"][0]["id"] == "mine" and "criterion 1: isn't a sentence" in told["problems"][0]["message"]
