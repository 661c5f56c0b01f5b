"""What ends a batch as a whole; a row that fails is a row of the output."""

from principles_store.errors import ClinAlignError


class BatchError(ClinAlignError):
    """The batch can't go on; what is done stays done, and the same command continues."""
