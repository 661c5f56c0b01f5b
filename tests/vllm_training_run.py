"""A training run whose completions vLLM draws in the same process, on a CPU: config, notes, call at which it is killed, [resume].

TRL hands new weights to vLLM before it draws. vLLM's build for CPUs packs weights for its kernels once it has loaded them, and
could take none after that; its build for GPUs leaves them where they are, and so does this. All else is what runs on GPUs.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ |= {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}


def leave_weights() -> None:
    """Have vLLM compute with the weights as they are."""
    import torch
    from vllm.model_executor.layers import utils

    def dispatch(layer: Any, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    utils.dispatch_cpu_unquantized_gemm = dispatch


def note_experts(notes: Path) -> None:
    """After each hand-over, note the sum of the experts' absolute weights, the policy's and vLLM's."""
    from trl.generation.vllm_generation import VLLMGeneration

    known = VLLMGeneration.sync_weights

    def sync_weights(self: Any) -> None:
        known(self)
        drawn_by = self.llm.llm_engine.model_executor.driver_worker.model_runner.model
        sums = {name: _experts(model) for name, model in (("policy", self.model), ("vllm", drawn_by))}
        with notes.open("a", encoding="utf-8") as file:
            file.write(json.dumps(sums) + "\n")

    VLLMGeneration.sync_weights = sync_weights


def _experts(model: Any) -> float:
    return sum(float(weight.float().abs().sum()) for name, weight in model.named_parameters() if ".experts." in name)


def main(config: str, notes: str, kill_at: str, *resume: str) -> None:
    """Train."""
    from grpo_runs import Plan, Scores

    from agent.config import Settings
    from training.alignment import arguments
    from training.alignment.config import load_config
    from training.grpo import train

    leave_weights()
    if os.environ.get("ACCELERATE_USE_FSDP") == "true":
        from sharded_process_run import offer_fsdp

        offer_fsdp()
    else:  # of a model that is cut each process would see a part
        note_experts(Path(notes))
    arguments.generation_by = lambda config, **_: config.run.vllm  # which wants a GPU for it
    end = train(
        load_config(Path(config), output=Path(config).parent / "run"),
        Settings(),
        resume=bool(resume),
        wrap=lambda _: Scores(Plan(call=int(kill_at) or None)),
    )
    raise SystemExit(end.exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
