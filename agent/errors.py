"""Errors of the agent. The policy: a failure is never a value.

No error text, empty string or zero stands in for an answer, a verdict or a score. Bad input raises before any work; a judge
that fails gives `unknown`; everything else that goes wrong raises one of these, and a batch keeps it as its row's error. A model
that fails after something has been paid for ends the run with the best version so far, which says that it is unrevised.
"""

from typing import Literal

from principles_store.errors import ClinAlignError


class InputError(ClinAlignError):
    """What the caller gave can't be answered or revised."""


class TooLongError(InputError):
    """The conversation doesn't fit into what the model takes, also without its middle."""


class ConfigError(ClinAlignError):
    """A setting is unknown, malformed or contradicts another."""


class JudgeError(ClinAlignError):
    """A judge broke its contract: one verdict per criterion and answer."""


ModelFault = Literal[
    "authentication",
    "unknown model",
    "unreachable",
    "overloaded",
    "server error",
    "time-out",
    "broken stream",
    "context overflow",
    "refusal",
    "empty reply",
    "cut-off reply",
    "malformed reply",
    "rejected request",
]


class ModelError(ClinAlignError):
    """A model could not be called, or what it said can't be used; `fault` tells the kinds apart."""

    def __init__(self, message: str, fault: ModelFault) -> None:
        super().__init__(message)
        self.fault = fault


class LimitReachedError(ClinAlignError):
    """A bound of the run is reached; the nodes end the run with the best version so far."""

    def __init__(self, limit: str) -> None:
        super().__init__(f"limit reached: {limit}; raise it, or ask for less")
        self.limit = limit


class CancelledError(ClinAlignError):
    """The caller has gone; the run ends without an answer."""


__all__ = [
    "CancelledError",
    "ClinAlignError",
    "ConfigError",
    "InputError",
    "JudgeError",
    "LimitReachedError",
    "ModelError",
    "ModelFault",
    "TooLongError",
]
