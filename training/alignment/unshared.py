"""Models that one process builds for itself, whole, also in a run that DeepSpeed shares out by ZeRO-3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def built_unshared() -> Iterator[None]:
    """Let what is built within be whole and this process's own.

    Under ZeRO-3 transformers keeps a part of every new model in each process and has them wait for each other: one that builds a
    model alone, to count its weights or to write them for serving, would wait for ever. transformers notes ZeRO-3 in a module's
    variable, for which it has a setter and a remover, but nothing that reads it.
    """
    from transformers.integrations import deepspeed

    noted = deepspeed._hf_deepspeed_config_weak_ref
    deepspeed.unset_hf_deepspeed_config()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        deepspeed._hf_deepspeed_config_weak_ref = noted
