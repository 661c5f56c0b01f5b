"""How owners and conversations are named in the file: by keyed hashes, so that it tells neither, and nobody guesses another's.

The id of a conversation can be had back, for its owner's list, by whoever knows the owner. A short login name can be found by
trying names; a random one can't.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from agent.errors import InputError

_LONGEST_ID = 64
"""Bytes, as many as a hash gives."""


@dataclass(frozen=True)
class Owner:
    """Whoever's conversations they are."""

    name: str

    @property
    def hash(self) -> str:
        """What stands for the owner in the file."""
        return self._hash(b"", purpose=b"owner").hex()

    def thread(self, id: str) -> str:
        """Return what stands for one of the owner's conversations; every owner has another name for it."""
        return self._hash(id.encode(errors="surrogatepass"), purpose=b"thread").hex()

    def sealed(self, id: str) -> bytes:
        """Return a conversation's id so that only its owner's name opens it; raises InputError for what can't be one."""
        if not 0 < len(id.encode(errors="surrogatepass")) <= _LONGEST_ID or not id.isprintable():
            raise InputError(f"{id[:80]!r} is no id of a conversation; it has 1 to {_LONGEST_ID} printable characters")
        return self._masked(self.thread(id), id.encode())

    def opened(self, thread: str, sealed: bytes) -> str:
        """Return the id that was sealed."""
        return self._masked(thread, sealed).decode()

    def _masked(self, thread: str, data: bytes) -> bytes:
        """Return data with a mask on it, or off it; every thread has a mask of its own."""
        mask = self._hash(thread.encode(), purpose=b"id", size=len(data))
        return bytes(a ^ b for a, b in zip(data, mask, strict=True))

    def _hash(self, data: bytes, *, purpose: bytes, size: int = 24) -> bytes:
        key = hashlib.sha256(self.name.encode(errors="surrogatepass")).digest()
        return hashlib.blake2b(data, key=key, digest_size=size, person=purpose).digest()
