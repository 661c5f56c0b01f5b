"""How much of the prompts a server's prefix cache serves: the agent's real prompts, sent to a real server.

Rehearsed runs give the prompts; the server is asked for one token of reply to each and says in its usage what it took from its
cache (vLLM: `--enable-prompt-tokens-details`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from agent.api import invoke
from agent.state import AgentContext
from agent.testing import FakeServer
from evals.overhead import Question, with_model
from evals.rehearsed import RehearsedModel


@dataclass(frozen=True)
class PrefixShare:
    """Prompt tokens of each call, over all runs, and how many of them came from the cache."""

    n: int
    tokens: tuple[int, int, int]
    """Of critique, revision, judgement."""
    cached: tuple[int, int, int]

    def share(self, *calls: int) -> float:
        """Return the share of cached tokens in these calls, 0-based."""
        return sum(self.cached[call] for call in calls) / sum(self.tokens[call] for call in calls)


def measure_prefix(
    pairs: Sequence[tuple[Question, str]], context: AgentContext, *, base_url: str, model: str
) -> PrefixShare:
    """Send the prompts of rehearsed runs one after the other, run by run."""
    tokens, cached = [0, 0, 0], [0, 0, 0]
    with FakeServer(RehearsedModel()) as fake, httpx.Client(base_url=base_url, timeout=300) as server:
        agent = with_model(context, fake)
        for question, draft in pairs:
            sent = len(fake.requests)
            invoke(question, draft=draft, context=agent)
            for call, request in enumerate(fake.requests[sent : sent + 3]):
                body = {"model": model, "messages": request.body["messages"], "max_tokens": 1}
                usage = server.post("chat/completions", json=body).raise_for_status().json()["usage"]
                tokens[call] += usage["prompt_tokens"]
                cached[call] += (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return PrefixShare(len(pairs), (tokens[0], tokens[1], tokens[2]), (cached[0], cached[1], cached[2]))
