"""The cross-encoder on ONNX Runtime: pairs to logits; what a logit means is the calibration's to say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agent.cores import usable_cores
from agent.errors import ConfigError
from agent.small_judge.folder import MODEL_FILES
from agent.small_judge.reading import Pair

Logits = npt.NDArray[np.float32]
ON_CPU = 1
"""Pairs in a batch: more are slower there, and in eight bits a pair's logit would depend on those beside it, since the activations
of a batch share their scale."""
ON_GPU = 32


class PairScorer:
    """One session of one model file, for one or many threads.

    A processor's cores each take a pair of their own, so that a logit depends on nothing but the pair; a GPU takes batches in turn.
    """

    def __init__(self, model: Path, *, threads: int | None = None, batch: int | None = None) -> None:
        """`threads` None: one per core; `batch` None: as the device wants it. Raises ConfigError for a file that is no model."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # its warnings are about the graph, and nobody can act on them
        options.intra_op_num_threads = 1
        providers = _providers(model, onnxruntime.get_available_providers())
        try:
            self._session = onnxruntime.InferenceSession(str(model), options, providers=providers)
        except Exception as error:  # the runtime's classes of errors are not public
            raise ConfigError(f"{model} can't be opened as an ONNX model: {error}") from error
        on_gpu = self._session.get_providers()[0] != "CPUExecutionProvider"
        self._batch = batch or (ON_GPU if on_gpu else ON_CPU)
        self._workers = ThreadPoolExecutor(1 if on_gpu else threads or usable_cores(), "small-judge")

    def logits(self, pairs: Sequence[Pair], *, before_batch: Callable[[], None] | None = None) -> Logits:
        """Return a logit per pair, shape (len(pairs),), in their order; `before_batch` may raise to end it early."""

        def run(rows: Sequence[int]) -> Logits:
            if before_batch:
                before_batch()
            found: Logits = self._session.run(["logits"], _padded([pairs[row] for row in rows]))[0]
            return found

        logits = np.empty(len(pairs), dtype=np.float32)
        batches = list(_batches([len(pair.ids) for pair in pairs], self._batch))
        for rows, found in zip(batches, self._workers.map(run, batches), strict=True):
            logits[rows] = found
        return logits


def _providers(model: Path, available: Sequence[str]) -> list[str]:
    """Return where to run: weights in eight bits are for processors, a GPU has no kernels for them."""
    wanted = ["CPUExecutionProvider"]
    if model.name != MODEL_FILES["int8"]:
        wanted = ["CUDAExecutionProvider", *wanted]
    return [name for name in wanted if name in available]


def _batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Yield the numbers of all pairs, the longest first, so that those of a batch are of like length and no core ends late."""
    by_length = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    for start in range(0, len(by_length), size):
        yield by_length[start : start + size]


def _padded(pairs: Sequence[Pair]) -> dict[str, npt.NDArray[np.int64]]:  # B pairs -> (B, T) each
    ids = np.zeros((len(pairs), max(len(pair.ids) for pair in pairs)), dtype=np.int64)
    types, mask = np.zeros_like(ids), np.zeros_like(ids)
    for row, pair in enumerate(pairs):
        end = len(pair.ids)
        ids[row, :end], types[row, :end], mask[row, :end] = pair.ids, pair.types, 1
    return {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}
