"""How much memory there is: of the GPU if there is one, else of the machine, or of the container if that allows less."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_CGROUPS = (
    (Path(), "memory.max", "memory.current", "inactive_file"),
    (Path("memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Versions 2 and 1: folder, limit, use, and what of the use is file cache that is dropped when it must be."""
_NO_LIMIT = 1 << 60
"""Version 1 writes a huge number where there is none."""


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Of the device that trains."""

    kind: Literal["cuda", "cpu"]
    free: int
    total: int
    name: str = ""


def device_memory() -> DeviceMemory:
    """Return the memory of this process's GPU, else of the machine."""
    import torch

    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        return DeviceMemory("cuda", free, total, torch.cuda.get_device_name())
    import psutil

    memory = psutil.virtual_memory()
    container = container_memory()
    free, total = container if container else (memory.available, memory.total)
    return DeviceMemory("cpu", min(free, memory.available), min(total, memory.total), "RAM")


def container_memory(root: Path = Path("/sys/fs/cgroup")) -> tuple[int, int] | None:
    """Return free and total bytes of the control group that this process sees; None where it has no limit."""
    for folder, most, used, cache in _CGROUPS:
        try:
            limit = (root / folder / most).read_text().strip()
            current = int((root / folder / used).read_text())
            stat = (root / folder / "memory.stat").read_text().split()
        except (OSError, ValueError):
            continue
        if limit == "max" or int(limit) >= _NO_LIMIT:
            return None
        dropped = int(dict(zip(stat[::2], stat[1::2], strict=False)).get(cache, 0))
        return max(0, int(limit) - current + dropped), int(limit)
    return None
