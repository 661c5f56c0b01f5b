"""The answer of OpenAI's chat completions: whole, in chunks, and what it cost. Only shapes; nothing is run or sent here.

The agent's events become chunks: the checked answer is the delta, all else stands in our field `clinalign` with an empty delta.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from agent.events import (
    AnswerToken,
    DraftToken,
    EditProposed,
    Event,
    PrincipleFound,
    StageEvent,
    UsageSpent,
    VerdictGiven,
)
from agent.state import DISCLAIMER, EMERGENCY_NOTICE

PIECE_CHARACTERS = 48
"""Of the answer per chunk, at least: it is there as a whole once it has passed the check."""
_TOKENS = {
    "prompt_tokens": "input_tokens",
    "cached_tokens": "cached_input_tokens",
    "completion_tokens": "output_tokens",
    "reasoning_tokens": "reasoning_tokens",
}
"""Of a step in `usage`, and where a call's record has it."""


@dataclass(frozen=True)
class Reply:
    """What all parts of one answer share."""

    model: str
    ignored: Sequence[str] = ()
    """Fields of the request that had no effect."""
    thread: str | None = None
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def completion(self, output: Mapping[str, Any]) -> dict[str, Any]:
        """Return the whole answer of a request without streaming."""
        message = {"role": "assistant", "content": output["answer"], "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        head = self._head("chat.completion") | {"choices": [choice], "usage": usage_object(output)}
        return head | {"clinalign": self.extension(output)}

    def chunk(
        self,
        delta: Mapping[str, Any] | None = None,
        *,
        finish_reason: str | None = None,
        clinalign: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return one chunk of a stream."""
        choice = {"index": 0, "delta": delta or {}, "logprobs": None, "finish_reason": finish_reason}
        chunk = self._head("chat.completion.chunk") | {"choices": [choice]}
        return chunk | {"clinalign": clinalign} if clinalign else chunk

    def last_chunks(self, output: Mapping[str, Any], *, include_usage: bool) -> list[dict[str, Any]]:
        """Return the chunks that end a stream; the usage has one of its own, where the client asked for it."""
        result = {"event": "result"} | self.extension(output) | {"usage": usage_object(output)}
        usage = self._head("chat.completion.chunk") | {"choices": [], "usage": usage_object(output)}
        return [self.chunk(finish_reason="stop", clinalign=result), *([usage] if include_usage else [])]

    def extension(self, output: Mapping[str, Any]) -> dict[str, Any]:
        """Return how the answer came about: the agent's output but for what stands elsewhere in the answer."""
        told = {key: value for key, value in output.items() if key not in ("answer", "usage")}
        notice = EMERGENCY_NOTICE if _is_emergency(output) else None
        about = {"notice": notice, "disclaimer": DISCLAIMER, "ignored": list(self.ignored), "thread": self.thread}
        return told | about

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def chunks_of(events: Sequence[Event], reply: Reply) -> Iterator[dict[str, Any]]:
    """Yield the chunks of events that came together; pieces of a text that follow each other are joined."""
    for event in _joined(events):
        if isinstance(event, AnswerToken):
            yield reply.chunk({"content": event.text})
            continue
        if isinstance(event, StageEvent) and event.stage == "classify" and _is_emergency(event.data):
            yield reply.chunk(clinalign={"event": "notice", "kind": "emergency", "text": EMERGENCY_NOTICE})
        yield reply.chunk(clinalign=event_object(event))


def event_object(event: Event) -> dict[str, Any]:
    """Return an event as it stands in a chunk's `clinalign`."""
    told: dict[str, Any]
    match event:
        case StageEvent(stage, data):
            keys = () if stage == "finish" else ("scenario", "warnings")
            told = {"event": "stage", "stage": stage} | {key: data[key] for key in keys if data.get(key)}
        case DraftToken(text, restart):
            told = {"event": "draft", "text": text, "restart": restart}
        case PrincipleFound(principle):
            told = {"event": "principle", "principle": principle}
        case VerdictGiven(version, verdict):
            told = {"event": "verdict", "version": version, "verdict": verdict}
        case EditProposed(edit):
            told = {"event": "edit", "edit": edit}
        case UsageSpent(usage):
            told = {"event": "usage", "usage": usage}
        case AnswerToken(text):
            told = {"event": "answer", "text": text}
    return told


def usage_object(output: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the answer has cost, hidden calls included, and how it divides over the steps."""
    spent, calls = output["usage"], output["calls"]
    steps: dict[str, dict[str, Any]] = {}
    for call in calls:
        step = steps.setdefault(call["step"], {"model": call["model"], "calls": 0, "seconds": 0.0})
        step["calls"] += 1
        step["seconds"] = round(step["seconds"] + call["seconds"], 3)
        for name, key in _TOKENS.items():
            step[name] = step.get(name, 0) + call[key]
    return {
        "prompt_tokens": spent["input_tokens"],
        "completion_tokens": spent["output_tokens"],
        "total_tokens": spent["input_tokens"] + spent["output_tokens"],
        "prompt_tokens_details": {"cached_tokens": sum(call["cached_input_tokens"] for call in calls)},
        "completion_tokens_details": {"reasoning_tokens": sum(call["reasoning_tokens"] for call in calls)},
        "clinalign": {key: spent[key] for key in ("calls", "seconds", "cost")} | {"steps": steps},
    }


def _joined(events: Sequence[Event]) -> Iterator[Event]:
    """Yield the events with neighbouring pieces joined: a draft's all, the answer's up to a readable piece."""
    held: DraftToken | AnswerToken | None = None
    for event in events:
        match held, event:
            case DraftToken(text, restart), DraftToken(more, False):
                held = DraftToken(text + more, restart)
                continue
            case AnswerToken(text), AnswerToken(more) if len(text) < PIECE_CHARACTERS:
                held = AnswerToken(text + more)
                continue
        if held:
            yield held
        held = event if isinstance(event, DraftToken | AnswerToken) else None
        if held is None:
            yield event
    if held:
        yield held


def _is_emergency(data: Mapping[str, Any]) -> bool:
    return bool(data["scenario"]["urgency"] == "emergent")
