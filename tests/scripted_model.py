"""A model for the LLM engine, scripted job by job, behind the real fake server: what it says is ours, how it is asked is real."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_openai import ChatOpenAI

from agent.chat import ChatClient
from agent.ledger import Limits
from agent.llm import llm_engine
from agent.seeds import Seeds
from agent.state import AgentContext
from agent.testing import FakeServer
from agent.testing_replies import Scripted

Said = Scripted | dict[str, Any]


def criterion(
    text: str, *, points: int = 5, verdict: str = "unmet", fix: str = "after [1] say so", principle: int = 0
) -> dict[str, Any]:
    return {
        "principle": principle, "criterion": text, "points": points, "reason": "because", "evidence": [1],
        "verdict": verdict, "fix": fix if verdict == "unmet" else "",
    }  # fmt: skip


def critique(*criteria: Mapping[str, Any]) -> dict[str, Any]:
    return {"criteria": list(criteria)}


def edit(
    op: str, first: int, text: str = "", *, last: int | None = None, criterion: int = 1, shape: str = "sentence"
) -> dict[str, Any]:
    return {
        "criterion": criterion, "op": op, "first": first, "last": first if last is None else last,
        "shape": shape, "text": text, "why": "it matters",
    }  # fmt: skip


def edits(*given: Mapping[str, Any]) -> dict[str, Any]:
    return {"edits": list(given)}


def judgement(*rows: Mapping[str, str]) -> dict[str, Any]:
    """Return the verdicts per criterion, as {"A": "met", "B": "unmet"}."""
    return {
        "verdicts": [
            {
                "criterion": n,
                "answers": {label: {"reason": "so", "evidence": [1], "verdict": value} for label, value in row.items()},
            }
            for n, row in enumerate(rows, start=1)
        ]
    }


def judged_by(word: str, prompt: str, *, criteria: int = 1) -> dict[str, Any]:
    """Judge as a real judge would for the criterion "the answer says `word`": by what stands in each answer."""
    answers = prompt.split('<answer name="')[1:]
    verdicts = {part[0]: "met" if word in part.split("</answer>")[0] else "unmet" for part in answers}
    return judgement(*[verdicts] * criteria)


@dataclass
class ScriptedModel:
    """Says what it is told to, job by job; a list is said in turn, its last item for ever."""

    critique: Said | Sequence[Said]
    revise: Said | Sequence[Said] = field(default_factory=edits)
    judge: Said | Callable[[str], Said] | Sequence[Said] = field(default_factory=dict)
    draft: Said = "A drafted answer. Rest well."
    asked: list[str] = field(default_factory=list)
    """The jobs in order."""
    prompts: list[str] = field(default_factory=list)
    """Their last user messages."""

    def __call__(self, body: Mapping[str, Any]) -> Scripted:
        messages = body["messages"]
        first = messages[1]["content"] if len(messages) > 1 else ""
        job = first.rsplit("Task: ", 1)[-1].strip().lower() if "Task: " in first else "draft"
        said: Any = getattr(self, job)
        if isinstance(said, list):
            said = said[min(self.asked.count(job), len(said) - 1)]
        self.asked.append(job)
        self.prompts.append(messages[-1]["content"])
        if callable(said) and not isinstance(said, type):
            said = said(messages[-1]["content"])
        return json.dumps(said) if isinstance(said, dict) else said


def client_of(server: FakeServer, **options: Any) -> ChatClient:
    model = ChatOpenAI(model="fake", base_url=server.base_url, api_key="none", max_retries=0, stream_usage=True)
    return ChatClient(model, "openai:fake", **{"backoff_s": 0.01, **options})


def with_model(
    context: AgentContext,
    server: FakeServer,
    *,
    limits: Limits | None = None,
    seeds: Seeds | None = None,
    **options: Any,
) -> AgentContext:
    """Return the context with an LLM engine on the server."""
    client, limits = client_of(server, **options), limits or Limits()
    engine = llm_engine(client, client, limits=limits)
    return replace(context, engine=engine, limits=limits, k=10, seeds=seeds or context.seeds)
