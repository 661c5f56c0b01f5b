"""A small judge's training: exact after any kill, the same for the same call, refused with a reason."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from distil_runs import JUDGE, files_of, options_of, run
from tiny_bert import build_tiny_bert, graded_rows, write_rows

from agent.errors import ConfigError, InputError
from agent.small_judge.folder import read_judge_folder
from agent.small_judge.reading import Layout
from training.judge_distillation.base import open_base
from training.judge_distillation.device import computing_of
from training.judge_distillation.options import DistilOptions
from training.small_judge import distil

KILLED = -9


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows and a base model, for reading."""
    folder = tmp_path_factory.mktemp("material")
    write_rows(folder / "rows.jsonl", graded_rows(12))
    build_tiny_bert(folder / "bert")
    return folder


@pytest.fixture(scope="session")
def whole(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nobody disturbed."""
    folder = _copied(material, tmp_path_factory.mktemp("whole") / "run")
    done = run(folder)
    assert done.exit_code == 0, done.errors
    return folder


@pytest.fixture
def begun(material: Path, tmp_path: Path) -> Path:
    return _copied(material, tmp_path / "run")


def _copied(source: Path, target: Path) -> Path:
    target.mkdir()
    for name in ("rows.jsonl", "bert"):
        (target / name).symlink_to(source / name)
    return target


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["step 2", "step 9", "saving 6", "saving 8", "exporting"])
def test_a_training_that_was_killed_and_gone_on_with_ends_in_the_same_folder(
    whole: Path, begun: Path, moment: str
) -> None:
    assert run(begun, moment).exit_code == KILLED
    assert not (begun / JUDGE / "judge.json").exists()
    again = run(begun)
    assert again.exit_code == 0, again.errors
    assert files_of(begun) == files_of(whole)


@pytest.mark.slow
def test_a_signal_ends_a_training_after_the_step_with_a_checkpoint(whole: Path, begun: Path) -> None:
    told = run(begun, "told 5")
    assert told.exit_code == 143
    assert "SIGTERM after step 5 of 16; run the same command again" in told.errors
    assert "going on after step 5" in run(begun).out
    assert files_of(begun) == files_of(whole)


@pytest.mark.slow
@pytest.mark.parametrize("most", [100_000, 3_000_000], ids=["weights", "optimizer"])
def test_a_full_disk_is_told_and_what_was_written_is_of_use(whole: Path, begun: Path, most: int) -> None:
    refused = run(begun, f"bytes {most}")
    assert refused.errors.splitlines()[-1].startswith("agent.errors.ConfigError: ")
    assert "can't be written (" in refused.errors
    assert "run the same command again" in refused.errors
    assert run(begun).exit_code == 0
    assert files_of(begun) == files_of(whole)


@pytest.mark.slow
def test_nothing_is_left_of_the_work_and_no_path_is_told(whole: Path) -> None:
    judge = whole / JUDGE
    assert {path.name for path in judge.iterdir()} == {
        "README.md", "judge.json", "model.onnx", "model-int8.onnx", "tokenizer.json"
    }  # fmt: skip
    assert str(whole.parent) not in (judge / "judge.json").read_text() + (judge / "README.md").read_text()
    read_judge_folder(judge)


@pytest.mark.slow
def test_the_same_call_again_trains_nothing(whole: Path) -> None:
    before, lines = files_of(whole), list[str]()
    report = distil([whole / "rows.jsonl"], whole / JUDGE, options_of(whole), progress=lines.append)
    assert not report.is_new
    assert report.name == read_judge_folder(whole / JUDGE).name
    assert (files_of(whole), lines) == (before, [])


@pytest.mark.slow
@pytest.mark.parametrize(
    "change,told",
    [
        ({"seed": 2}, "seed: was 1, is 2"),
        ({"layout": Layout(window=300)}, "layout: was"),
        ({"risk": 0.1}, "risk: was 0.2, is 0.1"),
    ],
)
def test_a_judge_of_other_options_is_not_replaced_unasked(whole: Path, change: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=f"holds another judge; other are: {told}.*--fresh"):
        distil([whole / "rows.jsonl"], whole / JUDGE, replace(options_of(whole), **change))


@pytest.mark.slow
def test_a_training_that_was_begun_is_not_gone_on_with_as_another(begun: Path, tmp_path: Path) -> None:
    assert run(begun, "step 2").exit_code == KILLED
    other = write_rows(tmp_path / "other.jsonl", graded_rows(12, seed=5))
    with pytest.raises(ConfigError, match="holds another training that was begun; other are: the graded rows"):
        distil([other], begun / JUDGE, options_of(begun))
    report = distil([other], begun / JUDGE, options_of(begun), fresh=True)
    assert report.is_new


@pytest.mark.slow
def test_what_the_folder_gives_is_what_the_model_learned(whole: Path) -> None:
    folder = read_judge_folder(whole / JUDGE)
    facts = folder.facts.trained_on
    assert facts["export"]["fp32_difference"] < 1e-3
    assert facts["train"]["conversations"] + facts["held_out"]["conversations"] == 12
    assert facts["train"]["verdicts"] + facts["held_out"]["verdicts"] == 120
    assert facts["evaluations"][-1]["step"] <= 16
    assert facts["best_step"] in [one["step"] for one in facts["evaluations"]]


@pytest.mark.slow
def test_it_learns(material: Path, tmp_path: Path) -> None:
    rows = graded_rows(30)
    for row in rows:
        row["verdicts"] = [{"criteria_met": criterion["criterion"] < "Recommends ice."} for criterion in row["rubrics"]]
    options = replace(options_of(material), learning_rate=5e-3, epochs=8, batch=8, augment=0.0)
    report = distil([write_rows(tmp_path / "rows.jsonl", rows)], tmp_path / JUDGE, options)
    assert report.trained_on["figures"]["overall"]["auc"] > 0.9


@pytest.mark.gpu
def test_a_gpu_trains_too(material: Path, tmp_path: Path) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU that torch can use")
    report = distil(
        [material / "rows.jsonl"], tmp_path / JUDGE, replace(options_of(material), device="cuda", threads=None)
    )
    assert report.trained_on["export"]["fp32_difference"] < 1e-3


def test_state_of_the_process_is_left_as_it_was(material: Path, tmp_path: Path) -> None:
    import torch

    torch.set_num_threads(1)
    random.seed(5)
    before = random.getstate(), torch.get_rng_state()
    with pytest.raises(InputError):
        distil([material / "rows.jsonl"], tmp_path / JUDGE, replace(options_of(material), held_share=0.05))
    with computing_of(DistilOptions(threads=2, device="cpu")).threads():
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 1
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize(
    "make,told",
    [
        (lambda folder: folder.write_text("x"), "is a file; name a folder"),
        (lambda folder: (folder.mkdir(), (folder / "thesis.doc").touch()), "holds 'thesis.doc', which is none"),
        (lambda folder: (folder.mkdir(), (folder / "README.md").touch()), "holds 'README.md', which is none"),
    ],
)
def test_a_folder_of_something_else_is_left_alone(
    material: Path, tmp_path: Path, make: Callable[[Path], object], told: str
) -> None:
    make(tmp_path / JUDGE)
    with pytest.raises(ConfigError, match=told):
        distil([material / "rows.jsonl"], tmp_path / JUDGE, options_of(material))


def test_two_processes_do_not_train_into_one_folder(material: Path, tmp_path: Path) -> None:
    from training.judge_distillation.work_folder import held_alone

    with held_alone(tmp_path / JUDGE), pytest.raises(ConfigError, match="another process trains a judge there"):
        distil([material / "rows.jsonl"], tmp_path / JUDGE, options_of(material))


def _with_config(folder: Path, **values: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


@pytest.mark.parametrize(
    "spoil,told",
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), "there is no tokenizer.json in it"),
        (lambda folder: (folder / "model.safetensors").unlink(), "there is no model.safetensors in it"),
        (lambda folder: (folder / "config.json").write_text("{"), "can't be read"),
        (lambda folder: _with_config(folder, model_type="gpt2"), "is a model of type 'gpt2'"),
        (lambda folder: _with_config(folder, type_vocab_size=1), "has one type of token"),
        (lambda folder: _with_config(folder, max_position_embeddings=128), "make it --window 128 or less"),
    ],
)
def test_a_base_that_can_not_be_trained_on_is_refused(
    material: Path, tmp_path: Path, spoil: Callable[[Path], object], told: str
) -> None:
    folder = shutil.copytree(material / "bert", tmp_path / "bert")
    spoil(folder)
    with pytest.raises(ConfigError, match=told):
        open_base(folder, Layout())


def test_a_base_is_named_by_its_weights_and_not_by_where_it_lies(material: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(material / "bert", tmp_path / "bert")
    assert open_base(copy, Layout()).name == open_base(material / "bert", Layout()).name
    build_tiny_bert(copy, seed=1)
    assert open_base(copy, Layout()).name != open_base(material / "bert", Layout()).name


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"batch": 0},
        {"held_share": 0.6},
        {"risk": 0.5},
        {"augment": -0.1},
        {"seed": -1},
        {"threads": 0},
        {"device": "tpu"},
    ],
)
def test_options_that_can_not_be_are_refused_by_name(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values)).split("_")[0]):
        DistilOptions(**values)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="no GPU that torch can use"):
        computing_of(DistilOptions(device="cuda"))


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch, material: Path, tmp_path: Path) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="trained by one process"):
        distil([material / "rows.jsonl"], tmp_path / JUDGE, options_of(material))
