"""Spans: one tree per answer, in any thread, sent to a real collector on loopback, and not a word of the conversation in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import agent
from agent import telemetry
from agent.errors import ConfigError, ModelError
from agent.rubric import Verdict
from agent.state import AgentContext
from agent.telemetry import configure_telemetry, stage_span, stream_in_span

SECRET = "Zebrowska-private-words"
CALL = {
    "step": "critique",
    "model": "openai:tiny",
    "prompt": "critique",
    "prompt_hash": "abc",
    "sampling": {"stop": SECRET},
    "attempts": 2,
    "seconds": 1.5,
    "input_tokens": 100,
    "cached_input_tokens": 60,
    "output_tokens": 20,
    "reasoning_tokens": 0,
    "finish_reason": SECRET,
}
OUTPUT = {
    "answer": SECRET,
    "draft": SECRET,
    "accepted": True,
    "stopped_because": "revision accepted",
    "scenario": {"theme": SECRET},
    "principles": [{"id": "p1", "title": SECRET, "why": [SECRET]}],
    "rubric": [{"criterion": SECRET, "points": 3}],
    "critiques": [[{"verdict": "unmet", "reason": SECRET}], [{"verdict": "met", "reason": SECRET}]],
    "edits": [{"before": SECRET, "after": SECRET}],
    "rounds": 1,
    "usage": {"calls": 3, "input_tokens": 100, "output_tokens": 20, "cost": 0, "seconds": 2},
    "calls": [CALL],
    "engine": "llm",
    "models": {"writer": "openai:tiny", "judge": "openai:other"},
    "library_hash": "0123",
    "warnings": [SECRET],
    "unheard_of": SECRET,
}


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Return where this test's spans end up, by a provider of its own: the global one can be set only once per process."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "_tracer", lambda: provider.get_tracer("tests"))
    return exporter


def parents(spans: tuple[ReadableSpan, ...]) -> dict[str, str | None]:
    """Return each span's name with its parent's."""
    names = {span.context.span_id: span.name for span in spans if span.context}
    return {span.name: names[span.parent.span_id] if span.parent else None for span in spans}


def test_stages_stand_under_their_answer(exported: InMemorySpanExporter) -> None:
    with stage_span("answer"):
        with stage_span("retrieve"):
            pass
        with stage_span("critique"):
            pass
    assert parents(exported.get_finished_spans()) == {"retrieve": "answer", "critique": "answer", "answer": None}


def test_a_streamed_answer_leaves_the_readers_own_span_alone(exported: InMemorySpanExporter) -> None:
    def work() -> Iterator[int]:
        for number in range(2):
            with stage_span(f"stage {number}"):
                pass
            yield number

    with stage_span("reader"):
        for number in stream_in_span("answer", work()):
            with stage_span(f"reading {number}"):
                pass
    tree = parents(exported.get_finished_spans())
    assert tree == {
        "reader": None, "answer": "reader", "stage 0": "answer", "stage 1": "answer", "reading 0": "reader", "reading 1": "reader"
    }  # fmt: skip


def test_a_stream_left_early_ends_its_span_without_fault(exported: InMemorySpanExporter) -> None:
    events = stream_in_span("answer", iter(range(9)))
    next(events)
    events.close()  # type: ignore[attr-defined]
    (span,) = exported.get_finished_spans()
    assert span.status.is_unset


def test_a_stage_tells_counts_and_names_only(exported: InMemorySpanExporter) -> None:
    with stage_span("answer") as answer, stage_span("critique") as stage:
        stage.describe(
            {"calls": [CALL], "judged": [(Verdict("met", SECRET, SECRET), Verdict("unknown"))], "case": SECRET}
        )
        answer.describe(OUTPUT)
    critique, whole = exported.get_finished_spans()
    assert SECRET not in critique.to_json() + whole.to_json()
    assert dict(critique.attributes or {}) == {"clinalign.verdicts.met": 1, "clinalign.verdicts.unknown": 1}
    (event,) = critique.events
    assert (event.attributes or {})["gen_ai.usage.input_tokens"] == 100
    assert (event.attributes or {})["clinalign.call.prompt_hash"] == "abc"
    assert not whole.events
    assert dict(whole.attributes or {}) == {
        "clinalign.stopped_because": "revision accepted",
        "clinalign.accepted": True,
        "clinalign.rounds": 1,
        "clinalign.engine": "llm",
        "clinalign.library_hash": "0123",
        "clinalign.model.writer": "openai:tiny",
        "clinalign.model.judge": "openai:other",
        "clinalign.principles": ("p1",),
        "clinalign.rubric.count": 1,
        "clinalign.edits.count": 1,
        "clinalign.warnings.count": 1,
        "clinalign.verdicts.met": 1,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "clinalign.calls": 3,
    }


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ModelError(SECRET, "malformed reply"), "malformed reply"),
        (ValueError(SECRET), "ValueError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_an_error_leaves_its_kind_and_not_its_message(
    exported: InMemorySpanExporter, error: BaseException, kind: str
) -> None:
    def failing() -> Iterator[int]:
        with stage_span("revise"):
            raise error
        yield 1

    with pytest.raises(type(error)):
        list(stream_in_span("answer", failing()))
    for span in exported.get_finished_spans():
        assert (span.attributes or {})["error.type"] == kind
        assert not span.status.is_ok and not span.status.is_unset
        assert SECRET not in span.to_json()


def test_without_opentelemetry_a_span_costs_next_to_nothing() -> None:
    started = time.perf_counter()
    for _ in range(1000):
        with stage_span("critique") as stage:
            stage.describe(OUTPUT)
    assert time.perf_counter() - started < 0.05


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_is_sent_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert configure_telemetry() is False
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
    ],
)
def test_a_missing_exporter_is_one_line_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="pip install opentelemetry-exporter-otlp-proto-http") as raised:
        configure_telemetry()
    assert "\n" not in str(raised.value)


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what is exported to it."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name in the protocol
        self.requests.append((request, dict(context.invocation_metadata())))
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def collector() -> Iterator[tuple[Collector, int]]:
    """Yield an OTLP/gRPC collector on loopback and its port."""
    server, servicer = grpc.server(futures.ThreadPoolExecutor(2)), Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, port
    server.stop(None)


PROGRAM = f"""
from agent.telemetry import configure_telemetry, stage_span
import sys
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
print(configure_telemetry())
with stage_span("answer") as answer:
    with stage_span("critique"): pass
    answer.describe({OUTPUT!r})
