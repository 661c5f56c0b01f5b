"""What the encoder alone needs for the sentences of a batch: the least time in which the embedded engine could be done with it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from agent.config import Settings
from agent.sentences import split
from evals.batch.case_rows import Pair
from principles_store.conversation import parse_conversation, query_texts
from principles_store.embedding import BATCH_SIZE, Embedder, load_embedder


def encode_all(cases: Sequence[Pair], settings: Settings) -> float:
    """Return the seconds to encode questions and drafts in full batches of like lengths, nothing else.

    The better of two ways: one encoder on all cores, and on each core an encoder of its own.
    """
    texts = sorted({text for case in cases for text in _texts(case)}, key=len)
    batches = [texts[start : start + BATCH_SIZE] for start in range(0, len(texts), BATCH_SIZE)]
    cores = len(os.sched_getaffinity(0))
    wide = [load_embedder(settings.embedder, cache_dir=settings.cache)]
    narrow = [load_embedder(settings.embedder, cache_dir=settings.cache, threads=1) for _ in range(cores)]
    return min(_seconds(wide, batches), _seconds(narrow, batches))


def _seconds(encoders: Sequence[Embedder], batches: Sequence[Sequence[str]]) -> float:
    """Return the time of all batches; the encoders take them in turn, each in a thread."""

    def encode_share(number: int) -> None:
        for batch in batches[number :: len(encoders)]:
            encoders[number].encode(batch)

    for encoder in encoders:
        encoder.encode(batches[-1])  # the longest: what memory it takes it keeps
    started = time.perf_counter()
    with ThreadPoolExecutor(len(encoders)) as pool:
        list(pool.map(encode_share, range(len(encoders))))
    return time.perf_counter() - started


def _texts(case: Pair) -> list[str]:
    conversation, draft = case
    return [*query_texts(parse_conversation(conversation)), *(sentence.plain for sentence in split(draft))]
