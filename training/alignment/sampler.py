"""The order of questions, which depends on seed and epoch alone, so that a run that was killed meets the same ones again.

TRL's own sampler draws each epoch's order from a generator that no checkpoint holds: after a resume in the second epoch the
order is another one. A stream of rows ends in transformers' eyes after one pass, beyond which it can't be resumed; here it
goes on, each pass in an order of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sized
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import IterableDataset

SHUFFLE_BUFFER = 1000
"""Rows among which a stream is shuffled; more would hold more of them in memory."""


class EpochSampler:
    """Indices of questions as TRL wants them: each `generations` times, `questions` of them to a batch, the batch `repeats` times.

    Questions that don't fill a batch at the end of an epoch are left out of it; another order leaves out others.
    """

    def __init__(
        self, rows: Sized, *, questions: int, generations: int, repeats: int, seed: int, shuffle: bool = True
    ) -> None:
        self._rows = len(rows)
        self._questions = questions
        self._generations = generations
        self._repeats = repeats
        self._seed = seed
        self._shuffle = shuffle
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; transformers and accelerate call it, where they reach it."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        """Yield the indices of one epoch."""
        order = self._order()
        for start in range(0, len(order) - self._questions + 1, self._questions):
            for _ in range(self._repeats):
                for index in order[start : start + self._questions]:
                    yield from [index] * self._generations

    def __len__(self) -> int:
        """Count the indices of one epoch."""
        return self._rows // self._questions * self._questions * self._generations * self._repeats

    def _order(self) -> list[int]:
        import torch

        if not self._shuffle:
            return list(range(self._rows))
        generator = torch.Generator().manual_seed(seed_of_epoch(self._seed, self._epoch))
        return torch.randperm(self._rows, generator=generator).tolist()


def seed_of_epoch(seed: int, epoch: int) -> int:
    """Return a seed of its own for each epoch of each run."""
    return seed * 1_000_003 + epoch


def endless(rows: IterableDataset, *, seed: int, shuffle: bool = True) -> IterableDataset:
    """Return a stream that begins again when it has ended, shuffled anew within a buffer."""

    def passes() -> Iterator[Any]:
        for epoch in count():
            yield from rows.shuffle(seed=seed_of_epoch(seed, epoch), buffer_size=SHUFFLE_BUFFER) if shuffle else rows

    return type(rows).from_generator(passes)
