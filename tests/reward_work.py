"""Work for the reward: batches as TRL hands them over, and a judge over real HTTP that follows a rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from chat_client import open_client

from agent.testing import FakeServer
from evals.grading.model import ModelGrader
from training.alignment.config import RewardSection
from training.alignment.judging import Patience
from training.alignment.jury import Jury
from training.alignment.kept_verdicts import KeptVerdicts
from training.alignment.reward_report import GOLD, TRAIN
from training.reward import RubricReward

END = 2
"""The token that ends a completion."""
RUBRIC = (
    {"criterion": "Says paracetamol", "points": 5, "axis": "accuracy", "principle_id": "p-dose"},
    {"criterion": "Says aspirin", "points": -4, "axis": "accuracy", "principle_id": None},
    {"criterion": "Says doctor", "points": 5, "axis": "completeness", "principle_id": "p-refer"},
)
EAGER = Patience(first_wait_s=0.05, longest_wait_s=0.1, for_one_s=0.5)
Batch = dict[str, Any]


def batch(texts: Sequence[str], *, split: str = TRAIN, rubric: Any = RUBRIC, **more: Any) -> Batch:
    """Return what TRL calls the reward with; each completion is of a question of its own."""
    rows = [f"q{number}" for number in range(len(texts))]
    return {
        "prompts": [[{"role": "user", "content": f"What can I take? ({row})"}] for row in rows],
        "completions": [[{"role": "assistant", "content": text}] for text in texts],
        "completion_ids": [[7, END]] * len(texts),
        "id": rows,
        "split": [split] * len(texts),
        "rubric": [list(rubric)] * len(texts),
        **more,
    }


def rules(**given: Any) -> RewardSection:
    """Return the section of a config."""
    return RewardSection.model_validate({"judge": "openai:fake"} | given)


def open_jury(
    server: FakeServer | str,
    kept: KeptVerdicts,
    *,
    split: str = TRAIN,
    deadline_s: float = 10.0,
    concurrency: int = 8,
    patience: Patience = EAGER,
    attempts: int = 3,
    **client: Any,
) -> Jury:
    """Return the judge on the server."""
    grader = ModelGrader(open_client(server, **{"max_attempts": 2} | client), attempts=attempts)
    return Jury(grader, "the fake", split, concurrency, deadline_s, kept, patience)


def open_reward(
    server: FakeServer | str, folder: Path, given: Mapping[str, Any] | None = None, **jury: Any
) -> RubricReward:
    """Return the reward by the judge on the server."""
    kept = KeptVerdicts(folder / "verdicts-0.sqlite")
    juries = {split: open_jury(server, kept, split=split, **jury) for split in (TRAIN, GOLD)}
    return RubricReward(rules(**given or {}), juries, folder, end_tokens={END})


def logged() -> tuple[dict[str, float], Callable[[str, float], None]]:
    """Return metrics, and what TRL gives for logging them."""
    metrics: dict[str, float] = {}
    return metrics, metrics.__setitem__
