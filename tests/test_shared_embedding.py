"""Many threads, one encoder: who comes while it works shares the next batch, and everyone gets their own rows."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from toy_index import WordEmbedder

from principles_store.embedding import DEFAULT_MODEL, Embedder, Vectors
from principles_store.shared_embedding import MOST_TEXTS, BatchingEmbedder, EmbeddingMemory, shared_embedder

SENTENCES = [
    f"{start} {symptom}, and {end}."
    for start in ("Call 112 at once for", "Rest at home with", "See a doctor this week for")
    for symptom in ("chest pain", "a stiff neck and a fever of 39 °C", "a sprained ankle", "a rash that itches")
    for end in (
        "drink enough",
        "take what the leaflet allows and no more, also when the pain wakes you at night",
        "wait",
    )
]


class GatedEmbedder(WordEmbedder):
    """Works only while its gate is open, and keeps which texts it was given together."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.is_at_work = threading.Event()
        self.batches: list[list[str]] = []
        self.error: BaseException | None = None

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.is_at_work.set()
        assert self.gate.wait(20)
        self.batches.append(list(texts))
        if self.error is not None:
            raise self.error
        return super().encode(texts)


class Crowd:
    """Threads that all ask while the encoder is busy with the text "first"."""

    def __init__(self, requests: Sequence[Sequence[str]], error: BaseException | None = None) -> None:
        self.encoder = GatedEmbedder()
        self.encoder.error = error
        batching = BatchingEmbedder(self.encoder)
        with ThreadPoolExecutor(len(requests) + 1) as threads:
            first = threads.submit(batching.encode, ["first"])
            assert self.encoder.is_at_work.wait(20)
            futures = [threads.submit(batching.encode, request) for request in requests]
            while len(batching._waiting) < len(requests):
                threading.Event().wait(0.001)
            self.encoder.gate.set()
            self.results = [future.exception(20) or future.result() for future in [first, *futures]][1:]
        self.batching = batching


@pytest.fixture(scope="module")
def encoder(embedder: EmbeddingMemory) -> Embedder:
    """Return the shipped encoder without a memory."""
    return embedder._embedder


def test_vectors_are_those_of_one_by_one_up_to_rounding(encoder: Embedder) -> None:
    alone = np.concatenate([encoder.encode([text]) for text in SENTENCES])
    batching = BatchingEmbedder(encoder)
    with ThreadPoolExecutor(12) as threads:
        together = np.concatenate(list(threads.map(batching.encode, [[text] for text in SENTENCES])))
    assert np.abs(together - alone).max() < 1e-5
    assert batching.id == encoder.id


def test_fifty_threads_get_their_own_rows_in_fewer_batches() -> None:
    requests = [[f"text {number}", *[f"more {number} {n}" for n in range(number % 3)]] for number in range(50)]
    crowd = Crowd(requests)
    for request, result in zip(requests, crowd.results, strict=True):
        assert np.array_equal(result, WordEmbedder().encode(request))
    assert len(crowd.encoder.batches) <= 3
    encoded = [text for batch in crowd.encoder.batches for text in batch]
    assert sorted(encoded) == sorted(["first", *(text for request in requests for text in request)])


def test_a_batch_ends_where_the_first_would_wait_too_long() -> None:
    crowd = Crowd([[f"{number} {n}" for n in range(30)] for number in range(6)])
    assert [len(batch) for batch in crowd.encoder.batches[1:]] == [90, 90]
    assert MOST_TEXTS == 64


def test_an_error_reaches_all_who_share_the_batch_and_nobody_later() -> None:
    crowd = Crowd([[f"{number}"] for number in range(10)], MemoryError("no room"))
    assert [repr(error) for error in crowd.results] == ["MemoryError('no room')"] * 10
    assert len(crowd.encoder.batches) == 2
    crowd.encoder.error = None
    assert crowd.batching.encode(["well again"]).shape == (1, 4096)


def test_one_text_that_fails_fails_those_beside_it_only() -> None:
    class Picky(WordEmbedder):
        def encode(self, texts: Sequence[str]) -> Vectors:
            if "bad" in texts:
                raise ValueError("bad")
            return super().encode(texts)

    batching = BatchingEmbedder(Picky())
    with pytest.raises(ValueError, match="bad"):
        batching.encode(["bad"])
    assert batching.encode(["good"]).shape == (1, 4096)


def test_nothing_asked_is_nothing_encoded_for_it() -> None:
    crowd = Crowd([[], ["a"], []])
    assert [len(result) for result in crowd.results] == [0, 1, 0]


def test_no_thread_waits_for_ever_under_a_storm() -> None:
    batching = BatchingEmbedder(WordEmbedder())
    with ThreadPoolExecutor(50) as threads:
        requests = [[f"word{number}", f"word{number + 1}"] for number in range(2000)]
        results = [future.result(60) for future in [threads.submit(batching.encode, request) for request in requests]]
    assert all(np.array_equal(result, WordEmbedder().encode(r)) for r, result in zip(requests, results, strict=True))


def test_whoever_asks_for_the_default_embedder_gets_the_same_one() -> None:
    assert shared_embedder(DEFAULT_MODEL) is shared_embedder() is shared_embedder(cache_dir=None, threads=None)
