"""A training run as each of several processes does it, started by torchrun: config, folder of notes, kill_at, [resume].

Every process notes which completions it had to reward: no judge is asked, so that the notes are exact, but of held-out answers
where the reward's judge is compared with gold.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from agent.config import Settings
from training.alignment.config import load_config
from training.grpo import train

RANK = int(os.environ["RANK"])


class NotedScores:
    """Rewards different characters and notes what it was asked; the second process may kill itself at a call."""

    __name__ = "noted_scores"

    def __init__(self, notes: Path, kill_at: int, own: Any) -> None:
        self.notes, self.kill_at, self.calls, self.own = notes, kill_at, 0, own

    def __call__(self, prompts: Any, completions: Any, completion_ids: Any, **columns: Any) -> list[float | None]:
        self.calls += 1
        if RANK and self.calls == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        with (self.notes / f"rank{RANK}.jsonl").open("a", encoding="utf-8") as file:
            step = columns["trainer_state"].global_step
            for name, split, ids in zip(columns["id"], columns["split"], completion_ids, strict=True):
                file.write(json.dumps({"step": step, "id": name, "split": split, "tokens": list(ids)}) + "\n")
        if self.own.watched and "gold" in columns["split"]:
            judged: list[float | None] = self.own(prompts, completions, completion_ids, **columns)
            return judged
        return [len(set(completion[0]["content"])) / 20 for completion in completions]


def main(config: str, notes: str, kill_at: str, *resume: str) -> None:
    """Train; what a process says goes to its standard output with its rank."""
    torch.set_num_threads(1)
    end = train(
        load_config(Path(config), output=Path(config).parent / "run"),
        Settings(),
        resume=bool(resume),
        wrap=lambda own: NotedScores(Path(notes), int(kill_at), own),
        echo=lambda line: print(f"rank {RANK}: {line}", flush=True),
    )
    raise SystemExit(end.exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
