"""What a training computes on, and in which precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from agent.errors import ConfigError
from training.judge_distillation.options import DistilOptions


@dataclass(frozen=True, slots=True)
class Computing:
    """Device, precision and threads."""

    device: Literal["cpu", "cuda"]
    low_precision: bool
    """bfloat16 where the hardware multiplies it; weights stay in float32."""
    cpu_threads: int | None

    @contextmanager
    def threads(self) -> Iterator[None]:
        """Have torch use as many threads as asked for, and as before afterwards."""
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(self.cpu_threads or before)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def computing_of(options: DistilOptions) -> Computing:
    """Return what is computed on; raises ConfigError for a GPU that isn't there."""
    import torch

    has_gpu = torch.cuda.is_available()
    if options.device == "cuda" and not has_gpu:
        raise ConfigError("device cuda: there is no GPU that torch can use; give cpu, or auto")
    if has_gpu and options.device != "cpu":
        return Computing("cuda", torch.cuda.is_bf16_supported(including_emulation=False), options.threads)
    can = torch.cpu.get_capabilities()
    return Computing("cpu", bool(can.get("amx_bf16") or can.get("avx512_bf16")), options.threads)