"""


def run_program(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own, whose end sends what has been gathered."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_collector_gets_the_spans_and_no_words(collector: tuple[Collector, int]) -> None:
    kept, port = collector
    done = run_program(
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", OTEL_EXPORTER_OTLP_HEADERS="x-key=hidden"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
    ((request, metadata),) = kept.requests
    assert metadata["x-key"] == "hidden"
    (resource,) = request.resource_spans
    spans = {span.name: span for scope in resource.scope_spans for span in scope.spans}
    assert spans["critique"].parent_span_id == spans["answer"].span_id
    assert spans["critique"].trace_id == spans["answer"].trace_id
    assert 'value { string_value: "clinalign" }' in " ".join(str(resource.resource).split()).replace(
        "value {", "value {", 1
    )
    assert SECRET.encode() not in request.SerializeToString() and b"hidden" not in request.SerializeToString()


def test_a_collector_that_is_not_there_neither_breaks_nor_delays_the_run_for_long() -> None:
    started = time.monotonic()
    done = run_program(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (0, "True\n")
    assert time.monotonic() - started < 10


def test_an_answer_is_one_tree_of_its_stages(exported: InMemorySpanExporter, context: AgentContext) -> None:
    question = f"I am {SECRET} and have had a headache since Monday. What can I take?"
    agent.invoke(question, draft="Take ibuprofen 400 mg.", context=context)
    list(agent.stream(question, draft="Take ibuprofen 400 mg.", context=context))
    spans = exported.get_finished_spans()
    roots = [span for span in spans if span.name == "answer"]
    assert len(roots) == 2 and all(span.parent is None for span in roots)
    for root in roots:
        below = [span.name for span in spans if span.parent and span.parent.span_id == root.context.span_id]
        assert below[:4] == ["classify", "write_draft", "retrieve", "write_rubric"] and below[-1] == "finish"
    assert SECRET not in json.dumps([span.to_json() for span in spans])
