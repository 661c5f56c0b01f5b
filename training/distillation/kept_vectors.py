"""Vectors of texts, kept on disk as they come: a run that is repeated, or continued, encodes only what is new.

A block of new texts becomes a file of its own, named by its content and put in place in one step, so that several processes may
share a folder. Half precision: it takes half the space, and a cosine changes by less than 0.001.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from principles_store.embedding import Embedder, Vectors

BLOCK = 4096
"""Texts encoded between two files: seconds of work."""
_Digests = NDArray[np.void]


class KeptVectors:
    """An embedder whose vectors outlive the process in a folder."""

    def __init__(
        self, embedder: Embedder, folder: Path, *, tell: Callable[[int, int], None] = lambda done, total: None
    ) -> None:
        """`tell` hears after each block how many of the new texts are encoded."""
        self.id = embedder.id
        self._embedder = embedder
        self._folder = folder / hashlib.sha256(embedder.id.encode()).hexdigest()[:16]
        self._tell = tell

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return unit rows, shape (len(texts), D), in the order of `texts`."""
        if not texts:
            return self._embedder.encode([])
        distinct = list(dict.fromkeys(texts))
        places = {_digest(text): number for number, text in enumerate(distinct)}
        vectors, found = self._kept(places)
        missing = np.flatnonzero(~found)
        for start in range(0, len(missing), BLOCK):
            numbers = missing[start : start + BLOCK]
            new = self._embedder.encode([distinct[number] for number in numbers]).astype(np.float16)
            self._keep([_digest(distinct[number]) for number in numbers], new)
            vectors = np.zeros((len(distinct), new.shape[1]), dtype=np.float16) if vectors is None else vectors
            vectors[numbers] = new
            self._tell(start + len(numbers), len(missing))
        assert vectors is not None  # noqa: S101 - there is at least one text
        number_of = {text: number for number, text in enumerate(distinct)}
        unit: Vectors = np.empty((len(texts), vectors.shape[1]), dtype=np.float32)
        for start in range(0, len(texts), BLOCK):  # in blocks: no second copy of all of them
            block = vectors[[number_of[text] for text in texts[start : start + BLOCK]]].astype(np.float32)
            unit[start : start + BLOCK] = block / np.linalg.norm(block, axis=1, keepdims=True)
        return unit

    def _kept(self, places: dict[bytes, int]) -> tuple[NDArray[np.float16] | None, NDArray[np.bool_]]:
        """Return what is on disk of the wanted texts, and which of them were found; None if nothing was."""
        found = np.zeros(len(places), dtype=np.bool_)
        vectors: NDArray[np.float16] | None = None
        for file in sorted(self._folder.glob("*.npz")):
            try:
                with np.load(file, allow_pickle=False) as kept:
                    digests, rows = kept["digests"], kept["vectors"]
            except (OSError, ValueError, KeyError, EOFError, BadZipFile):
                continue  # damaged: its texts are encoded again
            here = [(n, places[d]) for n, d in enumerate(map(bytes, digests)) if d in places]
            if not here:
                continue
            vectors = np.zeros((len(places), rows.shape[1]), dtype=np.float16) if vectors is None else vectors
            wanted, targets = map(list, zip(*here, strict=True))
            vectors[targets], found[targets] = rows[wanted], True
        return vectors, found

    def _keep(self, digests: Sequence[bytes], vectors: NDArray[np.float16]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(b"".join(digests)).hexdigest()[:24]
        handle, scratch = tempfile.mkstemp(dir=self._folder, suffix=".new")
        with os.fdopen(handle, "wb") as opened:
            np.savez(opened, digests=np.frombuffer(b"".join(digests), dtype="V16"), vectors=vectors)
        Path(scratch).replace(self._folder / f"{name}.npz")


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
