"""Pairs in a file beside the checkpoints: token ids end to end, as long as a training goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from agent.small_judge.reading import Pair

FILE = "pairs.npz"


def keep_pairs(pairs: Sequence[Pair], work: Path) -> None:
    """Write the pairs whole or not at all; of their passages in words nothing is kept."""
    part = work / f".{FILE}"
    with part.open("wb") as file:
        np.savez(
            file,
            ids=np.concatenate([np.array(pair.ids, dtype=np.int32) for pair in pairs]),
            lengths=np.array([len(pair.ids) for pair in pairs], dtype=np.int32),
            seconds=np.array([pair.second for pair in pairs], dtype=np.int32),
        )
    part.replace(work / FILE)


def kept_pairs(work: Path) -> list[Pair] | None:
    """Return the pairs, None if there are none, or none that can be read."""
    try:
        with np.load(work / FILE) as kept:
            ids, lengths, seconds = (kept[name] for name in ("ids", "lengths", "seconds"))
    except (OSError, ValueError, KeyError, BadZipFile):
        return None
    each = np.split(ids, np.cumsum(lengths)[:-1])
    return [Pair(tuple(row.tolist()), int(second), "") for row, second in zip(each, seconds, strict=True)]


def forget_pairs(work: Path) -> None:
    """Delete them."""
    (work / FILE).unlink(missing_ok=True)
