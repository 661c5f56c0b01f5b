"""Training runs of a tiny model in several processes, which torchrun starts as `accelerate launch` does where there are GPUs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grpo_runs import write_run
from tiny_qwen3 import build_tiny_qwen3

PROCESSES, BATCH, STEPS = 2, 4, 8
NEVER = 10_000
SCRIPT = Path(__file__).with_name("process_run.py")
SHARDED_SCRIPT = Path(__file__).with_name("sharded_process_run.py")
ON_CPUS = {"ACCELERATE_USE_CPU": "true"}
"""accelerate would want MPI without it."""


def launcher_of(processes: int) -> list[str]:
    """Return what a Python starts so many processes with."""
    return ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]


def launch(
    config: Path, *more: str, kill_at: int = NEVER, script: Path = SCRIPT, told: Mapping[str, str] = ON_CPUS
) -> subprocess.CompletedProcess[str]:
    """Train with two processes; the second kills itself at a call of its reward. `told`: what accelerate finds set."""
    notes = config.parent / "notes"
    notes.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, *launcher_of(PROCESSES), str(script), str(config), str(notes), str(kill_at), *more],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **told},
        cwd=script.parent,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def made_run(folder: Path, *, model: Path | None = None, grpo: str = "", more: str = "") -> Path:
    """Write a run whose generations are of one question per process; return its config."""
    sizes = f"per_device_train_batch_size = {BATCH}\nper_device_eval_batch_size = {BATCH}"
    return write_run(
        folder / "made", model or build_tiny_qwen3(folder / "tiny", seed=2), grpo=f"{sizes}\n{grpo}", more=more
    )


def launched(file: Path) -> tuple[dict[str, str], int]:
    """Return the environment that `accelerate launch` makes of a file, and the processes that it starts."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

    given = ["--config_file", str(file), "--main_process_ip", "127.0.0.1", "-m", "agent.cli"]
    args, _, _ = _validate_launch_command(launch_command_parser().parse_args(given))
    args.deepspeed_fields_from_accelerate_config = ""
    environment = prepare_deepspeed_cmd_env(args)[1] if args.use_deepspeed else prepare_multi_gpu_env(args)
    return environment, args.num_processes


def sharded(file: Path) -> dict[str, str]:
    """Return what `accelerate launch` sets for FSDP or DeepSpeed by a file; but in 32 bits, so that sums can be compared."""
    own = {key: value for key, value in launched(file)[0].items() if key.startswith(("ACCELERATE_", "FSDP_"))}
    return own | {"ACCELERATE_MIXED_PRECISION": "no"}


def notes_of(config: Path) -> list[list[dict[str, Any]]]:
    """Return which completions each process had to reward."""
    files = [config.parent / "notes" / f"rank{rank}.jsonl" for rank in range(PROCESSES)]
    return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
