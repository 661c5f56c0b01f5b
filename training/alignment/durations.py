"""Times in words, as a person would say how long a training has to go."""

from __future__ import annotations


def in_words(seconds: float) -> str:
    """Return a time in seconds, minutes or hours."""
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
