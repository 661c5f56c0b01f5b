"""The state of the review graph: the turns so far, and the question that becomes the next. Plain JSON, nothing else."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from agent.review.turn import Turn


def with_changed(turns: list[Turn], changed: list[Turn]) -> list[Turn]:
    """Return the turns with those that changed in their places, and new ones at the end.

    A step writes the turn that it changed and no other: what it writes is kept beside the state until the step is done.
    """
    by_id = {turn["id"]: turn for turn in turns} | {turn["id"]: turn for turn in changed}
    return list(by_id.values())


class ReviewInput(TypedDict):
    """What the graph is called with."""

    question: str
    draft: NotRequired[str | None]


class ReviewState(TypedDict):
    """What the graph keeps of a conversation."""

    question: str
    """Asked last; empty once it is a turn."""
    draft: NotRequired[str | None]
    turns: Annotated[list[Turn], with_changed]
    """Oldest first; the last is the one that is worked on, or waits for a person."""
