"""No pattern may take long on a text that somebody made up to keep it busy: the chat takes 200,000 characters."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from principles_store.library import load_library

LENGTH = 20_000
MAX_S = 0.5
"""Linear ones take 1 to 5 ms, those in the square of the length 5 s and more."""
TEXTS = {
    "one long word": "x" * LENGTH,
    "marks": "<" * LENGTH + "a",
    "gap": "a" + " " * LENGTH + "b",
    "digits": "1" * LENGTH,
    "lines": "\n" * LENGTH + "a",
    "short words": "a " * (LENGTH // 2),
    "numbers": "1, " * (LENGTH // 3),
}


def patterns() -> Iterator[tuple[str, str]]:
    """Yield the principle and each of its patterns."""
    for principle in load_library():
        found = [principle.applies_when.topic, principle.applies_when.unless]
        found += [rewrite.find for rewrite in principle.guidance.rewrites]
        for criterion in principle.criteria:
            found += [detector.pattern for detector in (criterion.detect.detectors if criterion.detect else ())]
        yield from ((principle.id, pattern) for pattern in found if pattern)


def seconds(pattern: str, text: str) -> float:
    start = time.perf_counter()
    re.search(pattern, text, re.IGNORECASE)
    return time.perf_counter() - start


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_pattern_of_the_library_takes_long(text: str) -> None:
    slow = [(id, pattern) for id, pattern in patterns() if seconds(pattern, text) > MAX_S]
    # A machine that is busy elsewhere may hold one up by chance: what is slow, is slow again.
    assert [(id, pattern[:80]) for id, pattern in slow if seconds(pattern, text) > MAX_S] == []


def test_the_measure_sees_a_slow_one() -> None:
    assert seconds(r"[a-z]*[0-9][a-z]*", TEXTS["one long word"]) > MAX_S
