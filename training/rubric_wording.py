"""Whether two criteria say the same, or the same with a negation, a number or a word turned round: by their words alone.

No meaning is looked at, so a criterion that is re-worded passes; who has an embedder compares meanings beside this.
"""

from __future__ import annotations

import re
from typing import Literal

Likeness = Literal["same", "flipped", "different"]

MIN_SHARED = 0.85
"""Of the words of two criteria together that aren't empty, from which on they say the same."""
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
_TURNED = frozenset(frozenset(pair.split()) for pair in _OPPOSITES)


def words(text: str) -> list[str]:
    """Return the words of a text in order: lower-case, without a plural's or a verb's s."""
    return [_stem(found) for found in _WORD.findall(text.lower())]


def likeness(first: str, second: str) -> Likeness:
    """Tell whether two sentences have the same words, the same but for one that turns the meaning, or others."""
    one, other = _content(first), _content(second)
    alone = (one - other, other - one)
    if is_turned(first, second):
        return "flipped" if all(len(side) <= 1 for side in _plain(alone)) and one & other else "different"
    shared = len(one & other) / max(len(one | other), 1)
    return "same" if shared >= MIN_SHARED else "different"


def is_turned(first: str, second: str) -> bool:
    """Tell whether one has a negation, a number or an opposite that the other lacks."""
    one, other = set(words(first)), set(words(second))
    only_first, only_second = one - other, other - one
    differing = only_first | only_second
    if any(_is_negation(word) for word in differing) or any(word[0].isdigit() for word in differing):
        return True
    return any(frozenset((a, b)) in _TURNED for a in only_first for b in only_second)


def runs(text: str, length: int) -> set[tuple[str, ...]]:
    """Return every run of so many words of a text."""
    found = words(text)
    return {tuple(found[start : start + length]) for start in range(len(found) - length + 1)}


def _plain(sides: tuple[set[str], set[str]]) -> list[set[str]]:
    """Return the words of each side that aren't negations: "stop taking" and "not stop taking" differ by none."""
    return [{word for word in side if not _is_negation(word)} for side in sides]


def _content(text: str) -> set[str]:
    return set(words(text)) - _EMPTY


def _is_negation(word: str) -> bool:
    return word in _NEGATIONS or word.endswith(("n't", "n’t"))


def _stem(word: str) -> str:
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
