"""What is served is what was trained: the same logits, whole or not at all, and nothing that only the trainer wanted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_qwen3 import build_tiny_qwen3, tiny_qwen3_folder
from trained_tiny import build_tiny_moe, copy_of, full_checkpoint, load, logits, lora_checkpoint

from agent.errors import ConfigError
from agent.models import load_model
from training.alignment.export import export_best, replacing_folder

__all__ = ["tiny_qwen3_folder"]  # the fixture `tiny_qwen3`
EXPERTS = {"target_modules": ["q_proj"], "target_parameters": ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]}


@pytest.fixture(scope="module")
def moe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_moe(tmp_path_factory.mktemp("models") / "tiny-moe")


def exported(base: Path, tmp_path: Path, dtype: str = "float32") -> Path:
    export_best(tmp_path / "checkpoint-1", str(base), tmp_path / "best", dtype=dtype)
    return tmp_path / "best"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_logits_of_a_full_checkpoint_are_the_trained_models(tiny_qwen3: Path, tmp_path: Path, dtype: str) -> None:
    trained = full_checkpoint(tiny_qwen3, tmp_path / "checkpoint-1", dtype)
    best = load(exported(tiny_qwen3, tmp_path, dtype), dtype="auto")
    assert str(best.dtype) == f"torch.{dtype}"
    assert torch.equal(logits(trained), logits(best))
    assert not torch.equal(logits(load(tiny_qwen3, dtype)), logits(best))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_rslora": True},
        {"use_dora": True},
        {"target_modules": ["q_proj", "lm_head"]},  # whose weights are the input's too
        {"target_modules": ["q_proj", "embed_tokens"]},
        {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
        {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]},
        {"target_modules": ["lm_head", "embed_tokens"], "ensure_weight_tying": True},
    ],
    ids=lambda options: "-".join(f"{value}" for value in options.values()),
)
def test_adapters_are_merged_into_the_weights(tiny_qwen3: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    trained = lora_checkpoint(tiny_qwen3, tmp_path / "checkpoint-1", **options)
    best = exported(tiny_qwen3, tmp_path)
    torch.testing.assert_close(logits(load(best)), logits(trained), rtol=1e-5, atol=1e-5)
    assert not list(best.glob("adapter*"))


def test_merging_into_bfloat16_costs_no_more_than_its_rounding(tiny_qwen3: Path, tmp_path: Path) -> None:
    exact = logits(lora_checkpoint(tiny_qwen3, tmp_path / "checkpoint-1"))
    best = logits(load(exported(tiny_qwen3, tmp_path, "bfloat16")))
    assert (best - exact).abs().max() < 2**-5 * exact.abs().max()


@pytest.mark.parametrize("options", [None, {}, EXPERTS])
def test_experts_are_exported_too(moe: Path, tmp_path: Path, options: dict[str, Any] | None) -> None:
    checkpoint = tmp_path / "checkpoint-1"
    trained = full_checkpoint(moe, checkpoint) if options is None else lora_checkpoint(moe, checkpoint, **options)
    torch.testing.assert_close(logits(load(exported(moe, tmp_path))), logits(trained), rtol=1e-5, atol=1e-5)


def test_all_but_the_weights_is_as_it_was_before_training(tiny_qwen3: Path, tmp_path: Path) -> None:
    full_checkpoint(tiny_qwen3, tmp_path / "checkpoint-1", "bfloat16")
    best = exported(tiny_qwen3, tmp_path, "bfloat16")
    assert {file.name for file in best.iterdir()} == {file.name for file in tiny_qwen3.iterdir()}
    for name in ("tokenizer.json", "chat_template.jinja", "generation_config.json"):
        assert (best / name).read_bytes() == (tiny_qwen3 / name).read_bytes(), name
    assert json.loads((best / "config.json").read_text())["use_cache"] is True


def test_a_cache_that_a_warm_start_has_switched_off_is_on_again(tiny_qwen3: Path, tmp_path: Path) -> None:
    full_checkpoint(tiny_qwen3, tmp_path / "warm-start")
    full_checkpoint(tmp_path / "warm-start", tmp_path / "checkpoint-1")
    assert json.loads((tmp_path / "warm-start" / "config.json").read_text())["use_cache"] is False
    assert load(exported(tmp_path / "warm-start", tmp_path)).config.use_cache is True


def _no_weights(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()


def _fsdp_shards(checkpoint: Path) -> None:
    _no_weights(checkpoint)
    (checkpoint / "pytorch_model_fsdp_0").mkdir()


def _zero_shards(checkpoint: Path) -> None:
    _no_weights(checkpoint)
    (checkpoint / "global_step1").mkdir()


def _changed(checkpoint: Path, change: Callable[[dict[str, Any]], object]) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    change(weights)
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})


def _gap(checkpoint: Path) -> None:
    _changed(checkpoint, lambda weights: weights.pop("model.norm.weight"))


def _other_shape(checkpoint: Path) -> None:
    _changed(checkpoint, lambda weights: weights.update({"model.norm.weight": torch.ones(7)}))


def _more(checkpoint: Path) -> None:
    _changed(checkpoint, lambda weights: weights.update({"model.surprise": torch.ones(7)}))


def _no_number(checkpoint: Path) -> None:
    _changed(checkpoint, lambda weights: weights["model.norm.weight"].fill_(float("nan")))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_no_weights, "neither model.safetensors nor adapter_model.safetensors"),
        (_fsdp_shards, "FULL_STATE_DICT"),
        (_zero_shards, "zero3_save_16bit_model"),
        (_gap, "not those of .*'model.norm.weight' first"),
        (_other_shape, "not those of .*'model.norm.weight' first"),
        (_more, "not those of .*'model.surprise' first"),
        (_no_number, "'model.norm.weight' holds values that are no numbers"),
    ],
)
def test_weights_that_are_not_whole_are_refused_and_the_last_best_stays(
    tiny_qwen3: Path, tmp_path: Path, spoil: Callable[[Path], None], says: str
) -> None:
    full_checkpoint(tiny_qwen3, tmp_path / "checkpoint-1")
    best = exported(tiny_qwen3, tmp_path)
    before = (best / "model.safetensors").read_bytes()
    spoil(tmp_path / "checkpoint-1")
    with pytest.raises(ConfigError, match=says):
        exported(tiny_qwen3, tmp_path)
    assert (best / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("lost", ["model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"])
def test_adapters_with_a_gap_are_refused(tiny_qwen3: Path, tmp_path: Path, lost: str) -> None:
    lora_checkpoint(tiny_qwen3, tmp_path / "checkpoint-1")
    file = tmp_path / "checkpoint-1" / "adapter_model.safetensors"
    save_file({name: value for name, value in load_file(file).items() if lost not in name}, file)
    with pytest.raises(ConfigError, match=f"2 missing.*{lost}"):
        exported(tiny_qwen3, tmp_path)


def test_adapters_of_another_model_are_refused(tiny_qwen3: Path, moe: Path, tmp_path: Path) -> None:
    lora_checkpoint(moe, tmp_path / "checkpoint-1")
    with pytest.raises(ConfigError, match=r"adapters are not for|not those of"):
        exported(tiny_qwen3, tmp_path)


def test_a_base_that_is_gone_is_told(tiny_qwen3: Path, tmp_path: Path) -> None:
    full_checkpoint(tiny_qwen3, tmp_path / "checkpoint-1")
    with pytest.raises(ConfigError, match="training began with can't be read"):
        exported(tmp_path / "gone", tmp_path)


def test_a_place_that_can_not_be_written_is_told(tiny_qwen3: Path, tmp_path: Path) -> None:
    full_checkpoint(tiny_qwen3, tmp_path / "checkpoint-1")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"can't write .*make room"):
        export_best(tmp_path / "checkpoint-1", str(tiny_qwen3), tmp_path / "file" / "best", dtype="float32")


def test_what_fails_half_way_leaves_the_old_folder_and_nothing_beside_it(tmp_path: Path) -> None:
    best = copy_of(build_tiny_qwen3(tmp_path / "old"), tmp_path / "best")
    with pytest.raises(RuntimeError), replacing_folder(best) as new:
        (new / "model.safetensors").write_bytes(b"half")
        raise RuntimeError
    assert (best / "model.safetensors").stat().st_size > 4
    assert {path.name for path in tmp_path.iterdir()} == {"old", "best"}


KILLED = """
import os, signal, sys
from pathlib import Path
from training.alignment import export
fatal, rename, done = int(sys.argv[2]), Path.rename, 0
def killed_at(self, target):
    global done
    if done == fatal: os.kill(os.getpid(), signal.SIGKILL)
    done += 1
    return rename(self, target)
Path.rename = killed_at
with export.replacing_folder(Path(sys.argv[1])) as new:
    (new / "weights").write_text("new")
"""


@pytest.mark.parametrize("renames", [0, 1])
def test_a_kill_between_the_renames_loses_neither_model(tmp_path: Path, renames: int) -> None:
    best = tmp_path / "best"
    best.mkdir()
    (best / "weights").write_text("old", encoding="utf-8")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(best), str(renames)], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert any((path / "weights").read_text() == "old" for path in tmp_path.iterdir())
    with pytest.raises(RuntimeError), replacing_folder(best):
        assert (best / "weights").read_text() == "old", "put back before anything new is written"
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


def test_the_agent_opens_what_was_exported(tiny_qwen3: Path, tmp_path: Path) -> None:
    full_checkpoint(tiny_qwen3, tmp_path / "checkpoint-1")
    model = load_model(f"hf:{exported(tiny_qwen3, tmp_path)}", timeout_s=60, temperature=0, seed=None)
    assert model.invoke("What dose?", max_tokens=5).usage_metadata["output_tokens"] == 5  # type: ignore[index]
