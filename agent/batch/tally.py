"""What a batch has done and spent so far, and the bounds that end it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from agent.batch.task import Done, Paid
from agent.ledger import Usage


@dataclass(frozen=True)
class Bounds:
    """What one run of a batch may spend; at a bound no further call begins, and those under way are still paid for."""

    max_calls: int | None = None
    max_tokens: int | None = None
    """Input and output together."""
    max_cost: float | None = None
    max_seconds: float | None = None

    def reached(self, spent: Usage, seconds: float) -> str | None:
        """Return the name of the first bound that is reached, or None."""
        amounts = {
            "calls": (spent.calls, self.max_calls),
            "tokens": (spent.input_tokens + spent.output_tokens, self.max_tokens),
            "cost": (spent.cost, self.max_cost),
            "seconds": (seconds, self.max_seconds),
        }
        return next((name for name, (amount, most) in amounts.items() if most is not None and amount >= most), None)


@dataclass
class Tally:
    """The running account of one run of a batch."""

    total: int = 0
    """Rows of the input, as far as it is asked for."""
    earlier: int = 0
    """Of these, those that an earlier run has done."""
    earlier_errors: int = 0
    accepted: int = 0
    kept: int = 0
    """Drafts that were left as they were."""
    failed: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    """Failed rows by type of error."""
    spent: Usage = field(default_factory=Usage)
    """On calls of this run; what an earlier run paid for is not paid again."""
    clock: Callable[[], float] = time.monotonic
    started_at: float = 0.0
    """When the first row could begin: after the engines were opened."""

    def start(self) -> None:
        """Start the clock."""
        self.started_at = self.clock()

    def add(self, event: Done | Paid) -> None:
        """Count a row or a call."""
        if isinstance(event, Paid):
            self.spent = self.spent + event.usage
        elif event.error:
            self.failed += 1
            self.errors[event.fault or event.error] += 1
        elif event.accepted:
            self.accepted += 1
        else:
            self.kept += 1

    @property
    def rows(self) -> int:
        """Rows done in this run."""
        return self.accepted + self.kept + self.failed

    @property
    def left(self) -> int:
        """Rows that are still to be done."""
        return self.total - self.earlier - self.rows

    @property
    def seconds(self) -> float:
        """Seconds since the first row could begin."""
        return self.clock() - self.started_at if self.started_at else 0.0

    @property
    def tokens_per_second(self) -> float:
        """Input and output together, over the whole run."""
        return (self.spent.input_tokens + self.spent.output_tokens) / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the last row at the pace so far; None before there is a pace."""
        return self.left * self.seconds / self.rows if self.rows else None

    def as_dict(self) -> dict[str, Any]:
        """Return the figures of the summary."""
        return {
            "total": self.total,
            "done_earlier": self.earlier,
            "failed_earlier": self.earlier_errors,
            "done": self.rows,
            "accepted": self.accepted,
            "kept": self.kept,
            "failed": self.failed,
            "errors": dict(self.errors.most_common()),
            "left": self.left,
            "usage": self.spent.as_dict() | {"seconds": round(self.seconds, 3)},
            "tokens_per_second": round(self.tokens_per_second, 1),
        }
