"""process_run.py with the model cut among the processes, by FSDP2 or by DeepSpeed's ZeRO, as the environment says.

Both of them compute on CPUs (gloo), but accelerate offers them beside GPUs alone. So its record of the processes is told that
these are such; everything else of it, of FSDP2 and of DeepSpeed is what runs on GPUs.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType
from process_run import main


def offer_fsdp() -> None:
    """Have processes on CPUs count as some on GPUs, among which accelerate shares by FSDP."""
    known = PartialState.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        known(self, *args, **kwargs)
        if self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.MULTI_GPU

    PartialState.__init__ = init


def offer_deepspeed() -> None:
    """Have processes on CPUs be DeepSpeed's, as accelerate does with those on GPUs."""
    from deepspeed import comm

    known, known_whole = PartialState.__init__, AcceleratorState.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        known(self, *args, **kwargs)
        if self.distributed_type == DistributedType.MULTI_CPU:
            if not comm.is_initialized():
                comm.init_distributed(dist_backend="gloo", auto_mpi_discovery=False, verbose=False)
            self.distributed_type = DistributedType.DEEPSPEED

    def init_whole(self: Any, mixed_precision: Any = None, cpu: bool = False, **kwargs: Any) -> None:
        known_whole(self, mixed_precision, cpu=False, **kwargs)

    PartialState.__init__, AcceleratorState.__init__ = init, init_whole


if __name__ == "__main__":
    if os.environ.get("ACCELERATE_USE_FSDP") == "true":
        offer_fsdp()
    else:
        offer_deepspeed()
    main(*sys.argv[1:])
