"""On which side a question stands: held out for the gold judge, or trained on. Decided by its id alone, for ever.

The rule is a promise: rows come and go, files are put together and shuffled, and no question that a model was trained on ever
becomes one that it is measured by. Nothing here may change without a new name for the split.
"""

from __future__ import annotations

from hashlib import blake2b

_RANKS = 1 << 64
_SALT = b"clinalign-gold-1"
"""Keeps the order apart from every other hash of ids; blake2b's `person`, 16 bytes."""


def rank(row_id: str) -> int:
    """Return the place of an id in the order of holding out, 0 to 2⁶⁴ − 1, evenly spread.

    The first 8 bytes, as a big-endian number, of BLAKE2b (digest size 8, person "clinalign-gold-1") over the id in UTF-8.
    """
    return int.from_bytes(blake2b(row_id.encode("utf-8", "surrogatepass"), digest_size=8, person=_SALT).digest())


def is_gold(row_id: str, share: float) -> bool:
    """Tell whether a question is held out where `share` of all are; one that is stays so for every greater share."""
    return rank(row_id) < share * _RANKS
