"""What a draft must be to be revised; checked here once, at the edge."""

from __future__ import annotations

from agent.errors import InputError
from principles_store.conversation import MAX_CHARACTERS


def check_draft(text: object) -> str:
    """Return the draft as it was given; raises InputError if it isn't text, is empty, broken or too long."""
    if not isinstance(text, str):
        raise InputError(f"the draft must be text, found {type(text).__name__}")
    if not text.strip():
        raise InputError("the draft is empty; leave it out to have one written")
    try:
        text.encode()  # fifty times as fast as a pattern
    except UnicodeEncodeError as error:
        message = "the draft has half a character in it (a lone surrogate); decode it as UTF-8 or UTF-16 first"
        raise InputError(message) from error
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"the draft has {len(text):,} characters, more than {MAX_CHARACTERS:,}; shorten it")
    return text
