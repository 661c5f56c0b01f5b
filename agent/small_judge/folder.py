"""The folder of a small judge: what is in it, and whether it is whole and of this version.

judge.json        what the judge is: layout, calibration, which model file serves, hashes, what it was trained on
model.onnx        the cross-encoder in float32
model-int8.onnx   the same with weights in eight bits
tokenizer.json
README.md         the card
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent.errors import ConfigError
from agent.small_judge.calibration import Calibration
from agent.small_judge.reading import Layout

FORMAT = 1
JUDGE_FILE = "judge.json"
TOKENIZER_FILE = "tokenizer.json"
Precision = Literal["fp32", "int8"]
MODEL_FILES: Mapping[Precision, str] = {"fp32": "model.onnx", "int8": "model-int8.onnx"}
_MAKE = "make it anew with clinalign eval distil-judge"


@dataclass(frozen=True)
class JudgeFacts:
    """What judge.json says."""

    layout: Layout
    calibration: Calibration
    embedder: str
    """Id of the encoder that chooses the passages."""
    serves: Precision
    """Which of the two models is asked."""
    hashes: Mapping[str, str]
    """SHA-256 by file name, of models and tokenizer."""
    trained_on: Mapping[str, Any]
    """Digest and counts of the graded rows, for people."""

    def as_dict(self) -> dict[str, Any]:
        """Return the object of judge.json."""
        return {
            "format": FORMAT,
            "layout": self.layout.as_dict(),
            "calibration": self.calibration.as_dict(),
            "embedder": self.embedder,
            "serves": self.serves,
            "hashes": dict(self.hashes),
            "trained_on": dict(self.trained_on),
        }


@dataclass(frozen=True)
class JudgeFolder:
    """A folder that has been read and checked."""

    path: Path
    facts: JudgeFacts

    def model(self, precision: Precision | None = None) -> Path:
        """Return the ONNX file, of the precision that serves unless another is asked for."""
        return self.path / MODEL_FILES[precision or self.facts.serves]

    @property
    def tokenizer(self) -> Path:
        """Return the tokenizer's file."""
        return self.path / TOKENIZER_FILE

    @property
    def name(self) -> str:
        """Name the judge by what its verdicts depend on: weights, layout and calibration, not by where it lies."""
        told = json.dumps(self.facts.as_dict(), sort_keys=True)
        return f"small:{self.path.resolve().name}@{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def read_judge_folder(path: Path) -> JudgeFolder:
    """Return a small judge's folder; raises ConfigError for one that is missing, torn, changed or of another version."""
    file = path / JUDGE_FILE
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is no small judge: there is no {JUDGE_FILE} in it; {_MAKE}") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} can't be read: {error}; {_MAKE}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else None
        raise ConfigError(f"{file} has format {found!r}, this version of clinalign reads {FORMAT}: {_MAKE}")
    try:
        facts = _facts(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{file} is not as it was written ({error}); {_MAKE}") from error
    folder = JudgeFolder(path, facts)
    for name, digest in facts.hashes.items():
        _check_file(path / name, digest)
    return folder


def file_digest(file: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _facts(data: Mapping[str, Any]) -> JudgeFacts:
    hashes = dict(data["hashes"])
    if missing := {*MODEL_FILES.values(), TOKENIZER_FILE} - set(hashes):
        raise ValueError(f"no hash of {sorted(missing)[0]}")
    if data["serves"] not in MODEL_FILES:
        raise ValueError(f"serves {data['serves']!r}")
    return JudgeFacts(
        Layout(**data["layout"]),
        Calibration.from_dict(data["calibration"]),
        str(data["embedder"]),
        data["serves"],
        hashes,
        dict(data["trained_on"]),
    )


def _check_file(file: Path, digest: str) -> None:
    try:
        found = file_digest(file)
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}; the folder is not whole: {_MAKE}") from error
    if found != digest:
        raise ConfigError(f"{file} has sha256 {found[:12]}…, judge.json says {digest[:12]}…: {_MAKE}")
