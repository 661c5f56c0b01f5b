"""`clinalign train`: what it refuses before any step, its plan, its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from grpo_runs import write_run
from typer.testing import CliRunner, Result

from agent.errors import ClinAlignError
from training.alignment.cli import train


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from training.alignment.tiny import build_tiny

    return build_tiny(tmp_path_factory.mktemp("models") / "tiny")


def invoke(config: Path, *options: str) -> Result:
    app = typer.Typer()
    app.command()(train)
    return CliRunner().invoke(app, ["--config", str(config), "--output", str(config.parent / "run"), *options])


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_the_command_is_there_at_once() -> None:
    heavy = "torch transformers trl peft datasets"
    told = f"import sys, training.alignment.cli; print([n for n in {heavy.split()!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_dry_run_prints_its_plan_and_writes_nothing(model: Path, tmp_path: Path) -> None:
    config = write_run(tmp_path, model)
    before = files(tmp_path)
    result = invoke(config, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "8 of 8 completions" in result.output
    assert files(tmp_path) == before


def test_a_plan_is_also_one_json_object(model: Path, tmp_path: Path) -> None:
    result = invoke(write_run(tmp_path, model), "--dry-run", "--json")
    plan = json.loads(result.stdout)
    assert (plan["steps"], plan["completions"], plan["refusals"]) == (8, 64, [])


def test_a_run_that_would_not_fit_is_refused_in_the_plan(model: Path, tmp_path: Path) -> None:
    config = write_run(tmp_path, model, grpo="per_device_train_batch_size = 400000")
    result = invoke(config, "--dry-run")
    assert result.exit_code == 1
    assert "per_device_train_batch_size" in result.output


def test_a_plan_may_be_for_another_machine(model: Path, tmp_path: Path) -> None:
    accelerate = tmp_path / "two.yaml"
    accelerate.write_text("distributed_type: FSDP\nnum_processes: 2\n", encoding="utf-8")
    config = write_run(tmp_path, model)
    result = invoke(config, "--dry-run", "--gpu-memory", "80", "--accelerate", str(accelerate), "--json")
    plan = json.loads(result.stdout)
    assert (plan["processes"], plan["sharding"], plan["memory"]["device"]) == (2, "fsdp", "as planned"), plan


def test_another_machine_is_only_planned_for(model: Path, tmp_path: Path) -> None:
    result = invoke(write_run(tmp_path, model), "--gpu-memory", "80")
    assert "add --dry-run" in str(result.exception)


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"more": "nonsense = 1"}, "unknown key grpo.nonsense"),
    ({"more": "[reward]\njudg = 'x'"}, "unknown key reward.judg; did you mean judge?"),
    ({"more": "[run2]\nx = 1"}, "unknown key run2"),
    ({"grpo": "per_device_train_batch_size = 64"}, "there are 6 questions to train on, and each generation takes 16"),
    ({"grpo": "per_device_train_batch_size = 8\nnum_iterations = 4"}, "gold.every = 2 must be a multiple of 4"),
    ({"more": "[warm_start]"}, "warm_start.files names no answers"),
]


@pytest.mark.parametrize(("changes", "told"), REFUSALS)
def test_bad_input_is_refused_before_any_step(model: Path, tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    result = invoke(write_run(tmp_path, model, **({"grpo": "per_device_train_batch_size = 8"} | changes)))
    assert isinstance(result.exception, ClinAlignError)
    assert told in str(result.exception)
    assert not list((tmp_path / "run").glob("checkpoint-*"))


def test_without_its_packages_it_says_what_to_install(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trl", None)
    result = invoke(write_run(tmp_path, model), "--dry-run")
    assert "(trl missing): pip install 'clinalign[train]'" in str(result.exception)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = invoke(write_run(tmp_path / "run", tmp_path / "empty"))
    assert isinstance(result.exception, ClinAlignError)
    assert "is no model folder" in str(result.exception)


def test_rows_without_rubrics_are_refused(model: Path, tmp_path: Path) -> None:
    config = write_run(tmp_path, model)
    (tmp_path / "train.jsonl").write_text('{"id": "a", "conversation": [{"role": "user", "content": "How much?"}]}\n')
    result = invoke(config)
    assert isinstance(result.exception, ClinAlignError)
    assert "train.jsonl: line 1" in str(result.exception)
