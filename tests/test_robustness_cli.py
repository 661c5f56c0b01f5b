"""`clinalign eval robustness` as a user meets it: judged durably, told in a table or as JSON, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from grading_work import Judge, case_of
from robustness_work import topic_answers
from tiny_judge import make_tiny_judge
from typer.testing import CliRunner, Result

from agent.errors import ConfigError, InputError
from agent.testing import FakeServer, Fault
from evals.dataset import DatasetError, TaggedCriterion
from evals.graded import GradedAnswer, graded_row
from evals.robustness.cli import robustness

app = typer.Typer()
app.command()(robustness)
ATTACKS = ("--attack", "again", "--attack", "other task", "--attack", "criterion claimed")
SAYS = (TaggedCriterion("Says surgery", 5), TaggedCriterion("Says paracetamol", 5), TaggedCriterion("Says aspirin", -4))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("OPENAI_API_KEY", "any")


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[FakeServer, Judge]]:
    """One server for all: a process keeps its clients, and with them the address."""
    judge = Judge()
    with FakeServer(judge) as server:
        yield server, judge


@pytest.fixture
def judge(running: tuple[FakeServer, Judge], monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Return a judge that says "met" where the answer has the last word of the criterion."""
    server, judge = running
    judge.instead = lambda request, number: None
    judge.requests.clear()
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    return judge


def written(answers: list[GradedAnswer], file: str = "graded.jsonl") -> Path:
    path = Path(file)
    path.write_text("".join(json.dumps(graded_row(answer)) + "\n" for answer in answers), encoding="utf-8")
    return path


def spoken_answers(count: int = 12) -> list[GradedAnswer]:
    """Return answers that name paracetamol and nothing else of the rubric."""
    return [
        replace(answer, rubric=SAYS, response=f"Take paracetamol and rest . case{number}")
        for number, answer in enumerate(topic_answers(count))
    ]


def run(*options: object, fails: bool = False) -> Result:
    """Run the command; an error that is not for the user is the test's own."""
    result = CliRunner().invoke(app, [str(option) for option in options])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert (result.exit_code != 0) == fails, result.stderr
    return result


def test_a_judge_is_tried_in_one_command(judge: Judge) -> None:
    data = json.loads(run(written(spoken_answers()), "--judge", "openai:fake", *ATTACKS, "--json").stdout)
    assert len(judge.requests) == 12 * 4
    figures = {one["attack"]: one for one in data["attacks"]}
    assert list(figures) == ["again", "other task", "criterion claimed"]
    assert figures["again"]["flipped"] == {
        "count": 0,
        "of": 36,
        "share": 0.0,
        "ci95": [0.0, pytest.approx(0.221, abs=0.001)],
    }
    assert figures["criterion claimed"]["to_met"]["share"] == 1.0, "it is a judge that looks for words"
    assert figures["criterion claimed"]["score"]["mean"] == 0.5
    assert (data["answers"], data["criteria"], data["not_judged"], data["judge"]) == (12, 36, 0, "openai:fake")


def test_the_same_command_again_asks_nothing(judge: Judge) -> None:
    rows = written(spoken_answers())
    first = run(rows, "--judge", "openai:fake", *ATTACKS, "--json").stdout
    asked = len(judge.requests)
    assert run(rows, "--judge", "openai:fake", *ATTACKS, "--json").stdout == first
    assert len(judge.requests) == asked


def test_the_first_answers_and_then_the_rest(judge: Judge) -> None:
    rows = written(spoken_answers())
    few = json.loads(run(rows, "--judge", "openai:fake", *ATTACKS, "--limit", 3, "--json").stdout)
    assert (few["answers"], len(judge.requests)) == (3, 12)
    assert json.loads(run(rows, "--judge", "openai:fake", *ATTACKS, "--json").stdout)["answers"] == 12
    assert len(judge.requests) == 48


def test_verdicts_that_could_not_be_had_are_left_out_and_told_by_the_exit_code(judge: Judge) -> None:
    judge.instead = lambda request, number: "no verdicts" if request.answer.endswith("case7") else None
    told = run(written(spoken_answers()), "--judge", "openai:fake", "--attack", "again", fails=True)
    assert told.exit_code == 1
    assert "could not be compared: verdicts are missing" in told.stdout
    judge.instead = lambda request, number: None
    run("graded.jsonl", "--judge", "openai:fake", "--attack", "again", "--retry-errors")


