"""What the agent costs over the model it calls: time beside the calls, and calls and tokens beside a naive loop.

The model is a fake server on loopback that takes a fixed time per call, so whatever is on top is ours: the graph, the encoder, the
HTTP client. Beside it, in the same run, a loop of three calls that anybody would write by hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import httpx

from agent.api import invoke
from agent.chat import ChatClient
from agent.engine import Case
from agent.ledger import Limits
from agent.llm import llm_engine
from agent.request import asked_form
from agent.retrieval import retrieve_principles
from agent.state import AgentContext
from agent.testing import FakeServer
from evals.rehearsed import RehearsedModel
from principles_store.conversation import Conversation, parse_conversation

Question = str | Conversation


@dataclass(frozen=True)
class Overhead:
    """Seconds per answer on top of the time that the server took; medians and 10th to 90th percentile."""

    n: int
    call_seconds: float
    agent: float
    agent_spread: tuple[float, float]
    encoding: float
    """Of the agent's seconds, those that labelling the scenario and finding the principles take: mostly the encoder."""
    encoding_spread: tuple[float, float]
    bare_loop: float
    bare_loop_spread: tuple[float, float]

    @property
    def share(self) -> float:
        """Of the agent's overhead in the time of an answer."""
        return self.agent / (3 * self.call_seconds + self.agent)


@dataclass(frozen=True)
class Calls:
    """Calls and prompt tokens per revised answer; a token is four characters, for both alike."""

    n: int
    agent_calls: float
    agent_prompt_tokens: float
    naive_calls: float
    naive_prompt_tokens: float


def measure_overhead(
    pairs: Sequence[tuple[Question, str]], context: AgentContext, *, call_seconds: float = 1.0
) -> Overhead:
    """Revise every draft with three calls of a fixed length, in turn with the bare loop on the same texts."""
    ours, encoding, bare = [], [], []
    with FakeServer(RehearsedModel(call_seconds)) as server, httpx.Client(timeout=60) as http:
        agent = with_model(context, server)
        _three_calls(http, server.base_url, pairs[0])
        invoke(pairs[0][0], draft=pairs[0][1], context=agent)
        for question, draft in pairs:
            context.embedder.forget()
            ours.append(_seconds(lambda: _checked(invoke(question, draft=draft, context=agent))))  # noqa: B023
            context.embedder.forget()
            encoding.append(_seconds(lambda: _scenario_and_principles(question, agent)))  # noqa: B023
            bare.append(_seconds(lambda: _three_calls(http, server.base_url, (question, draft))))  # noqa: B023
    ours, bare = ([seconds - 3 * call_seconds for seconds in times] for times in (ours, bare))
    figures = [figure for values in (ours, encoding, bare) for figure in (median(values), _spread(values))]
    return Overhead(len(pairs), call_seconds, *figures)  # type: ignore[arg-type]


def measure_calls(pairs: Sequence[tuple[Question, str]], context: AgentContext) -> Calls:
    """Count calls and prompt tokens of the agent and of a loop with one call per criterion, on the same rubrics."""
    ours, naive = [], []
    with FakeServer(RehearsedModel()) as server:
        agent = with_model(context, server)
        for question, draft in pairs:
            output = _checked(invoke(question, draft=draft, context=agent))
            ours.append((output["usage"]["calls"], output["usage"]["input_tokens"]))
            naive.append(_naive(_plain(question), draft, [row["criterion"] for row in output["rubric"]]))
    mean = [sum(column) / len(pairs) for column in (*zip(*ours, strict=True), *zip(*naive, strict=True))]
    return Calls(len(pairs), *mean)


def with_model(context: AgentContext, server: FakeServer) -> AgentContext:
    """Return the context with the LLM engine on a fake server."""
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    model = ChatOpenAI(
        model="fake", base_url=server.base_url, api_key=SecretStr("none"), max_retries=0, stream_usage=True
    )
    client, limits = ChatClient(model, "openai:fake"), Limits()
    return replace(context, engine=llm_engine(client, client, limits=limits), limits=limits, k=10)


def _checked(output: Any) -> Any:
    if not output["accepted"] or output["usage"]["calls"] != 3:
        raise RuntimeError(f"the rehearsed run went otherwise: {output['stopped_because']}, {output['warnings']}")
    return output


def _scenario_and_principles(question: Question, context: AgentContext) -> None:
    conversation = parse_conversation(question)
    case = Case(conversation, context.classifier.classify(conversation), asked_form(conversation))
    retrieve_principles(case, context.index, context.embedder, draft=None, k=context.k, wide=True)


def _three_calls(http: httpx.Client, base_url: str, pair: tuple[Question, str]) -> None:
    """Ask three times, as a loop written by hand would: no graph, no principles, no checks."""
    for task in ("Criticise this answer.", "Rewrite it.", "Which is better?"):
        text = f"{_plain(pair[0])}\n\n{pair[1]}\n\n{task}"
        body = {"model": "fake", "messages": [{"role": "user", "content": text}]}
        http.post(f"{base_url}/chat/completions", json=body).raise_for_status()


def _plain(question: Question) -> str:
    return question if isinstance(question, str) else "\n".join(message["content"] for message in question)


def _naive(question: str, draft: str, criteria: Sequence[str]) -> tuple[int, float]:
    """Return calls and prompt tokens of judging draft and rewriting one criterion a call, with one call to rewrite."""
    judging = "Does the answer meet this criterion? Reply with JSON: explanation and criteria_met, true or false."
    per_criterion = [len(question) + len(draft) + len(judging) + len(text) for text in criteria]
    rewriting = len(question) + len(draft) + sum(map(len, criteria)) + len("Rewrite the answer so that it meets these.")
    return 2 * len(criteria) + 1, (2 * sum(per_criterion) + rewriting) / 4


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _spread(values: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return ordered[len(ordered) // 10], ordered[-1 - len(ordered) // 10]
