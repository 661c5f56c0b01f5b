"""A dry run of the shipped configs: with config.json and tokenizer alone, and for a machine that isn't there."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
from alignment_rows import questions, saved
from model_shapes import QWEN3_4B, QWEN3_30B_A3B, folder_of
from tiny_qwen3 import tiny_qwen3_folder

from training.alignment.cli import train
from training.alignment.config import load_config
from training.alignment.memory import GIB

__all__ = ["tiny_qwen3_folder"]  # the fixture `tiny_qwen3`
CONFIGS = Path(__file__).parents[1] / "training" / "configs"


def without_weights(file: str, shape: dict[str, Any], tokenizer: Path, folder: Path) -> Path:
    """Return a shipped config whose model is config.json and tokenizer alone, with questions beside it."""
    model = folder_of(folder / "model", shape)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(tokenizer / name, model)
    text = re.sub(r'path = "Qwen/[^"]+"', f'path = "{model}"', (CONFIGS / f"{file}.toml").read_text())
    (folder / "config.toml").write_text(text)
    saved(folder / "questions.jsonl", questions(700))
    return folder / "config.toml"


def test_a_laptop_plans_for_a_machine_with_gpus(
    tiny_qwen3: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = without_weights("qwen3-4b", QWEN3_4B, tiny_qwen3, tmp_path)
    with pytest.raises(typer.Exit) as ended:
        train(config, dry_run=True, gpu_memory=79, accelerate=CONFIGS / "accelerate" / "ddp-2.yaml", as_json=True)

    told = json.loads(capsys.readouterr().out)
    assert (ended.value.exit_code, told["processes"], told["sharding"]) == (0, 2, "ddp")
    assert (told["generation"], told["memory"]["free"]) == ("vLLM in the process", 79 * GIB)
    assert told["memory"]["judging"] > told["memory"]["held_out"] > 0


@pytest.mark.parametrize(
    ("file", "shape"), [("qwen3-4b", QWEN3_4B), ("qwen3-4b-full", QWEN3_4B), ("qwen3-30b-a3b", QWEN3_30B_A3B)]
)
def test_a_shipped_config_is_rehearsed_by_a_config_json_and_a_tokenizer(
    file: str, shape: dict[str, Any], tiny_qwen3: Path, tmp_path: Path
) -> None:
    from training.alignment.rehearsal import rehearse

    plan = rehearse(load_config(without_weights(file, shape, tiny_qwen3, tmp_path), output=tmp_path / "run"))

    assert plan.shape.parameters == {QWEN3_4B["hidden_size"]: 4_022_468_096}.get(shape["hidden_size"], 30_532_122_624)
    assert plan.counts.rows == 700 and plan.steps > 0
    assert not (tmp_path / "run").exists()
