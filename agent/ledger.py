"""What a run may spend and what it has spent: rounds, model calls, tokens, seconds, money.

A limit is looked at between steps; a step under way is not torn. Engines charge the ledger for every model call.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """What has been spent on model calls."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    """In the currency of the price list that was configured; 0 where none was."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost + other.cost,
        )


@dataclass(frozen=True)
class Limits:
    """Bounds of one run; None: no bound of that kind."""

    max_rounds: int = 1
    """More rounds of revision saturate (docs/architecture.md)."""
    max_calls: int | None = 12
    max_tokens: int | None = 200_000
    """Input and output together."""
    max_seconds: float | None = 300.0
    max_cost: float | None = None
    length_ratio: float = 1.15
    length_words: int = 60
    """A revision has at most length_ratio × the draft's words or this many more, whichever is larger."""

    def __post_init__(self) -> None:
        for name in (
            "max_rounds",
            "max_calls",
            "max_tokens",
            "max_seconds",
            "max_cost",
            "length_ratio",
            "length_words",
        ):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name} must not be negative, got {value}")

    def word_budget(self, draft_words: int) -> int:
        """Return how many words a revision of a draft may have."""
        return max(int(draft_words * self.length_ratio), draft_words + self.length_words)


@dataclass
class Ledger:
    """The running account of one run."""

    limits: Limits = Limits()
    spent: Usage = Usage()
    clock: Callable[[], float] = time.monotonic
    started_at: float | None = None
    """Reading of the clock when the run began; None: now."""

    def __post_init__(self) -> None:
        if self.started_at is None:
            self.started_at = self.clock()

    def charge(self, usage: Usage) -> None:
        """Add what a model call has used."""
        self.spent = self.spent + usage

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return self.clock() - (self.started_at or 0.0)

    def exceeded(self) -> str | None:
        """Return the name of the first limit that is reached, or None."""
        limits, spent = self.limits, self.spent
        amounts = {
            "calls": (spent.calls, limits.max_calls),
            "tokens": (spent.input_tokens + spent.output_tokens, limits.max_tokens),
            "seconds": (self.seconds, limits.max_seconds),
            "cost": (spent.cost, limits.max_cost),
        }
        return next((name for name, (amount, limit) in amounts.items() if limit is not None and amount >= limit), None)
