"""What changed between two texts, word by word, for whoever shows it: the command line in colour, the chat in HTML."""

from __future__ import annotations

import difflib
import re
from typing import Literal

DiffKind = Literal["same", "removed", "added"]

MIN_ISLAND = 3
"""Words that must agree between two changes to be shown as kept; fewer would shred a rewritten sentence."""
_TOKEN = re.compile(r"\s+|\S+")


def word_diff(before: str, after: str) -> list[tuple[DiffKind, str]]:
    """Return runs of text in reading order; the runs that aren't `added` make up `before`, those not `removed` `after`."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    runs: list[tuple[DiffKind, str]] = []
    i = k = 0
    for block in blocks:
        inside = i < block.a or k < block.b  # a change stands before it
        words = sum(not token.isspace() for token in old[block.a : block.a + block.size])
        at_edge = block.a + block.size == len(old) or (block.a == 0 and block.b == 0)
        if block.size and inside and words < MIN_ISLAND and not at_edge:
            continue
        runs += _run("removed", old[i : block.a]) + _run("added", new[k : block.b])
        runs += _run("same", old[block.a : block.a + block.size])
        i, k = block.a + block.size, block.b + block.size
    return runs


def _run(kind: DiffKind, tokens: list[str]) -> list[tuple[DiffKind, str]]:
    return [(kind, "".join(tokens))] if tokens else []
