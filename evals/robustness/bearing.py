"""Whether a change of an answer may truly change what a criterion asks for, told by the words alone: it errs towards yes."""

from __future__ import annotations

import re

_OF_THE_WHOLE = re.compile(
    r"relevan|length|\blong\b|concis|\bbrief|verbos|wordy|succinct|\bfocus|\bformat|structur|organi[sz]ed|repetit|redundan"
    r"|unnecessar|superfluous|off-topic|extraneous|bulk|bullet|heading|\bbold|numbered|markdown|coheren|language|jargon"
    r"|instruction|\bclear|clarity|confus|understandab|readab|\bsimpl|\bplain",
    re.IGNORECASE,
)
_EVERYWHERE = frozenset(
    "about above after again along also among answe aroun asses assis becau befor being below betwe compl could crite durin "
    "every first furth inclu menti might never other patie provi quite recom respo shoul since state still sugge their there "
    "these thing those throu under until users where which while whose witho would".split()
)
"""Stems that say nothing of what a criterion is about."""
_SHARED = 0.2
"""Share of a criterion's stems from which on an addition may bear on it."""


def is_about_the_whole(criterion: str) -> bool:
    """Tell whether a criterion is about the answer as a whole, as its length or form: any addition may bear on it."""
    return bool(_OF_THE_WHOLE.search(criterion))


def may_bear_on(addition: str, criterion: str) -> bool:
    """Tell whether a text that is put into an answer may truly change whether a criterion is met."""
    wanted = _stems(criterion)
    return is_about_the_whole(criterion) or len(wanted & _stems(addition)) >= max(_SHARED * len(wanted), 1)


def _stems(text: str) -> set[str]:
    """Return the beginnings of the longer words."""
    return {word[:5] for word in re.findall(r"[^\W\d_]{5,}", text.lower())} - _EVERYWHERE
