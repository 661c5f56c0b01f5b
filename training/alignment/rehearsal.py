"""A dry run: everything is loaded and checked as in training, in a folder that is deleted again; nothing is trained or asked."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from training.alignment.config import AlignmentConfig

if TYPE_CHECKING:
    from training.alignment.plan import Plan


def rehearse(config: AlignmentConfig, *, gpu_memory: float | None = None, accelerate: Path | None = None) -> Plan:
    """Return the plan of a run; raises what training would raise before its first step, but for what the machine lacks.

    `gpu_memory`: plan for GPUs of so many GiB, not for this machine; `accelerate`: for the processes of its configuration file.
    """
    from training.alignment.datasets import open_datasets
    from training.alignment.device_memory import DeviceMemory
    from training.alignment.model_shape import read_shape
    from training.alignment.plan import make_plan
    from training.alignment.policy import base_model, open_tokenizer, token_counter
    from training.alignment.quiet import quieten
    from training.alignment.sharding import read_sharding
    from training.alignment.small_judges import small_judges
    from training.alignment.warm_start import check_answers
    from training.grpo import check_keys, grpo_config

    quieten()
    check_keys(config)
    grpo_config(config, rehearse=True)
    check_answers(config)
    small_judges(config)  # a folder that is none is refused here
    with TemporaryDirectory(prefix="clinalign-") as folder:
        elsewhere = config.model_copy(update={"run": config.run.model_copy(update={"output": Path(folder)})})
        model = base_model(elsewhere)
        tokenizer = open_tokenizer(model)
        data = open_datasets(elsewhere, count_tokens=token_counter(tokenizer, config), cache=Path(folder))
        size = None if gpu_memory is None else int(gpu_memory * 2**30)
        return make_plan(
            config,
            data,
            read_shape(model, config.lora),
            device=None if size is None else DeviceMemory("cuda", size, size, "as planned"),
            sharding=None if accelerate is None else read_sharding(accelerate),
        )
