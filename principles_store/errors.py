"""Errors of the principles store; each message says what is wrong, where, and what to do.

`ClinAlignError` is the base of every error that this software raises on purpose: the command line prints its message as
one line and exits with 2. Anything else that escapes is a bug and keeps its traceback.
"""


class ClinAlignError(Exception):
    """Base of all errors meant for the person who called."""


class LibraryError(ClinAlignError):
    """A library of principles can't be read or breaks a rule; `faults` names each file, entry and field."""

    def __init__(self, message: str, faults: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults


class EmbeddingError(ClinAlignError):
    """The embedding model can't be loaded or trusted."""


class StoreError(ClinAlignError):
    """The index can't be opened, built or read."""


class ScenarioError(ClinAlignError):
    """The scenario classifier's fitted file is missing or doesn't fit the embedder."""
