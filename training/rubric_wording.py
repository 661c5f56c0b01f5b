"""Whether two criteria say the same, or the same with a negation, a number or a word turned round: by their words alone.

No meaning is looked at, so a criterion that is re-worded passes; who has an embedder compares meanings beside this.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

Likeness = Literal["same", "flipped", "different"]

MIN_SHARED = 0.85
"""Of the words of two criteria together that aren't empty, from which on they say the same."""
MIN_SHARED_IF_ALIKE = 0.2
"""The same of two criteria whose embeddings may be alike: below, none has to be made (docs/rubrics-draft.md)."""
_KEPT = 4_096
"""Criteria whose words are kept: each is compared with all others of its rubric."""
_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)?")
_EMPTY = frozenset(
    """
    a an the that this it to of in is are be as for and or which there such about around example
    say state explain name mention note tell give provide describe outline advise recommend suggest advice include
    """.split()
)
"""Words that change nothing: "Says that X." asks for the same as "Explains X."."""
_NEGATIONS = frozenset("not no never without nor neither cannot against avoid unless non".split())
_OPPOSITES = (
    *("stop continue", "start stop", "begin stop", "increase decrease", "raise lower", "increase reduce", "more fewer"),
    *(
        "more less",
        "higher lower",
        "high low",
        "above below",
        "over under",
        "before after",
        "safe unsafe",
        "left right",
    ),
    *("normal abnormal", "likely unlikely", "necessary unnecessary", "urgent routine", "harmless dangerous"),
    *("positive negative", "always never", "hot cold", "needed unnecessary", "advise discourage", "longer shorter"),
)
_TURNED = {
    word: frozenset(other for pair in _OPPOSITES if word in pair.split() for other in pair.split() if other != word)
    for word in " ".join(_OPPOSITES).split()
}
"""The opposites of a word."""


class _Words(NamedTuple):
    """Of one criterion."""

    all: frozenset[str]
    full: frozenset[str]
    """Those that aren't empty."""
    turning: frozenset[str]
    """Negations and numbers."""


def words(text: str) -> list[str]:
    """Return the words of a text in order: lower-case, without a plural's or a verb's s."""
    return [_stem(found) for found in _WORD.findall(text.lower())]


def likeness(first: str, second: str) -> Likeness:
    """Tell whether two sentences have the same words, the same but for one that turns the meaning, or others."""
    one, other = _words_of(first).full, _words_of(second).full
    if is_turned(first, second):
        alone = (one - other, other - one)
        return "flipped" if all(len(side) <= 1 for side in _plain(alone)) and one & other else "different"
    return "same" if shared(first, second) >= MIN_SHARED else "different"


def shared(first: str, second: str) -> float:
    """Return which share of the words of both together that aren't empty stands in both."""
    one, other = _words_of(first).full, _words_of(second).full
    return len(one & other) / max(len(one | other), 1)


def is_turned(first: str, second: str) -> bool:
    """Tell whether one has a negation, a number or an opposite that the other lacks."""
    one, other = _words_of(first), _words_of(second)
    if one.turning != other.turning:
        return True
    only_second = other.all - one.all
    return any(not _TURNED[word].isdisjoint(only_second) for word in one.all & _TURNED.keys() if word not in other.all)


def runs(text: str, length: int) -> set[tuple[str, ...]]:
    """Return every run of so many words of a text."""
    found = words(text)
    return {tuple(found[start : start + length]) for start in range(len(found) - length + 1)}


def _plain(sides: tuple[frozenset[str], frozenset[str]]) -> list[set[str]]:
    """Return the words of each side that aren't negations: "stop taking" and "not stop taking" differ by none."""
    return [{word for word in side if not _is_negation(word)} for side in sides]


@lru_cache(maxsize=_KEPT)
def _words_of(text: str) -> _Words:
    found = frozenset(words(text))
    turning = frozenset(word for word in found if _is_negation(word) or word[0].isdigit())
    return _Words(found, found - _EMPTY, turning)


def _is_negation(word: str) -> bool:
    return word in _NEGATIONS or word.endswith(("n't", "n’t"))


def _stem(word: str) -> str:
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
