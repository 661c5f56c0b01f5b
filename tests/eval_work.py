"""Work for the evaluation's batches: a data file, a model whose every part can be told apart, and what the server saw of it.

The model writes a draft; as the agent's critic it wants the words of `WANTED`, of which each revision adds one; as its own critic,
without principles, it wants those of `OWN`. As a grader it looks for the words that a criterion quotes.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scripted_model import client_of
from toy_rubrics import toy_seeds

from agent.config import Settings
from agent.llm import llm_engine
from agent.state import AgentContext
from agent.testing import FakeServer, Fault, Reply
from evals.batch.case_rows import write_rows
from evals.rehearsed import RehearsedModel
from principles_store.library import SHIPPED

Row = dict[str, Any]
WANTED = ("alpha", "beta", "gamma")
OWN = ("delta", "epsilon", "zeta")
DRAFT = "A plain draft."
SETTINGS = Settings(model="openai:fake", library=SHIPPED / "uncertainty.yaml")
"""A part of the library, since every plan reads it anew; the context has the whole of it."""
RUBRIC = [
    *({"criterion": f'Says "{word}"', "points": 4, "tags": ["axis:completeness"]} for word in WANTED),
    *({"criterion": f'Says "{word}"', "points": 2, "tags": ["axis:accuracy"]} for word in OWN),
    {"criterion": 'Says "harm"', "points": -6, "tags": ["axis:accuracy"]},
]


def data_rows(count: int, **more: Any) -> list[Row]:
    """Return rows of a data set that say which they are."""
    return [
        {
            "prompt_id": f"p{number}",
            "prompt": [{"role": "user", "content": f"My head has hurt since noon (case {number}). What can I take?"}],
            "rubrics": RUBRIC,
            "example_tags": ["theme:hedging"],
            "canary": "canary-1",
            **more,
        }
        for number in range(count)
    ]


def data_file(folder: Path, rows: list[Row]) -> Path:
    return write_rows(rows, folder / "data.jsonl")


def job_of(body: Mapping[str, Any]) -> str:
    """Return which part of the work a request is: draft, CRITIQUE, REVISE, JUDGE, problems, rewriting, choice or grade."""
    first = body["messages"][1]["content"] if len(body["messages"]) > 1 else ""
    if task := re.search(r"^Task: ([A-Z]+)\s*\Z", first, re.MULTILINE):
        return task[1]
    marks = {"Criticise the draft": "problems", "Rewrite the draft": "rewriting", "the better answer": "choice"}
    return next((job for mark, job in (marks | {"Task: judge": "grade"}).items() if mark in first), "draft")


def case_of(body: Mapping[str, Any]) -> int:
    found = re.search(r"\(case (\d+)\)", "\n".join(str(message["content"]) for message in body["messages"]))
    return int(found[1]) if found else -1


def inside(tag: str, text: str) -> str:
    """Return what is between a tag and its end, without the numbers of segments."""
    found = re.search(rf"<{tag}\b[^>]*>\n(.*?)\n</{tag}>", text, re.DOTALL)
    return re.sub(r"\[\d+\] ?", "", found[1]).strip() if found else ""


@dataclass
class PartModel:
    """Plays every part; `faults` has something else to say to a case's job."""

    faults: Callable[[int, str], Fault | Reply | str | None] = lambda case, job: None
    delay_s: float = 0.0
    bodies: list[Mapping[str, Any]] = field(default_factory=list)
    rehearsed: RehearsedModel = field(default_factory=RehearsedModel)

    def __call__(self, body: Mapping[str, Any]) -> Fault | Reply | str:
        self.bodies.append(body)
        if (said := self.faults(case_of(body), job_of(body))) is not None:
            return said
        return replace(self._reply(body), delay_s=self.delay_s)

    @property
    def jobs(self) -> Counter[str]:
        """How often each job was asked for."""
        return Counter(map(job_of, self.bodies))

    def prompts(self, job: str) -> list[str]:
        return [body["messages"][-1]["content"] for body in self.bodies if job_of(body) == job]

    @property
    def asked_twice(self) -> list[str]:
        """What was asked, and so paid for, more than once; grading has the same answer to judge more than once."""
        texts = Counter(json.dumps(body["messages"]) for body in self.bodies if job_of(body) != "grade")
        return [text for text, count in texts.items() if count > 1]

    def _reply(self, body: Mapping[str, Any]) -> Reply:
        job, last = job_of(body), body["messages"][-1]["content"]
        if job == "draft":
            return Reply(DRAFT)
        if job == "grade":
            return self.rehearsed(body)
        return Reply(json.dumps(getattr(self, f"_{job.lower()}")(last)), chunk_size=500)

    def _critique(self, prompt: str) -> dict[str, Any]:
        draft = inside("draft", prompt)
        return {"criteria": [_criterion(word, word in draft) for word in WANTED]}

    def _revise(self, prompt: str) -> dict[str, Any]:
        word = _missing(WANTED, inside("draft", prompt))
        number = WANTED.index(word) + 1
        edit = {"criterion": number, "op": "ADD", "first": 1, "last": 1, "shape": "sentence", "why": "wanted"}
        return {"edits": [edit | {"text": f"It is {word}."}]}

    def _judge(self, prompt: str) -> dict[str, Any]:
        answers = {part[0]: part.split("</answer>", 1)[0] for part in prompt.split('<answer name="')[1:]}
        words = [word for word in WANTED if word in inside("rubric", prompt)]

        def verdict(holds: bool) -> dict[str, Any]:
            return {"reason": "so", "evidence": [1], "verdict": "met" if holds else "unmet"}

        return {
            "verdicts": [
                {"criterion": n, "answers": {label: verdict(word in text) for label, text in answers.items()}}
                for n, word in enumerate(words, start=1)
            ]
        }

    def _problems(self, prompt: str) -> dict[str, Any]:
        draft = inside("draft", prompt)
        return {"problems": [f"nothing of {word}" for word in OWN if word not in draft]}

    def _rewriting(self, prompt: str) -> dict[str, Any]:
        draft = inside("draft", prompt)
        return {"answer": f"{draft} It is {_missing(OWN, draft)}."}

    def _choice(self, prompt: str) -> dict[str, Any]:
        first, second = (len(part.split("</answer>", 1)[0]) for part in prompt.split("<answer ")[1:])
        return {"reason": "so", "better": "A" if first > second else "B"}


def _criterion(word: str, holds: bool) -> dict[str, Any]:
    return {
        "principle": 0, "criterion": f"Says {word}", "points": 5, "reason": "so", "evidence": [1],
        "verdict": "met" if holds else "unmet", "fix": "" if holds else f"say {word}",
    }  # fmt: skip


def _missing(words: tuple[str, ...], text: str) -> str:
    return next(word for word in words if word not in text)


def agent_on(
    context: AgentContext, server: FakeServer, *, settings: Settings = SETTINGS, **client: Any
) -> AgentContext:
    """Return the agent with a model on the server, and the bounds of the settings."""
    model, limits = client_of(server, **{"max_attempts": 1, **client}), settings.limits()
    engine = llm_engine(model, model, limits=limits)
    return replace(context, engine=engine, limits=limits, k=10, seeds=toy_seeds(context.embedder))


def rows_in(output: Path) -> list[Row]:
    """Return the rows of an output, in the order of their ids."""
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    return sorted(rows, key=lambda row: str(row["id"]))
