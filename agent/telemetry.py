"""OpenTelemetry spans: one per answer and one per stage below it, with counts and names, never with anyone's words.

Nothing is imported or sent unless OTEL_EXPORTER_OTLP_ENDPOINT (or …_TRACES_ENDPOINT) is set, or the host program has set up
OpenTelemetry itself; then its provider is used. What a span says is chosen in `_facts` alone: nothing else can be added.
An error leaves its kind, not its message, which may quote a reply. The gen_ai names are those of OpenTelemetry's conventions.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from agent.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer

T = TypeVar("T")
Value = str | bool | int | float | Sequence[str]

_HTTP_PORT = 4318
"""Where collectors listen for OTLP over HTTP; anywhere else gRPC is meant, unless OTEL_EXPORTER_OTLP_PROTOCOL says otherwise."""
_EXPORT_TIMEOUT_S = 3
"""The exporter's own 10 s would hold up the end of a command when no collector is there."""


class StageSpan:
    """One span while it is open."""

    def __init__(self, span: Span | None = None) -> None:
        self._span = span

    def describe(self, update: Mapping[str, Any]) -> None:
        """Add what is known after the stage: counts and names out of its update of the state, or out of the whole output."""
        if self._span is None or not self._span.is_recording():
            return
        self._span.set_attributes(_facts(update))
        if "usage" in update:  # the whole answer, whose calls stand on its stages already
            return
        for call in update.get("calls") or ():
            self._span.add_event("model call", _call_facts(call))


@contextmanager
def stage_span(name: str) -> Iterator[StageSpan]:
    """Open a span below the current one; costs next to nothing where OpenTelemetry isn't used."""
    tracer = _tracer()
    if tracer is None:
        yield StageSpan()
        return
    # The SDK would record the exception's message and traceback.
    with tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as span:
        try:
            yield StageSpan(span)
        except BaseException as error:
            _mark_failed(span, error)
            raise


def stream_in_span(name: str, items: Iterator[T]) -> Iterator[T]:
    """Yield the items, the work on each below one span; between them the caller's own span is the current one again."""
    tracer = _tracer()
    if tracer is None:
        yield from items
        return
    from opentelemetry import context, trace

    span = tracer.start_span(name)
    inside = trace.set_span_in_context(span)
    try:
        while True:
            token = context.attach(inside)
            try:
                item = next(items)
            except StopIteration:
                return
            finally:
                context.detach(token)
            yield item
    except BaseException as error:
        _mark_failed(span, error)
        raise
    finally:
        span.end()


def configure_telemetry() -> bool:
    """Send spans to the collector that the standard OTEL_… variables name; return whether spans are sent.

    Leaves a provider alone that is already there. ConfigError if the exporter for the protocol is not installed.
    """
    endpoint = _setting("ENDPOINT")
    is_off = (
        os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    )
    if not endpoint or is_off:
        return False
    from opentelemetry import trace

    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return True
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    service = {
        "service.name": os.environ.get("OTEL_SERVICE_NAME", "clinalign"),
        "service.version": version("clinalign"),
    }
    provider = TracerProvider(resource=Resource.create(service))
    provider.add_span_processor(BatchSpanProcessor(_exporter(endpoint)))
    trace.set_tracer_provider(provider)
    return True


def _tracer() -> Tracer | None:
    trace = sys.modules.get("opentelemetry.trace")  # not imported: no one can have set up a provider
    if trace is None or isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return None
    tracer: Tracer = trace.get_tracer("clinalign")
    return tracer


def _exporter(endpoint: str) -> SpanExporter:
    protocol = _setting("PROTOCOL") or ("http/protobuf" if urlsplit(endpoint).port == _HTTP_PORT else "grpc")
    timeout = None if _setting("TIMEOUT") else _EXPORT_TIMEOUT_S
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter(timeout=timeout)
    try:
        from opentelemetry.exporter.otlp.proto.http import trace_exporter  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise ConfigError(
            f"OTLP by {protocol} needs a package: pip install opentelemetry-exporter-otlp-proto-http; "
            "or set OTEL_EXPORTER_OTLP_PROTOCOL=grpc and the collector's gRPC port (4317)"
        ) from error
    exporter: SpanExporter = trace_exporter.OTLPSpanExporter(timeout=timeout)
    return exporter


def _setting(name: str) -> str | None:
    """Return an OTLP setting; what is said for traces goes before what is said for everything."""
    return os.environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or os.environ.get(f"OTEL_EXPORTER_OTLP_{name}") or None


def _mark_failed(span: Span, error: BaseException) -> None:
    from opentelemetry.trace import StatusCode

    if isinstance(error, GeneratorExit):  # the reader of a stream has seen enough
        return
    kind = getattr(error, "fault", None) or getattr(error, "limit", None) or type(error).__name__
    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", str(kind))


def _facts(update: Mapping[str, Any]) -> dict[str, Value]:
    """Return what may be told of an update: our own words, names of models and principles, and counts."""
    facts: dict[str, Value] = {}
    for key in ("stopped_because", "accepted", "rounds", "engine", "library_hash"):
        if update.get(key) is not None:
            facts[f"clinalign.{key}"] = update[key]
    for role, model in (update.get("models") or {}).items():
        facts[f"clinalign.model.{role}"] = model
    if update.get("principles"):
        facts["clinalign.principles"] = [found["id"] for found in update["principles"]]
    for key in ("rubric", "edits", "warnings"):
        if update.get(key):
            facts[f"clinalign.{key}.count"] = len(update[key])
    judged = [verdict.value for verdict in (update.get("judged") or [()])[-1]]
    judged = judged or [row["verdict"] for row in (update.get("critiques") or [()])[-1]]
    facts |= {f"clinalign.verdicts.{value}": count for value, count in Counter(judged).items()}
    if usage := update.get("usage"):
        facts["gen_ai.usage.input_tokens"] = usage["input_tokens"]
        facts["gen_ai.usage.output_tokens"] = usage["output_tokens"]
        facts["clinalign.calls"] = usage["calls"]
    return facts


def _call_facts(call: Mapping[str, Any]) -> dict[str, Value]:
    """Return what may be told of a call record."""
    own = ("step", "prompt", "prompt_hash", "attempts", "seconds", "cached_input_tokens", "reasoning_tokens")
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": call["model"],
        "gen_ai.usage.input_tokens": call["input_tokens"],
        "gen_ai.usage.output_tokens": call["output_tokens"],
        **{f"clinalign.call.{name}": call[name] for name in own},
    }
