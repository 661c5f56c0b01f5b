"""`clinalign principles …` on the shipped library and on small ones: what is printed, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from library_entry import changed, entry, write_library
from typer.testing import CliRunner, Result

from principles_store.cli import app
from principles_store.errors import ClinAlignError, LibraryError
from principles_store.library import SHIPPED, Library

CONTRACT = {
    "id",
    "dimension",
    "scenarios",
    "axis",
    "polarity",
    "title",
    "statement",
    "severity",
    "criteria",
    "sources",
}
STROKE = "my mum's face is drooping on the left and she talks funny since ten minutes"


def run(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=environment)


def run_json(*arguments: str | Path, **environment: str) -> Any:
    result = run(*arguments, "--json", **environment)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_list_gives_every_principle_with_the_fields_of_the_contract(library: Library) -> None:
    rows = run_json("list")
    assert [row["id"] for row in rows] == [principle.id for principle in library]
    assert all(row.keys() >= CONTRACT for row in rows)
    assert {row["polarity"] for row in rows} == {"do", "avoid"}


@pytest.mark.parametrize(
    ("option", "value", "field"),
    [
        ("--dimension", "expertise", "dimension"),
        ("--scenario", "emergent", "scenarios"),
        ("--polarity", "avoid", "polarity"),
        ("--severity", "critical", "severity"),
    ],
)
def test_list_keeps_exactly_what_a_filter_asks_for(option: str, value: str, field: str, library: Library) -> None:
    expected = [p.id for p in library if value in (v if isinstance(v := getattr(p, field), tuple) else (v,))]
    assert 0 < len(expected) < len(library)
    assert [row["id"] for row in run_json("list", option, value)] == expected


def test_filters_add_up(library: Library) -> None:
    rows = run_json("list", "--dimension", "urgency", "--polarity", "avoid")
    assert rows
    assert all((row["dimension"], row["polarity"]) == ("urgency", "avoid") for row in rows)


def test_list_for_people_has_a_line_per_principle(library: Library) -> None:
    lines = run("list").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == [principle.id for principle in library]
    assert lines[-1] == f"{len(library)} principles"


@pytest.mark.parametrize("option", ["--dimension", "--scenario", "--polarity", "--severity"])
def test_a_filter_that_nothing_can_match_is_refused(option: str) -> None:
    result = run("list", option, "sometimes")
    assert isinstance(result.exception, LibraryError)
    assert str(result.exception).startswith(f"{option} 'sometimes' is not known; known are ")


def test_show_prints_one_principle_in_full(library: Library) -> None:
    principle = library.get("urg-stroke-signs")
    shown = run_json("show", "urg-stroke-signs")
    assert shown == {**principle.model_dump(mode="json"), "file": str(SHIPPED / "urgency.yaml")}
    text = " ".join(run("show", "urg-stroke-signs").stdout.split())
    assert all(criterion.text in text for criterion in principle.criteria)


def test_a_library_is_named_by_option_or_environment(tmp_path: Path) -> None:
    own = write_library(tmp_path / "own.yaml", entry())
    other = write_library(tmp_path / "other.yaml", entry(id="other"))
    assert [row["id"] for row in run_json("list", "--library", own)] == ["tick-bite"]
    assert [row["id"] for row in run_json("list", CLINALIGN_LIBRARY=str(own))] == ["tick-bite"]
    assert [row["id"] for row in run_json("list", "--library", other, CLINALIGN_LIBRARY=str(own))] == ["other"]


@pytest.mark.usefixtures("data_dir")
def test_search_shows_scenario_score_and_reasons() -> None:
    found = run_json("search", STROKE, "-k", "3")
    assert found["scenario"]["urgency"] == "emergent"
    rows = {row["id"]: row for row in found["principles"]}
    assert len(rows) == 3
    stroke = rows["urg-stroke-signs"]
    assert 0 < stroke["score"] <= max(row["score"] for row in rows.values()) == found["principles"][0]["score"]
    assert any(reason.startswith("the question says ") for reason in stroke["why"])


@pytest.mark.usefixtures("data_dir")
def test_search_for_people_names_the_principle_and_the_reason() -> None:
    output = run("search", STROKE).stdout
    assert output.startswith("scenario: emergent, ")
    assert "urg-stroke-signs" in output
    assert "urgency: emergent" in output


def test_search_without_a_question_is_refused() -> None:
    assert isinstance(run("search", " ").exception, ClinAlignError)


def test_build_builds_once_then_opens_and_builds_anew_when_told(tmp_path: Path) -> None:
    own = write_library(tmp_path / "own.yaml", entry())
    arguments = ("build", "--library", own, "--store", tmp_path / "store")
    first, second, fresh = run_json(*arguments), run_json(*arguments), run_json(*arguments, "--fresh")
    assert [first["built"], second["built"], fresh["built"]] == [True, False, True]
    assert (first["principles"], first["texts"]) == (1, 10)
    assert first["location"] == str(tmp_path / "store")
    assert {outcome["index_hash"] for outcome in (second, fresh)} == {first["index_hash"]}


def test_build_of_a_changed_library_builds(tmp_path: Path) -> None:
    own, store = write_library(tmp_path / "own.yaml", entry()), tmp_path / "store"
    before = run_json("build", "--library", own, CLINALIGN_STORE=str(store))
    write_library(own, changed("criteria.0.meets.1", "A fever that appears later needs a doctor."))
    after = run_json("build", "--library", own, CLINALIGN_STORE=str(store))
    assert after["built"]
    assert after["library_hash"] != before["library_hash"]


def test_build_tells_people_where_and_how_much(tmp_path: Path) -> None:
    own = write_library(tmp_path / "own.yaml", entry())
    output = run("build", "--library", own, "--store", tmp_path / "store").stdout
    assert output.startswith(f"built {tmp_path / 'store'} in ")
    assert "1 principles, 10 texts, hash " in output


def test_lint_passes_with_notes_and_fails_with_faults(tmp_path: Path) -> None:
    sound = run("lint", "--library", write_library(tmp_path / "own.yaml", entry()))
    assert sound.exit_code == 0
    assert ": 0 faults, " in sound.stdout
    assert "note: " in sound.stdout
    faulty = run("lint", "--library", write_library(tmp_path / "own.yaml", entry(polarity="avoid")))
    assert faulty.exit_code == 1
    assert f"fault: {tmp_path / 'own.yaml'}: entry tick-bite: field criteria: polarity is avoid" in faulty.stdout


def test_lint_tells_every_fault_of_form_beside_the_others(tmp_path: Path) -> None:
    second = entry(id="second", polarity="avoid")
    file = write_library(tmp_path / "own.yaml", entry(axis="tone", severity="high"), second)
    result = run("lint", "--library", file, "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert {(fault["entry"], fault["field"]) for fault in found["faults"]} == {
        ("1 (tick-bite)", "axis"),
        ("1 (tick-bite)", "severity"),
        ("second", "criteria"),
    }
    assert {fault["file"] for fault in found["faults"]} == {str(file)}
    assert {note["level"] for note in found["notes"]} == {"note"}


def test_lint_of_a_library_without_one_readable_entry_tells_only_those(tmp_path: Path) -> None:
    result = run("lint", "--library", write_library(tmp_path / "own.yaml", entry(axis="tone")), "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["principles"], len(found["faults"]), found["notes"]) == (1, 0, 1, [])


def test_diff_names_what_came_went_and_changed(tmp_path: Path) -> None:
    old = write_library(tmp_path / "old.yaml", entry(id="goes"), entry(id="changes"))
    new = write_library(tmp_path / "new.yaml", entry(id="changes", title="Other"), entry(id="comes"))
    found = run_json("diff", old, new)
    assert (found["added"], found["removed"], found["changed"]) == (["comes"], ["goes"], {"changes": ["title"]})
    assert found["old_hash"] != found["new_hash"]
    assert run("diff", old, new).stdout.splitlines() == [
        "- goes: Say when a tick bite needs a doctor",
        "+ comes: Say when a tick bite needs a doctor",
        "~ changes: title",
        "1 removed, 1 added, 1 changed",
    ]


def test_diff_with_one_library_compares_it_with_the_one_in_use(tmp_path: Path) -> None:
    own = write_library(tmp_path / "own.yaml", entry())
    assert run("diff", own, CLINALIGN_LIBRARY=str(own)).stdout == "0 removed, 0 added, 0 changed\n"
    assert len(run_json("diff", own)["added"]) == 119


@pytest.mark.parametrize(
    "command", [["list"], ["show", "x"], ["search", "a rash"], ["lint"], ["build"], ["diff", "none"]]
)
def test_a_library_that_is_missing_ends_every_command_alike(command: list[str], tmp_path: Path) -> None:
    result = run(*command, "--library", tmp_path / "none")
    assert isinstance(result.exception, LibraryError)
    assert "can't be read (No such file or directory)" in str(result.exception)


def test_markup_in_a_title_is_printed_as_it_is(tmp_path: Path) -> None:
    own = write_library(tmp_path / "own.yaml", entry(title="Say [bold]when[/bold] :smile: [/]"))
    assert "Say [bold]when[/bold] :smile: [/]" in run("list", "--library", own).stdout


def console(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent.cli", "principles", *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


def test_the_console_script_has_the_commands(library: Library) -> None:
    finished = console("list", "--json")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert len(json.loads(finished.stdout)) == len(library)


def test_the_console_script_prints_an_error_as_one_line(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_bytes(b"- title: caf\xe9")
    finished = console("list", "--library", str(tmp_path))
    assert (finished.returncode, finished.stdout) == (2, "")
    [line] = finished.stderr.splitlines()
    assert line == f"clinalign: {tmp_path / 'own.yaml'}: not UTF-8 at byte 12; save the file as UTF-8"


def test_importing_the_commands_imports_nothing_heavy() -> None:
    heavy = ("numpy", "pydantic", "yaml", "chromadb", "onnxruntime", "rich.table")
    code = f"import sys, principles_store.cli; print([name for name in {heavy} if name in sys.modules])"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout == "[]\n"
