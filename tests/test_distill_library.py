"""The library that a distillation writes: it passes lint, claims no source of its own, says what it is, and comes out the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from distilling import bench_of, rubric_row, rubrics_file, worded_by_sign, write_rows
from typer.testing import CliRunner

from agent.errors import ConfigError
from agent.state import DISCLAIMER
from agent.testing import FakeServer
from principles_store.cli import app as principles
from principles_store.library import load_library
from principles_store.shared_embedding import EmbeddingMemory
from training.distillation.candidates import medoid_candidate
from training.distillation.cli import distill
from training.distillation.distill import Request, prepare
from training.distillation.library_files import check_folder

app = typer.Typer()
app.command()(distill)
ONE, OTHER = ({"organisation": name, "title": "Fever", "year": 2019} for name in ("College A", "Society B"))


@pytest.fixture(autouse=True)
def _own_data(data_dir: Path) -> None:
    """Keep what a run writes out of the user's data."""


def distilled(rubrics: Path, folder: Path, *more: object) -> Path:
    """Distil by the command; return the library's folder."""
    words = [rubrics, "-o", folder, "--sizes", "2,3", "--clusters", 4, "--size", 3, *more]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, (done.output, done.exception)
    return folder / "library"


@pytest.mark.parametrize("model", [None, "openai:fake"])
def test_a_distilled_library_passes_lint_with_what_it_lacks_as_notes(
    model: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeServer(worded_by_sign) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        library = distilled(rubrics_file(tmp_path), tmp_path / "out", *(["--model", model] if model else []))
    done = CliRunner().invoke(principles, ["lint", "--library", str(library), "--json"])
    found = json.loads(done.stdout)
    assert (done.exit_code, found["faults"], found["principles"]) == (0, [], 3)
    fields = {note["field"] for note in found["notes"] if note["entry"]}
    assert fields == ({"sources"} if model else {"sources", "criteria"})


def test_where_rubrics_name_no_source_a_principle_claims_none(tmp_path: Path) -> None:
    library = distilled(rubrics_file(tmp_path), tmp_path / "out")
    assert all(principle.sources == () for principle in load_library(library))
    assert not [file for file in library.glob("*.yaml") if "sources" in file.read_text()]


def test_a_principle_carries_its_rubrics_sources_the_most_named_first(
    tmp_path: Path, embedder: EmbeddingMemory
) -> None:
    rows = [rubric_row(n, sources=[*[OTHER] * 5, ONE] if n == 0 else [OTHER] if n < 3 else [ONE]) for n in range(8)]
    request = Request([write_rows(tmp_path / "r.jsonl", rows)], clusters=2, held_out=0)
    bench = prepare(request, embedder, cache=tmp_path)
    for material in bench.materials:
        named = [source.organisation for source in medoid_candidate(material).principle.sources]
        assert named == ["College A", "Society B"], "in 6 and in 3 rubrics, however often in one"


def test_the_librarys_readme_says_what_it_is_and_what_supports_it(tmp_path: Path) -> None:
    library = distilled(rubrics_file(tmp_path), tmp_path / "out")
    text = (library / "README.md").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in (tmp_path / "out" / "provenance.jsonl").read_text().splitlines()]
    assert DISCLAIMER in text and "not reviewed" in text and "`rubrics.jsonl`: 12 rubrics with 72 criteria" in text
    assert "No model worded them" in text and str(tmp_path) not in text
    for row in rows:
        assert f"| `{row['id']}` |" in text
        assert f"| {row['criteria']} | {row['rubrics']} | {len(row['reviewers'])} |" in text


def test_a_readme_of_somebody_elses_isnt_replaced(tmp_path: Path) -> None:
    check_folder(distilled(rubrics_file(tmp_path), tmp_path / "out").parent)
    (tmp_path / "out" / "library" / "README.md").write_text("# Mine\n")
    with pytest.raises(ConfigError, match=r"holds README\.md, which no distillation wrote"):
        check_folder(tmp_path / "out")


def test_the_whole_command_with_a_model_twice_writes_the_same_library_to_the_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rubrics = rubrics_file(tmp_path)
    with FakeServer(worded_by_sign) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        libraries = [distilled(rubrics, tmp_path / name, "--model", "openai:fake") for name in ("one", "two")]
        asked = len(server.requests)
    first, second = ({file.name: file.read_bytes() for file in folder.iterdir()} for folder in libraries)
    assert first == second and "README.md" in first and len(first) > 1
    assert b"`openai:fake`" in first["README.md"]
    kept = [(tmp_path / name / "provenance.jsonl").read_bytes() for name in ("one", "two")]
    assert kept[0] == kept[1]
    assert asked == 2 * json.loads((tmp_path / "one" / "report.json").read_text())["clusters"], (
        "neither read the other's"
    )


def test_vectors_that_are_read_again_are_those_that_were_encoded(tmp_path: Path, embedder: EmbeddingMemory) -> None:
    benches: list[Any] = [bench_of(tmp_path, embedder) for _ in range(2)]
    assert (benches[0].vectors == benches[1].vectors).all()
