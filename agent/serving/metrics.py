"""What the server counts for Prometheus, in a registry of its own; numbers and fixed labels only, no text of anyone."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from agent.events import StageEvent
from agent.serving.openai_errors import Outcome

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one server."""

    def __init__(self, *, in_flight: Callable[[], int], waiting: Callable[[], int]) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "clinalign_requests", "Chat requests by how they ended.", ["outcome"], registry=registry
        )
        self._seconds = Histogram(
            "clinalign_request_seconds",
            "From a chat request's arrival to its last byte.",
            ["outcome"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._answers = Counter(
            "clinalign_answers", "Answers: revision accepted, or draft kept.", ["result"], registry=registry
        )
        self._calls = Counter("clinalign_model_calls", "Model calls by step.", ["step"], registry=registry)
        self._call_seconds = Counter(
            "clinalign_model_call_seconds", "Seconds inside model calls, by step.", ["step"], registry=registry
        )
        self._tokens = Counter(
            "clinalign_tokens", "Tokens by kind; cached ones are a part of the prompt's.", ["kind"], registry=registry
        )
        Gauge("clinalign_runs_in_flight", "Runs at work.", registry=registry).set_function(in_flight)
        Gauge("clinalign_runs_waiting", "Runs that wait for a slot.", registry=registry).set_function(waiting)
        for outcome in get_args(Outcome):
            self._requests.labels(outcome)
        for result in ("accepted", "kept"):
            self._answers.labels(result)

    def count_request(self, outcome: Outcome, seconds: float) -> None:
        """Count one chat request that has ended."""
        self._requests.labels(outcome).inc()
        self._seconds.labels(outcome).observe(seconds)

    def count_stage(self, event: StageEvent) -> None:
        """Count what one step of a run has used, at once, since a run that fails later has paid for it all the same."""
        if event.stage == "finish":
            self._answers.labels("accepted" if event.data["accepted"] else "kept").inc()
            return
        for call in event.data.get("calls", ()):
            self._calls.labels(call["step"]).inc()
            self._call_seconds.labels(call["step"]).inc(call["seconds"])
            self._tokens.labels("prompt").inc(call["input_tokens"])
            self._tokens.labels("cached").inc(call["cached_input_tokens"])
            self._tokens.labels("completion").inc(call["output_tokens"])

    def text(self) -> bytes:
        """Return all of it as Prometheus reads it."""
        return generate_latest(self._registry)
