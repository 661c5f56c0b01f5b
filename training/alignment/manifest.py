"""What a run was made of and what came of it, in one file beside its checkpoints; no text of a question or an answer is in it.

Paths stand there relative to the config file, so that a folder can be published without telling how a machine is laid out.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from agent.errors import InputError
from agent.judge_spec import with_folder
from evals.reports.files import write_report
from principles_store.library import load_library
from training.alignment.config import SHIPPED, TINY, AlignmentConfig
from training.alignment.gold import GoldPoint
from training.alignment.history import read_gold
from training.alignment.small_judges import small_judges

MANIFEST = "manifest.json"
SCHEMA_VERSION = 1
_PACKAGES = (
    "clinalign torch transformers trl peft accelerate datasets tokenizers safetensors numpy vllm deepspeed".split()
)
FREE_TO_CHANGE = frozenset(
    {
        "run.output",
        "run.keep_checkpoints",
        "reward.concurrency",
        "reward.deadline_seconds",
        "reward.attempts",
        "reward.max_cost",
        "reward.price_input",
        "reward.price_output",
        "gold.patience",
        "gold.price_input",
        "gold.price_output",
    }
)
"""Keys that may differ between a run and its continuation: they change what it costs and when it ends, not what is learned."""


def write_manifest(config: AlignmentConfig, data_counts: Any, digest: str, folder: Path, **facts: Any) -> Path:
    """Write manifest.json whole or not at all and return its path; what an earlier manifest of the run says of its start stays.

    `data_counts` is a mapping or a dataclass. `facts` are further entries of JSON's types or dataclasses: `ended`, `best_step`,
    `steps`, `stopped_because`, `judges`, `warnings`, whatever else; they win over those found here.
    """
    earlier, versions = read_manifest(folder) or {}, dict(_versions())
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "started": earlier.get("started") or now(),
        "ended": None,
        "data": {"digest": digest, "counts": data_counts},
        "library_hash": load_library().content_hash,
        "small_judges": earlier.get("small_judges") or small_judges(config),
        "seed": config.run.seed,
        "config": _config(config, earlier.get("config")),
        "versions": versions,
        "earlier_versions": _earlier_versions(earlier, versions),
        "commit": _commit(Path(__file__).parents[2]),
        "device": _device(),
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
        "gold": [_without_questions(point) for point in read_gold(folder)],
        **facts,
    }
    path = folder / MANIFEST
    write_report(path, json.dumps(manifest, indent=2, ensure_ascii=False, default=_as_json) + "\n")
    return path


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a run folder, None if it has none; InputError if it can't be read."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no manifest can be read from it: {error}; name another --output") from error
    if not isinstance(manifest, dict) or manifest.get("schema_version") != SCHEMA_VERSION:
        raise InputError(f"{path}: is no manifest of this version; name another --output")
    return manifest


def changes(manifest: Mapping[str, Any], config: AlignmentConfig, digest: str) -> list[str]:
    """Tell what makes `config` and data another run than the manifest's, one line each; none: it may be continued."""
    earlier, later = (dict(_flat(one)) for one in (manifest["config"]["resolved"], resolved(config)))
    keys = [key for key in dict.fromkeys([*earlier, *later]) if key not in FREE_TO_CHANGE]
    told = [
        f"{key}: was {earlier.get(key)!r}, is {later.get(key)!r}" for key in keys if earlier.get(key) != later.get(key)
    ]
    if manifest["data"]["digest"] != digest:
        told.append("data: the rows are not those that the run began with")
    began = manifest.get("small_judges", {})
    told += [
        f"{key}: the folder's judge was {began[key]}, is {name}"
        for key, name in small_judges(config).items()
        if began.get(key, name) != name
    ]
    return told


def resolved(config: AlignmentConfig) -> dict[str, Any]:
    """Return every key of the config with its value, defaults too; paths relative to the config file's folder."""
    here = config.source.resolve().parent

    def shown(path: Path | str) -> str:
        is_word = str(path) in (SHIPPED, TINY)
        return str(path) if is_word else Path(os.path.relpath(Path(path).absolute(), here)).as_posix()

    values = config.model_dump(mode="json", exclude={"source"})
    values["run"]["output"] = shown(config.run.output)
    for key in ("files", "gold_files"):
        values["data"][key] = [shown(path) for path in getattr(config.data, key)]
    if config.warm_start:
        values["warm_start"]["files"] = [shown(path) for path in config.warm_start.files]
    for section, judge in (("reward", config.reward.judge), ("gold", config.gold.judge)):
        values[section]["judge"] = judge and with_folder(judge, shown)
    if Path(config.model.path).is_dir():  # else an ID of the hub, or a word
        values["model"]["path"] = shown(config.model.path)
    return values


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _config(config: AlignmentConfig, earlier: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the config as written and as meant; a file that was edited while its run goes on is not read again."""
    values = resolved(config)
    if earlier and earlier["resolved"] == values:
        return dict(earlier)
    return {"file": config.source.name, "toml": config.source.read_text(encoding="utf-8"), "resolved": values}


def _earlier_versions(earlier: Mapping[str, Any], versions: Mapping[str, str]) -> list[Any]:
    """Return the versions of those parts of the run that others than the present ones have trained."""
    kept = list(earlier.get("earlier_versions", []))
    if earlier and earlier["versions"] not in (versions, *kept):
        kept.append(earlier["versions"])
    return kept


def _without_questions(point: GoldPoint) -> dict[str, Any]:
    told = {"step": point.step, "gold": point.gold, "reward": point.reward, "coverage": point.coverage, "n": point.n}
    return told | (point.disagreement.metrics() if point.disagreement else {})


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted keys with their values; None is no value, an empty table is one: `[lora]` alone asks for LoRA."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        elif value is not None:
            yield f"{above}{key}", value


def _versions() -> Iterator[tuple[str, str]]:
    yield "python", platform.python_version()
    for name in _PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def _commit(checkout: Path) -> str | None:
    """Return the commit of a checkout, with a plus if it was changed since; None if it isn't the root of one."""
    git = shutil.which("git")
    if git is None:
        return None
    try:
        root = Path(_said(git, checkout, "rev-parse", "--show-toplevel"))
        if root != checkout:  # an environment in another's checkout
            return None
        changed = _said(git, checkout, "status", "--porcelain", "--untracked-files=no")
        return _said(git, checkout, "rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _said(git: str, checkout: Path, *arguments: str) -> str:
    command = [git, "-C", str(checkout), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603


def _device() -> dict[str, Any]:
    import torch

    processor = {"machine": platform.machine(), "cores": os.cpu_count(), "threads": torch.get_num_threads()}
    if not torch.cuda.is_available():
        return {"kind": "cpu", **processor}
    return {
        "kind": "cuda",
        "name": torch.cuda.get_device_name(),
        "memory_bytes": torch.cuda.get_device_properties(0).total_memory,
        "cuda": torch.version.cuda,
        **processor,
    }


def _as_json(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Path):
        return value.name
    raise TypeError(f"{type(value).__name__} can't be written to {MANIFEST}")
