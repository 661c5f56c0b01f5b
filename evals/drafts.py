"""What the agent does to real drafts: how many it changes, how long they get, and that nothing is lost on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from agent.api import invoke
from agent.edit import Edit
from agent.guard import unnamed_losses
from agent.judge import Judge, checked_verdicts
from agent.ledger import Ledger
from agent.rubric import Criterion, is_satisfied
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
    """Criteria that the draft satisfied and the answer does not, both judged once more after the run."""
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
        lost, gained = _changed_criteria(example, output, context.engine.judge)
        figures.lost_criteria += lost
        figures.gained_criteria += gained
    return figures


def _changed_criteria(example: Example, output: AgentOutput, judge: Judge) -> tuple[int, int]:
    """Return how many criteria were lost and gained between draft and answer, both judged once more."""
    rubric = [Criterion(row["criterion"], row["points"], row["principle_id"]) for row in output["rubric"]]
    texts = [output["draft"], output["answer"]]
    draft, answer = checked_verdicts(judge, example.conversation, texts, rubric, ledger=Ledger())
    lost = gained = 0
    for criterion, before, after in zip(rubric, draft, answer, strict=True):
        was, now = is_satisfied(criterion, before), is_satisfied(criterion, after)
        lost += bool(was) and not now
        gained += was is False and bool(now)
    return lost, gained
