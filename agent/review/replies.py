"""Replies that a turn has paid for, in SQLite until it has ended: a turn that is begun anew after a restart gets them again."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Sequence

from agent.call_memory import KeptReply
from agent.ledger import CallRecord
from agent.review.database import Database

_log = logging.getLogger(__name__)


class StoredReplies:
    """The replies of a conversation's last turn: those from before are given again, new ones are kept."""

    begins_anew = False
    """A model that fails costs the answer no more than elsewhere: the person gets the best version so far."""

    def __init__(self, database: Database, thread: str) -> None:
        self._database, self._thread = database, thread
        self._kept: dict[str, list[KeptReply]] = {}
        query = "SELECT request, text, calls, cost FROM replies WHERE thread = ? ORDER BY rowid"
        for request, text, calls, cost in database.rows(query, thread):
            records = tuple(CallRecord(**record) for record in json.loads(calls))
            self._kept.setdefault(request, []).append(KeptReply(json.loads(text), records, cost))

    def recall(self, request: str) -> KeptReply | None:
        waiting = self._kept.get(request)
        return waiting.pop(0) if waiting else None  # asked twice, answered twice: in the order in which it was

    def keep(self, request: str, reply: KeptReply) -> None:
        calls = json.dumps([record.as_dict() for record in reply.calls])
        values = (
            self._thread,
            request,
            json.dumps(reply.text),
            calls,
            reply.cost,
        )  # escaped: SQLite takes no half character
        try:
            self._database.write("INSERT INTO replies VALUES (?, ?, ?, ?, ?)", *values)
        except sqlite3.Error as error:  # a full disk costs money after a restart, not the answer now
            _log.warning("a model's reply could not be kept: %s", error)

    def paid(self, calls: Sequence[CallRecord], cost: float) -> None:
        """Do nothing: the ledger counts what is paid."""


def forget_replies(database: Database, thread: str) -> None:
    """Delete what was kept of a turn that has ended."""
    database.write("DELETE FROM replies WHERE thread = ?", thread)
