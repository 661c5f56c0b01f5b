"""What edits leave behind, put in order: lists are counted without gaps, a line drawn twice is drawn once. All else stays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent.edit import Patch

DOUBLED_RULE = re.compile(r"^(-{3,}[ \t]*\n)(?:\s*^-{3,}[ \t]*\n)+", re.MULTILINE)
"""Its group is what stays."""
LIST_NUMBER = re.compile(r"^((?:#{1,6} +)?(?:\*\*)?)(\d{1,2})(?=[.)]\s)", re.MULTILINE)


@dataclass(frozen=True)
class ItemNumber:
    """The number of a list's item, text[start:end], and what it should be."""

    start: int
    end: int
    given: str
    right: str


def numbered_lists(text: str) -> list[list[ItemNumber]]:
    """Return the numbers of each list; a list goes on until an item of its kind is number 1 again."""
    lists: list[list[ItemNumber]] = []
    current: dict[str, list[ItemNumber]] = {}
    for match in LIST_NUMBER.finditer(text):
        kind, given = match[1], int(match[2])
        if given <= 1 or kind not in current:
            current[kind] = []
            lists.append(current[kind])
        earlier = current[kind]
        right = str(int(earlier[-1].right) + 1 if earlier else given)
        earlier.append(ItemNumber(match.start(2), match.end(2), match[2], right))
    return lists


def tidying(text: str) -> Iterator[Patch]:
    """Yield the patches that put a text in order, each on the text as those before it left it."""
    numbers = [number for numbers in numbered_lists(text) for number in numbers if number.given != number.right]
    for number in sorted(numbers, key=lambda number: -number.start):  # from the end, so that earlier places stay valid
        patch = Patch(number.start, number.end, number.right)
        text = patch.applied(text)
        yield patch
    for rule in reversed(list(DOUBLED_RULE.finditer(text))):
        yield Patch(rule.end(1), rule.end(), "")
