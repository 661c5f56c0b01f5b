"""`clinalign rubrics distill` from end to end: files that come out, sameness, conflicts, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from distilling import MATTERS, rubric_row, rubrics_file, worded_by_sign, write_rows
from typer.testing import CliRunner, Result

from agent.errors import ConfigError, InputError
from agent.testing import FakeServer
from principles_store.library import load_library
from principles_store.lint import lint_library
from principles_store.shared_embedding import EmbeddingMemory
from training.distillation.cli import distill
from training.distillation.distill import Request, Workbench, distil, prepare
from training.distillation.figures import KMEANS, MEDOIDS, RANDOM
from training.distillation.library_files import write_library
from training.distillation.report import write_report

app = typer.Typer()
app.command()(distill)


@pytest.fixture(autouse=True)
def _own_data(data_dir: Path) -> None:
    """Keep vectors out of the user's cache only as far as the tests' shared one goes."""


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def finished(folder: Path, *more: object) -> Result:
    done = run(rubrics_file(folder), "-o", folder / "out", "--sizes", "2,3", "--clusters", 4, *more)
    assert done.exit_code == 0, (done.output, done.exception)
    return done


def test_without_a_model_medoids_are_a_marked_library_with_its_provenance(tmp_path: Path) -> None:
    finished(tmp_path, "--size", 3)
    library = load_library(tmp_path / "out" / "library")
    rows = [json.loads(line) for line in (tmp_path / "out" / "provenance.jsonl").read_text().splitlines()]
    assert len(library) == 3 and all("Medoid" in principle.title for principle in library)
    assert {row["id"] for row in rows} == set(library.by_id)
    assert all(row["criteria"] == len(row["supporting"]) > 0 and row["reviewers"]["Dr A"] for row in rows)


def test_penalties_become_principles_that_avoid(tmp_path: Path) -> None:
    finished(tmp_path, "--size", 99)
    library = load_library(tmp_path / "out" / "library")
    polarities = {p.polarity: {c.points > 0 for c in p.criteria} for p in library}
    assert polarities == {"do": {True}, "avoid": {False}}


def test_the_same_command_writes_the_same_files(tmp_path: Path) -> None:
    finished(tmp_path)
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file()}
    finished(tmp_path)
    after = {file.name: file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file()}
    reports = [json.loads(files.pop("report.json")) for files in (before, after)]
    assert before == after
    assert all(report.pop("seconds") for report in reports) and reports[0] == reports[1]


def test_the_report_has_coverage_beside_the_baselines_at_two_thresholds(tmp_path: Path) -> None:
    finished(tmp_path)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [found["threshold"] for found in report["coverage"]] == [0.54, 0.7]
    at = report["coverage"][0]["at"][0]
    assert set(at["beside"]) == {KMEANS, RANDOM} and at["held_out"]["n"] == report["held_out"] > 0
    assert "knee is at" in (tmp_path / "out" / "report.md").read_text()
    assert (tmp_path / "out" / "coverage.svg").read_text().startswith("<svg")


def test_nothing_held_out_is_said(tmp_path: Path) -> None:
    finished(tmp_path, "--held-out", 0)
    assert "0 held out" in (tmp_path / "out" / "report.md").read_text()
    assert "nothing is held out" in (tmp_path / "out" / "report.md").read_text()


def test_a_model_words_the_library_and_a_second_run_asks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeServer(worded_by_sign) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        finished(tmp_path, "--model", "openai:fake")
        asked, kept = len(server.requests), (tmp_path / "out" / "report.md").read_bytes()
        finished(tmp_path, "--model", "openai:fake")
    library = load_library(tmp_path / "out" / "library")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert len(server.requests) == asked == report["clusters"]
    assert (tmp_path / "out" / "report.md").read_bytes() == kept
    assert MEDOIDS in report["coverage"][0]["at"][0]["beside"]
    assert [fault for fault in lint_library(library) if fault.level == "fault"] == []


def test_other_clusters_need_a_fresh_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeServer(worded_by_sign) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        finished(tmp_path, "--model", "openai:fake")
        done = run(rubrics_file(tmp_path), "-o", tmp_path / "out", "--clusters", 2, "--model", "openai:fake")
    assert isinstance(done.exception, ConfigError | InputError)
    assert "clusters 4, now 2" in str(done.exception) and "--fresh" in str(done.exception)


@pytest.mark.parametrize("sizes", ["", "0", "ten", "5,,6", "-3"])
def test_sizes_that_are_none_are_refused(tmp_path: Path, sizes: str) -> None:
    done = run(rubrics_file(tmp_path), "-o", tmp_path / "out", "--sizes", sizes)
    assert isinstance(done.exception, ConfigError) and "whole numbers above 0" in str(done.exception)


def test_a_library_of_somebody_elses_isnt_replaced(tmp_path: Path) -> None:
    kept = tmp_path / "out" / "library" / "mine.yaml"
    kept.parent.mkdir(parents=True)
    kept.write_text("[]")
    done = run(rubrics_file(tmp_path), "-o", tmp_path / "out")
    assert isinstance(done.exception, ConfigError) and "mine.yaml" in str(done.exception)
    assert list(kept.parent.iterdir()) == [kept]


def conflicting(folder: Path, embedder: EmbeddingMemory) -> Workbench:
    """Return a bench where every second rubric penalises what the others ask for."""
    text = "Recommends an antibiotic for {}."
    rows: list[dict[str, Any]] = []
    for number in range(6):
        criterion = {
            "criterion": text.format(MATTERS[number // 2]),
            "points": 5 - 10 * (number % 2),
            "axis": "accuracy",
        }
        rows.append(rubric_row(number, draft=[criterion]))
    request = Request([write_rows(folder / "c.jsonl", rows)], clusters=2, held_out=0)
    return prepare(request, embedder, cache=folder / "vectors")


def test_what_is_asked_for_here_and_penalised_there_is_shown_and_kept(
    tmp_path: Path, embedder: EmbeddingMemory
) -> None:
    bench = conflicting(tmp_path, embedder)
    distilled = distil(bench, None)
    write_library(distilled, bench, tmp_path / "out")
    write_report(distilled, bench, tmp_path / "out")
    assert {each.principle.polarity for each in distilled.ordered} == {"do", "avoid"}
    assert any(not conflict.is_turned for conflict in distilled.conflicts)
    assert "the same words on both sides" in (tmp_path / "out" / "report.md").read_text()
