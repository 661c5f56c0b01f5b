"""`clinalign eval distil-judge` as a user meets it: a folder, a card, figures, the same again, and what is refused."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_bert import build_tiny_bert, graded_rows, write_rows
from tiny_judge import make_tiny_judge
from typer import Typer
from typer.testing import CliRunner

from agent.errors import ClinAlignError
from agent.judge_spec import parse_judge
from agent.small_judge.folder import read_judge_folder
from training.judge_distillation.cli import distil_judge, told
from training.judge_distillation.options import DistilOptions
from training.judge_distillation.report import DistilReport


def clinalign(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent.cli", "eval", "distil-judge", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=280, cwd=folder, env=environment, check=False
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A folder with rows, base and judge, and the command that made it."""
    folder = tmp_path_factory.mktemp("distilled")
    build_tiny_bert(folder / "bert")
    write_rows(folder / "rows.jsonl", graded_rows(12))
    options = ("--base", "bert", "--epochs", 1, "--threads", 1, "--device", "cpu")
    return folder, clinalign("rows.jsonl", "-o", "judge", *options, folder=folder)


@pytest.mark.slow
def test_a_judge_is_made_and_told(trained: tuple[Path, Any]) -> None:
    folder, done = trained
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert read_judge_folder(folder / "judge").name in lines
    assert any(line.startswith("on 20 held-out verdicts of 2 conversations") for line in lines)
    assert lines[-1] == "next: clinalign eval grade ANSWERS -o graded.jsonl --judge small:judge"
    assert (folder / "judge" / "README.md").is_file()


@pytest.mark.slow
def test_nothing_but_progress_and_figures_is_printed(trained: tuple[Path, Any]) -> None:
    assert trained[1].stderr == ""


@pytest.mark.slow
def test_the_same_command_finds_the_judge_there(trained: tuple[Path, Any]) -> None:
    folder, _ = trained
    before = (folder / "judge" / "judge.json").read_bytes()
    done = clinalign("rows.jsonl", "-o", "judge", "--base", "bert", "--epochs", 1, "--json", folder=folder)
    found = json.loads(done.stdout)
    assert (found["is_new"], found["name"]) == (False, read_judge_folder(folder / "judge").name)
    assert found["trained_on"]["held_out"]["conversations"] == 2
    assert (folder / "judge" / "judge.json").read_bytes() == before


@pytest.mark.slow
def test_other_options_are_refused_where_a_judge_is_already(trained: tuple[Path, Any]) -> None:
    folder, _ = trained
    done = clinalign("rows.jsonl", "-o", "judge", "--base", "bert", "--epochs", 1, "--risk", 0.1, folder=folder)
    assert done.returncode == 2
    assert "risk: was 0.2, is 0.1" in done.stderr
    assert "--fresh" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--risk", "0.5"), "risk 0.5"),
        (("--epochs", "0"), "epochs 0"),
        (("--held-share", "0.9"), "held-out share 0.9"),
        (("--window", "100"), "--window 100: a window of 100 tokens has no room"),
        (("--window", "600"), "600"),
        (("--base", "nowhere"), "no config.json"),
        ((), "rows.jsonl"),
    ],
)
def test_what_can_not_be_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    app = Typer()
    app.command()(distil_judge)
    done = CliRunner().invoke(app, ["rows.jsonl", "-o", "judge", *arguments])
    assert isinstance(done.exception, ClinAlignError)
    assert says in str(done.exception)
    assert not Path("judge").exists()


def test_the_defaults_are_those_of_the_training() -> None:
    given = {
        name: parameter.default
        for name, parameter in inspect.signature(distil_judge).parameters.items()
        if parameter.default is not parameter.empty
    }
    options = DistilOptions()
    known = {name: value for name, value in vars(options).items() if name in given}
    assert len(known) == 10
    assert {name: given[name] for name in known} == known
    assert given["window"] == options.layout.window


def test_what_is_told_names_a_judge_that_can_be_opened(tmp_path: Path) -> None:
    lines = told(_report(make_tiny_judge(tmp_path / "judge"), coverage=0.5, risk=0.125))
    spec = lines[-1].split("--judge ")[1]
    assert parse_judge(spec).small == tmp_path / "judge"
    assert "gives a verdict on 50%, 12.5% of them wrong; the others are unknown" in lines
    assert "note: few rows" in lines


def test_a_judge_that_never_says_anything_is_told_to_be_one(tmp_path: Path) -> None:
    lines = told(_report(make_tiny_judge(tmp_path / "judge"), coverage=0.0, risk=None))
    assert any(line.startswith("gives no verdict at all") for line in lines)


def _report(folder: Path, **figures: Any) -> DistilReport:
    read = read_judge_folder(folder)
    overall = {"kappa": 0.4, "macro_f1": 0.7, "auc": None, **figures}
    known = {
        "figures": {"overall": overall},
        "held_out": {"conversations": 3, "verdicts": 60},
        "warnings": ["few rows"],
    }
    facts = type(read.facts)(**{**vars(read.facts), "trained_on": known})
    return DistilReport(folder, read.name, facts, is_new=True)
