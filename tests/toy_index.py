"""Small libraries whose meaning is plain arithmetic: an embedder of bags of words, and principles made for one property."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from library_entry import entry

from principles_store.embedding import Vectors
from principles_store.index import Index, Query, library_records
from principles_store.library import Library
from principles_store.principle import DIMENSION_OF, Principle


class WordEmbedder:
    """Each word is a direction of its own, so the similarity of two texts is their share of common words."""

    id = "words"

    def encode(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), 4096), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.split():
                vectors[row, zlib.crc32(word.lower().encode()) % 4096] += 1
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


class CountingEmbedder(WordEmbedder):
    """Keeps what it is asked for."""

    def __init__(self, name: str = "words") -> None:
        self.id = name
        self.calls = 0
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.calls += 1
        self.asked += texts
        return super().encode(texts)


def principle(
    name: str,
    *situations: str,
    scenarios: Sequence[str] = ("non-emergent",),
    topic: str | None = None,
    unless: str | None = None,
    mistakes: Sequence[str] = (),
) -> Principle:
    """Return a sound principle; `mistakes` are sentences of drafts that its penalty is about."""
    criteria = entry()["criteria"]
    if mistakes:
        criteria.append({**criteria[0], "text": "Makes the mistake.", "points": -6, "breaks": list(mistakes)})
    return Principle.model_validate(
        entry(
            id=name,
            dimension=DIMENSION_OF[scenarios[0]],
            scenarios=list(scenarios),
            applies_when={"situations": list(situations), "topic": topic, "unless": unless},
            criteria=criteria,
        )
    )


def toy_library(*principles: Principle) -> Library:
    return Library(principles, "toy")


def toy_index(*principles: Principle) -> Index:
    records = library_records(toy_library(*principles))
    return Index(toy_library(*principles), records, WordEmbedder().encode([record.text for record in records]))


def query(text: str, *, scenario: Mapping[str, float] | None = None, draft: Sequence[str] = ()) -> Query:
    encode = WordEmbedder().encode
    return Query(encode([text]), text, scenario or {}, encode(draft) if draft else None)


def found(index: Index, text: str, *, k: int = 8, scenario: Mapping[str, float] | None = None) -> list[str]:
    """Return the ids that a search for `text` gives."""
    return [item.principle.id for item in index.search(query(text, scenario=scenario), k)]


TWO = toy_library(principle("chest", "chest pain"), principle("cough", "dry cough", mistakes=["no need to worry"]))
"""A library that is built in an instant."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
