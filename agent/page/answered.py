"""An answered turn, with what several parts of its report ask about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from agent.page.markup import id_prefix
from agent.page.wording import numbers
from agent.review.turn import Decision, Turn, decided
from agent.rubric import OWN_KNOWLEDGE
from agent.seeds import RUBRIC
from agent.state import AgentOutput
from agent.weave import Weave
from principles_store.library import Library

Standing = Literal["open", "accepted", "rejected", "left out"]
"""What became of an edit: nobody has said yet, the person said, or it rests on a rejected one."""


@dataclass(frozen=True)
class Answered:
    """A turn, its output, and the library it rests on; edits are named by their position from 0 and shown from 1."""

    turn: Turn
    output: AgentOutput
    library: Library
    is_open: bool

    @cached_property
    def prefix(self) -> str:
        return id_prefix(self.turn)

    @cached_property
    def weave(self) -> Weave:
        return Weave.of(self.output["draft"], self.output["patches"])

    @cached_property
    def decisions(self) -> Mapping[int, Decision]:
        return decided(self.turn)

    @cached_property
    def rejected(self) -> frozenset[int]:
        return frozenset(edit for edit, decision in self.decisions.items() if decision["decision"] == "reject")

    @cached_property
    def left_out(self) -> frozenset[int]:
        return frozenset(self.turn["left_out"])

    @cached_property
    def _titles(self) -> dict[str, str]:
        return {principle["id"]: principle["title"] for principle in self.output["principles"]}

    def edit(self, number: int) -> dict[str, Any]:
        return self.output["edits"][number]

    def title(self, edit: int) -> str:
        """Return what an edit rests on."""
        rests_on = self.edit(edit)["principle_id"]
        if rests_on == OWN_KNOWLEDGE:
            return "The model's own medical knowledge"
        if rests_on.startswith(RUBRIC):
            return f"The rubric of a similar conversation ({rests_on.removeprefix(RUBRIC)})"
        known = self.library.by_id.get(rests_on)
        return self._titles.get(rests_on) or (known.title if known else rests_on)

    def reason(self, edit: int) -> str:
        """Return the reason that was given; empty where it only repeats the title."""
        reason = str(self.edit(edit)["reason"])
        return "" if reason == self.title(edit) else reason

    def asked(self, edit: int) -> str:
        """Return the criterion that asked for an edit, after what it says about the text before."""
        criterion = str(self.edit(edit)["criterion"])
        points = next((row["points"] for row in self.output["rubric"] if row["criterion"] == criterion), None)
        label = "Criterion" if points is None else "Fault found" if points < 0 else "What was missing"
        return f"{label}: {criterion}"

    def standing(self, edit: int) -> Standing:
        if edit in self.rejected:
            return "rejected"
        if edit in self.left_out:
            return "left out"
        return "accepted" if edit in self.decisions else "open"

    def standing_words(self, edit: int) -> str:
        """Return the standing in words; empty while nobody has said anything."""
        match self.standing(edit):
            case "rejected":
                return "rejected by you"
            case "accepted":
                return "accepted by you"
            case "left out":
                return f"left out with {numbers(self.rests_on(edit))}, on which it rests"
            case "open":
                return ""

    def rests_on(self, edit: int) -> list[int]:
        """Return the rejected edits without which this one can't stand."""
        return [other for other in sorted(self.rejected) if edit in self.weave.left_out({other})]
