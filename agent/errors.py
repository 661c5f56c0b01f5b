"""Errors of the agent. The policy: a failure is never a value.

No error text, empty string or zero stands in for an answer, a verdict or a score. Bad input raises before any work; a judge
that fails gives `unknown`; everything else that goes wrong raises one of these, and a batch keeps it as its row's error.
"""

from principles_store.errors import ClinAlignError


class InputError(ClinAlignError):
    """What the caller gave can't be answered or revised."""


class ConfigError(ClinAlignError):
    """A setting is unknown, malformed or contradicts another."""


class JudgeError(ClinAlignError):
    """A judge broke its contract: one verdict per criterion and answer."""


__all__ = ["ClinAlignError", "ConfigError", "InputError", "JudgeError"]