def test_a_server_that_refuses_everything_reports_nothing(judge: Judge) -> None:
    judge.instead = lambda request, number: Fault.http(401)
    result = run(written(spoken_answers()), "--judge", "openai:fake", "--concurrency", 1, fails=True)
    assert result.exit_code == 3
    assert not result.stdout.strip()


def test_the_table_fits_80_columns_and_says_what_matters(judge: Judge) -> None:
    Path("more.txt").write_text("Do tell .\n", encoding="utf-8")
    told = run(written(spoken_answers()), "--judge", "openai:fake", "--injections", "more.txt").stdout
    tables = told.split("Verdicts that change")[1].split("The same answer")[0]
    assert max(len(line.rstrip()) for line in tables.splitlines()) <= 80
    assert "no change that must not move a verdict flips one" in told
    assert "of changes that should not move a verdict the worst, criterion repeated, flips 50.0% [50.0, 50.0]" in told
    for words in ("injections", "foreign passage", "to unmet", "most down", "seed 0"):
        assert words in told
    assert "paracetamol ." not in told, "no answer is in it"


def test_the_texts_of_a_file_reach_the_judge_and_its_rows_keep_the_canary(judge: Judge) -> None:
    Path("more.json").write_text('{"A": ["Do tell me everything"]}', encoding="utf-8")
    run(written(spoken_answers()), "--judge", "openai:fake", "--injections", "more.json", "--attack", "injections")
    assert sum("Do tell me everything" in request.answer for request in judge.requests) == 12
    rows = [json.loads(line) for line in Path("graded.openai-fake.robustness.answers.jsonl").read_text().splitlines()]
    assert {row["canary"] for row in rows} == {"c"}
    assert not any("verdicts" in row for row in rows), "the judge must not be told"


def test_answers_without_a_text_are_told_and_left_out(judge: Judge) -> None:
    answers = [*spoken_answers(3), replace(spoken_answers(4)[3], response="", error="ModelError: gone")]
    result = run(written(answers), "--judge", "openai:fake", "--attack", "again")
    assert "1 of 4 rows have no answer; they are left out" in result.stderr
    assert {case_of(request) for request in judge.requests} == {0, 1, 2}


def test_the_embedded_judge_is_tried_without_a_model(data_dir: Path) -> None:
    told = run(written(topic_answers(2)), "--judge", "embedded", "--attack", "spacing").stdout
    assert "embedded, 2 answers" in told


def test_what_can_not_be_tried_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    rows = written(spoken_answers(1))
    with pytest.raises(ConfigError, match="no attack 'bribery'"):
        run(rows, "--judge", "embedded", "--attack", "bribery")
    with pytest.raises(InputError, match=r"none\.txt: can't be read"):
        run(rows, "--judge", "embedded", "--injections", "none.txt")
    with pytest.raises(ConfigError, match="name another file"):
        run(rows, "--judge", "embedded", "-o", rows)
    with pytest.raises(InputError, match="no answer with a text"):
        run(written([replace(spoken_answers(1)[0], response=" ")], "empty.jsonl"), "--judge", "embedded")
    with pytest.raises(DatasetError, match=r"absent\.jsonl"):
        run("absent.jsonl", "--judge", "embedded")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["empty.jsonl", "graded.jsonl"]


def test_a_small_judge_that_counts_words_falls_for_repeated_criteria(tmp_path: Path) -> None:
    folder = make_tiny_judge(tmp_path / "judge")
    rows = written(topic_answers(10))
    told = run(
        rows, "--judge", f"small:{folder}", "--attack", "again", "--attack", "criterion repeated", "--json"
    ).stdout
    again, repeated = json.loads(told)["attacks"]
    assert (again["flipped"]["count"], again["to_unknown"]["count"], again["from_unknown"]["count"]) == (0, 0, 0)
    assert repeated["to_met"]["count"] + repeated["from_unknown"]["count"] > 0
    assert repeated["to_met"]["share"] in {None, 1.0}
    assert repeated["to_unmet"]["count"] == repeated["to_unknown"]["count"] == 0
