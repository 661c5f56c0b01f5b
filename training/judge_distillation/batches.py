"""Samples in batches of like length: what a batch costs is its longest text times its size."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from agent.small_judge.reading import Pair
from training.judge_distillation.samples import Sample

if TYPE_CHECKING:
    import torch

_POOL = 20
"""Batches that are drawn together and sorted by length: more would pad less and make batches more alike."""
_ASKED = 32
"""Pairs at a time where nothing is learned."""


class LengthBatches:
    """Indices of one epoch's batches, in an order that depends on seed and epoch alone."""

    def __init__(self, samples: Sequence[Sample], *, batch: int, seed: int) -> None:
        self._lengths = [len(sample.pair.ids) for sample in samples]
        self._batch, self._seed = batch, seed
        self.epoch = 0
        """Set before each; not by a method that transformers or accelerate would call with numbers of their own."""

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the batches; the last pool's last may be smaller."""
        draw = random.Random(f"{self._seed} {self.epoch}")
        order = list(range(len(self._lengths)))
        draw.shuffle(order)
        batches = []
        for start in range(0, len(order), self._batch * _POOL):
            pool = sorted(order[start : start + self._batch * _POOL], key=self._lengths.__getitem__)
            batches += [pool[at : at + self._batch] for at in range(0, len(pool), self._batch)]
        draw.shuffle(batches)
        yield from batches

    def __len__(self) -> int:
        """Count an epoch's batches."""
        return ceil(len(self._lengths) / self._batch)


def padded(pairs: Sequence[Pair]) -> dict[str, torch.Tensor]:  # B pairs -> (B, T) each
    """Return the model's inputs."""
    import torch

    longest = max(len(pair.ids) for pair in pairs)
    ids, types, mask = (torch.zeros((len(pairs), longest), dtype=torch.long) for _ in range(3))
    for row, pair in enumerate(pairs):
        length = len(pair.ids)
        ids[row, :length] = torch.tensor(pair.ids)
        types[row, pair.second : length] = 1
        mask[row, :length] = 1
    return {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}


def collated(samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
    """Return the model's inputs with the labels, 1.0 for met, shape (B,)."""
    import torch

    return {**padded([sample.pair for sample in samples]), "labels": torch.tensor([float(one.met) for one in samples])}


def predict_logits(model: Any, samples: Sequence[Sample], *, low_precision: bool = False) -> npt.NDArray[np.float32]:
    """Return the logits of met, shape (len(samples),), in their order, on the device where the model is.

    `low_precision`: computed in bfloat16, as in training.
    """
    import torch

    device = model.device
    logits = np.empty(len(samples), dtype=np.float32)
    order = sorted(range(len(samples)), key=lambda number: len(samples[number].pair.ids))
    was_training = model.training
    model.eval()
    autocast = torch.autocast(device.type, dtype=torch.bfloat16) if low_precision else nullcontext()
    with torch.inference_mode(), autocast:
        for start in range(0, len(order), _ASKED):
            rows = order[start : start + _ASKED]
            inputs = {name: value.to(device) for name, value in padded([samples[row].pair for row in rows]).items()}
            logits[rows] = model(**inputs).logits[:, 0].float().cpu().numpy()
    model.train(was_training)
    return logits
