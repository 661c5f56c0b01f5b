"""The state of every random generator that training draws from: kept, set back, and lent for a judgement of its own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RandomState:
    """Of Python, NumPy and PyTorch, on CPU and GPU."""

    python: Any
    numpy: Any
    cpu: Any
    cuda: Any


def random_state() -> RandomState:
    """Return the state as it is now."""
    import numpy as np
    import torch

    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    return RandomState(random.getstate(), np.random.get_state(), torch.random.get_rng_state(), cuda)


def set_random_state(state: RandomState) -> None:
    """Go back to a state."""
    import numpy as np
    import torch

    random.setstate(state.python)
    np.random.set_state(state.numpy)
    torch.random.set_rng_state(state.cpu)
    if state.cuda is not None:
        torch.cuda.set_rng_state_all(state.cuda)


@contextmanager
def randomness_of_its_own(seed: int) -> Iterator[None]:
    """Let what happens within draw from `seed`, the same every time, and leave no trace in what comes after."""
    from transformers import set_seed

    before = random_state()
    set_seed(seed)
    try:
        yield
    finally:
        set_random_state(before)
