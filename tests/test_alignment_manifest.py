"""What a run was made of: complete, without this machine's paths, and enough to refuse to go on with another run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.errors import InputError
from principles_store.library import load_library
from training.alignment import manifest as manifests
from training.alignment.config import AlignmentConfig, load_config
from training.alignment.gold import GoldPoint, append_point
from training.alignment.manifest import FREE_TO_CHANGE, changes, read_manifest, resolved, write_manifest

TOML = """
[run]
output = "runs/one"
[model]
path = "tiny"
[data]
files = ["rows/train.jsonl", "shipped"]
[grpo]
learning_rate = 1e-6
"""


@dataclass(frozen=True)
class Counts:
    rows: int = 100
    gold: int = 10


@pytest.fixture
def config(tmp_path: Path) -> AlignmentConfig:
    return config_of(tmp_path, TOML)


def config_of(folder: Path, toml: str) -> AlignmentConfig:
    (folder / "run.toml").write_text(toml, encoding="utf-8")
    return load_config(folder / "run.toml", output=folder / "runs" / "one")


def written(config: AlignmentConfig, folder: Path, **facts: Any) -> dict[str, Any]:
    write_manifest(config, Counts(), "d1", folder, **facts)
    manifest = read_manifest(folder)
    assert manifest
    return manifest


def test_everything_to_do_the_run_again_is_in_it(config: AlignmentConfig, tmp_path: Path) -> None:
    manifest = written(config, tmp_path)
    assert manifest["data"] == {"digest": "d1", "counts": {"rows": 100, "gold": 10}}
    assert manifest["config"]["toml"] == TOML
    assert manifest["config"]["resolved"]["reward"]["min_known"] == 0.8, "defaults too"
    assert manifest["library_hash"] == load_library().content_hash
    assert {"python", "clinalign", "torch", "transformers", "trl", "peft", "accelerate", "datasets"} <= set(
        manifest["versions"]
    )
    assert manifest["device"]["kind"] in ("cpu", "cuda")
    assert (manifest["seed"], manifest["processes"]) == (0, 1)


def test_the_course_of_gold_is_in_it_without_the_questions(config: AlignmentConfig, tmp_path: Path) -> None:
    append_point(tmp_path, GoldPoint(5, 0.5, 0.4, 1.0, 1, {"q1": 0.5}))
    assert written(config, tmp_path)["gold"] == [{"step": 5, "gold": 0.5, "reward": 0.4, "coverage": 1.0, "n": 1}]


def test_no_path_of_the_machine_is_in_it(config: AlignmentConfig, tmp_path: Path) -> None:
    (tmp_path / "runs" / "one").mkdir(parents=True)
    write_manifest(config, Counts(), "d1", config.run.output)
    assert str(tmp_path) not in (config.run.output / "manifest.json").read_text(encoding="utf-8")
    values = resolved(config)
    assert values["data"]["files"] == ["rows/train.jsonl", "shipped"]
    assert values["run"]["output"] == "runs/one"


def test_a_models_folder_is_told_from_an_id_of_the_hub(tmp_path: Path) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    for path in ("models/mine", "Qwen/Qwen3-4B-Instruct-2507"):
        config = config_of(tmp_path, TOML.replace('"tiny"', f'"{path}"'))
        assert resolved(config)["model"]["path"] == path


def test_the_beginning_outlives_the_end(config: AlignmentConfig, tmp_path: Path) -> None:
    first = written(config, tmp_path, started="2026-01-01T00:00:00+00:00")
    last = written(config, tmp_path, ended="2026-01-02T00:00:00+00:00", best_step=50, warnings=["w"])
    assert (first["ended"], last["started"]) == (None, first["started"])
    assert (last["ended"], last["best_step"], last["warnings"]) == ("2026-01-02T00:00:00+00:00", 50, ["w"])


def test_a_config_that_is_edited_while_its_run_goes_on_is_not_what_it_ran_with(
    config: AlignmentConfig, tmp_path: Path
) -> None:
    written(config, tmp_path)
    config.source.write_text("[run]\n# another experiment", encoding="utf-8")
    assert written(config, tmp_path)["config"]["toml"] == TOML


def test_other_versions_that_trained_a_part_are_kept(
    config: AlignmentConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = written(config, tmp_path)["versions"]
    for number in ("1.0", "2.0", "2.0"):
        monkeypatch.setattr(manifests, "_versions", lambda number=number: [("torch", number)])
        manifest = written(config, tmp_path)
    assert manifest["versions"] == {"torch": "2.0"}
    assert manifest["earlier_versions"] == [now, {"torch": "1.0"}]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda toml: toml.replace("1e-6", "1e-5"), "grpo.learning_rate: was 1e-06, is 1e-05"),
        (lambda toml: toml + "[lora]\n", "lora: was None, is {}"),
        (lambda toml: toml + "[reward.veto]\n", "reward.veto.points: was None, is -8"),
        (lambda toml: toml.replace("rows/train", "rows/other"), "data.files: was"),
        (lambda toml: toml + "[reward]\nmin_known = 0.5\n", "reward.min_known: was 0.8, is 0.5"),
    ],
)
def test_what_makes_it_another_run_is_named(
    config: AlignmentConfig, tmp_path: Path, change: Callable[[str], str], told: str
) -> None:
    manifest = written(config, tmp_path)
    found = changes(manifest, config_of(tmp_path, change(TOML)), "d1")
    assert found[0].startswith(told)


@pytest.mark.parametrize(
    "more",
    [
        "",
        "[reward]\nconcurrency = 2\ndeadline_seconds = 5\nattempts = 9\nmax_cost = 3\nprice_input = 1\nprice_output = 2\n",
        "[gold]\npatience = 3\n",
    ],
)
def test_what_a_run_costs_and_when_it_ends_may_change(config: AlignmentConfig, tmp_path: Path, more: str) -> None:
    manifest = written(config, tmp_path)
    assert changes(manifest, config_of(tmp_path, TOML + more), "d1") == []


def test_every_key_that_may_change_is_a_key(tmp_path: Path) -> None:
    config = config_of(tmp_path, TOML + "[reward]\nmax_cost = 1\n[gold]\npatience = 1\n")
    values = resolved(config)
    for key in FREE_TO_CHANGE:
        section, name = key.split(".")
        assert name in values[section], key


def test_other_rows_make_another_run(config: AlignmentConfig, tmp_path: Path) -> None:
    assert changes(written(config, tmp_path), config, "d2") == ["data: the rows are not those that the run began with"]


def test_a_folder_without_a_manifest_has_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 99}', "\udcff"])
def test_what_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"manifest\.json: .*; name another --output"):
        read_manifest(tmp_path)


def test_a_commit_is_told_of_a_checkout_alone(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "file").write_text("1", encoding="utf-8")
    (tmp_path / "environment").mkdir()
    git("add", ".")
    git("commit", "-m", "one")
    commit = manifests._commit(tmp_path)
    assert commit
    assert len(commit) == 40
    (tmp_path / "file").write_text("2", encoding="utf-8")
    assert manifests._commit(tmp_path) == f"{commit}+"
    assert manifests._commit(tmp_path / "environment") is None


def test_it_is_json_that_anyone_reads(config: AlignmentConfig, tmp_path: Path) -> None:
    path = write_manifest(config, {"rows": 1}, "d1", tmp_path, judges=[Counts()])
    assert json.loads(path.read_bytes())["judges"] == [{"rows": 100, "gold": 10}]
