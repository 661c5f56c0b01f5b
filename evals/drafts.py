"""What the agent does to real drafts: how many it changes, how long they get, and that nothing is lost on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from agent.api import invoke
from agent.edit import Edit
from agent.guard import unnamed_losses
from agent.rubric import Criterion, Verdict, is_satisfied
from agent.sentences import count_words
from agent.state import AgentContext, AgentOutput
from evals.dataset import Example


@dataclass
class DraftFigures:
    """Counts over a set of drafts."""

    n: int = 0
    accepted: int = 0
    stopped: Counter[str] = field(default_factory=Counter)
    edits: Counter[str] = field(default_factory=Counter)
    """By "OP principle-id"."""
    lost_facts: list[str] = field(default_factory=list)
    """"id: fact" of every protected fact that vanished without a named edit."""
    lost_criteria: int = 0
    """Criteria that the draft satisfied and the answer, judged alone, does not."""
    gained_criteria: int = 0
    length_ratios: list[float] = field(default_factory=list)
    """Words of the answer over words of the draft."""

    @property
    def median_length_ratio(self) -> float:
        return median(self.length_ratios)


def measure_drafts(drafts: Sequence[tuple[Example, str]], context: AgentContext) -> DraftFigures:
    """Revise every draft and count; losses are looked for again here, apart from the run's own checks."""
    figures = DraftFigures()
    for example, draft in drafts:
        output = invoke(example.conversation, draft=draft, context=context)
        figures.n += 1
        figures.accepted += output["accepted"]
        figures.stopped[output["stopped_because"]] += 1
        figures.edits.update(f"{edit['op']} {edit['principle_id']}" for edit in output["edits"])
        edits = [Edit(**edit) for edit in output["edits"]]
        figures.lost_facts += [f"{example.id}: {fact}" for fact in unnamed_losses(draft, output["answer"], edits)]
        figures.length_ratios.append(count_words(output["answer"]) / count_words(draft))
        lost, gained = _changed_criteria(output)
        figures.lost_criteria += lost
        figures.gained_criteria += gained
    return figures


def _changed_criteria(output: AgentOutput) -> tuple[int, int]:
    """Return how many criteria were lost and gained between the draft and the answer that was returned."""
    if not output["accepted"]:
        return 0, 0
    lost = gained = 0
    first, last = output["critiques"][0], output["critiques"][-1]
    for row, before, after in zip(output["rubric"], first, last, strict=True):
        was, now = _satisfied(row, before), _satisfied(row, after)
        lost += bool(was) and not now
        gained += was is False and bool(now)
    return lost, gained


def _satisfied(row: Mapping[str, object], verdict: Mapping[str, object]) -> bool | None:
    criterion = Criterion(str(row["criterion"]), int(str(row["points"])))
    return is_satisfied(criterion, Verdict(verdict["verdict"]))  # type: ignore[arg-type]
