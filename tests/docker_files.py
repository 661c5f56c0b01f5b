"""What the Dockerfile and compose.yaml say, read from them, so that the tests run those very commands."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = ROOT / "Dockerfile"
COMPOSE = ROOT / "compose.yaml"


def instruction(name: str) -> list[str]:
    """Return the last instruction of that name in its exec form; of HEALTHCHECK, the command."""
    lines = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    found = [line for line in lines if line.startswith(f"{name} ")][-1]
    command: list[str] = json.loads(found[found.index("[") :])
    return command


def image_environment() -> dict[str, str]:
    """Return what the image's ENV sets."""
    (line,) = re.findall(r"^ENV (.*)$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(pair.split("=", 1) for pair in line.split())


def service(name: str, variables: Mapping[str, str] = {}) -> dict[str, Any]:  # not changed
    """Return a service as compose reads it: defaults or `variables` in place of `${…}`, `$$` as `$`."""

    def filled(match: re.Match[str]) -> str:
        return variables.get(match["name"], match["default"] or "")

    pattern = r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}"
    text = re.sub(pattern, filled, COMPOSE.read_text(encoding="utf-8")).replace("$$", "$")
    found: dict[str, Any] = yaml.safe_load(text)["services"][name]
    return found


def on_port(command: list[str], port: int, *, instead_of: int) -> list[str]:
    """Return the command with another port, which must be in it."""
    changed = [part.replace(str(instead_of), str(port)) for part in command]
    assert changed != command
    return changed


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
