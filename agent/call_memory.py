"""The seam between a run and whoever keeps the replies that it has paid for, so that a run begun anew does not pay again.

The batch keeps them on disk (`agent/batch/calls.py`); without a memory every call is made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from langchain_core.messages import BaseMessage

from agent.ledger import CallRecord


@dataclass(frozen=True)
class KeptReply:
    """A usable reply, and what it took to get it."""

    text: str
    calls: tuple[CallRecord, ...]
    """More than one where a first reply was paid for and could not be used."""
    cost: float


class CallMemory(Protocol):
    """The replies of one run."""

    @property
    def begins_anew(self) -> bool:
        """Whether a run whose model fails is begun anew with these replies; else it ends with the best version so far."""
        ...

    def recall(self, request: str) -> KeptReply | None:
        """Return what an earlier attempt at this run got for a request; raise CancelledError if no further call may begin."""
        ...

    def keep(self, request: str, reply: KeptReply) -> None:
        """Keep a reply before the run goes on with it."""
        ...

    def paid(self, calls: Sequence[CallRecord], cost: float) -> None:
        """Be told of calls that were paid for, whether what they said is of use or not."""
        ...


def request_key(model: str, messages: Sequence[BaseMessage], schema_name: str) -> str:
    """Return what tells one request of a run from another: a hash of the model's name and all it is sent."""
    parts = (model, schema_name, *(f"{message.type}\0{message.content}" for message in messages))
    return hashlib.blake2b("\0\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
