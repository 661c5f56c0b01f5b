"""The commands: what they print, what they exit with, and what they refuse before any call is paid for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from selection_work import answers, saved
from synthesis_work import rubric
from typer.testing import CliRunner

from agent.errors import ConfigError
from agent.testing import FakeServer
from training.selection.cli import leaks, select
from training.synthesis.cli import copies, synthesize
from training.synthesis.rehearsed import RehearsedRubricWriter

app = typer.Typer(pretty_exceptions_enable=False)
for _command in (synthesize, copies, select, leaks):
    app.command()(_command)

QUESTION = "My grandfather has had a dry cough for three weeks since his tablets were changed. Should he see someone?"


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return saved(
        tmp_path / "in.jsonl",
        [{"id": "a-own-1", "question": QUESTION}, {"id": "b-own-2", "question": "What helps a sty?"}],
    )


@pytest.mark.slow
def test_synthesize_writes_rubrics_and_says_how_they_went(
    questions: Path, tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with FakeServer(RehearsedRubricWriter()) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        code, told = run("synthesize", questions, "-o", tmp_path / "out.jsonl", "--model", "openai:fake", "--no-seeds")
    assert code == 0
    assert "18 criteria, 9.0 per rubric, 33% penalties" in told
    assert "next: clinalign rubrics copies" in told
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2


def test_synthesize_refuses_questions_of_a_benchmark_before_any_call(questions: Path, tmp_path: Path) -> None:
    bench = saved(tmp_path / "bench.jsonl", [{"prompt_id": "hb-77", "prompt": QUESTION.upper()}])
    code, told = run("synthesize", questions, "-o", tmp_path / "out.jsonl", "--model", "openai:x", "--against", bench)
    assert code == 1
    assert "1 row leaks (same text 1)" in told
    assert not (tmp_path / "out.jsonl").exists()


def test_leaks_fails_the_build_and_writes_both_reports(questions: Path, tmp_path: Path) -> None:
    bench = saved(tmp_path / "bench.jsonl", [{"prompt_id": "hb-77", "prompt": QUESTION}])
    out, markdown = tmp_path / "leaks.json", tmp_path / "leaks.md"
    code, told = run("leaks", questions, "--against", bench, "-o", out, "--markdown", markdown)
    assert code == 1
    assert "a-own-1" in told
    assert json.loads(out.read_text())["faults"] == 1
    assert "| a-own-1 | hb-77 | same text |" in markdown.read_text()
    assert "grandfather" not in told + markdown.read_text() + out.read_text()


def test_leaks_passes_where_there_is_none(questions: Path, tmp_path: Path) -> None:
    bench = saved(
        tmp_path / "bench.jsonl", [{"prompt_id": "hb-77", "prompt": "How is a sprained wrist taped for climbing?"}]
    )
    code, told = run("leaks", questions, "--against", bench)
    assert (code, told.strip()) == (0, "2 rows of in.jsonl against 1 of bench.jsonl: no leak.")


def test_select_writes_rows_and_a_report_of_each_question(tmp_path: Path) -> None:
    graded = saved(tmp_path / "graded.jsonl", [*answers("gout", "+--", "---"), *answers("tick", "++-", "++-")])
    report = tmp_path / "report.json"
    code, told = run("select", graded, "-o", tmp_path / "out.jsonl", "--report", report)
    assert code == 0
    assert "2 questions with 4 answers: 1 kept, 1 dropped" in told
    assert json.loads(report.read_text())["questions_dropped"] == [{"prompt_id": "tick", "reason": "too easy"}]


def test_copies_measures_and_bounds(tmp_path: Path) -> None:
    file = saved(tmp_path / "rubrics.jsonl", [rubric(f"q{n}") for n in range(4)])
    code, told = run("copies", file, "-o", tmp_path / "out.jsonl", "--max-copies", 2, "--no-likeness")
    assert code == 0
    assert "12.5% stand word for word in another question's rubric" in told
    assert "1 criterion stood in more than 2 rubrics: taken out 2 times" in told


def test_a_bound_without_an_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="go together"):
        run("copies", saved(tmp_path / "rubrics.jsonl", [rubric("q")]), "--max-copies", 2)
