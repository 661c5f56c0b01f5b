"""What one run of `clinalign rubrics synthesize` has written: rows and calls as in any batch, and criteria by what they rest on."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from agent.batch.tally import Tally
from agent.batch.task import Done, Paid
from agent.rubric import OWN_KNOWLEDGE
from agent.seeds import RUBRIC


@dataclass
class SynthesisTally(Tally):
    """The running account of one run."""

    criteria: int = 0
    penalties: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    """Criteria by what they rest on: principle, seed or model."""

    def add(self, event: Done | Paid) -> None:
        super().add(event)
        if not isinstance(event, Done) or event.error:
            return
        rubric = json.loads(event.line)["rubric"]
        self.criteria += len(rubric)
        self.penalties += sum(item["points"] < 0 for item in rubric)
        self.kinds.update(kind_of(item["principle_id"]) for item in rubric)

    def as_dict(self) -> dict[str, Any]:
        counts = {"criteria": self.criteria, "penalties": self.penalties, "criteria_by_source": dict(self.kinds)}
        return super().as_dict() | counts

    def told(self) -> list[str]:
        """Return what there is to say beside the table, a line each."""
        written = self.outcomes.total()
        if not written:
            return []
        kinds = ", ".join(
            f"{count / self.criteria:.0%} from {_WORDS[kind]}" for kind, count in self.kinds.most_common()
        )
        return [
            f"{self.criteria:,} criteria, {self.criteria / written:.1f} per rubric, {self.penalties / self.criteria:.0%} "
            f"penalties; {kinds}"
        ]


_WORDS = {"principle": "principles", "seed": "seeds", "model": "the model's own knowledge"}


def kind_of(source: str | None) -> str:
    """Return which kind of source a criterion names: principle, seed or model."""
    if source is None or source == OWN_KNOWLEDGE:
        return "model"
    return "seed" if source.startswith(RUBRIC) else "principle"
