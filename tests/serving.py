"""A real server on loopback for the tests, and an engine that does in each step what a test wants."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import httpx
import uvicorn
from fakes import Bench, FakeJudge, bench, edited, says
from openai import AsyncOpenAI, OpenAI

from agent.engine import Case
from agent.events import DraftToken
from agent.ledger import CallRecord, Ledger
from agent.server import ServerOptions, build_server
from agent.serving.cli import listen, url
from agent.state import AgentContext

QUESTION = "Is a resting pulse of 58 normal for a fit adult?"
EMERGENCY = "He has crushing chest pain and can't breathe"
DRAFT = "Yes. Rest well and see your doctor once in a while about your heart."
ANSWER = "Yes. Sleep well and see your doctor once in a while about your heart."
ASKED = [{"role": "user", "content": QUESTION}]

HTTP = httpx.Client(verify=False, timeout=20)
"""One for all: each new client reads the machine's certificates, which takes longer than most tests."""

Act = Callable[[str, Ledger], None]
"""Done in the steps draft, critique, revise and judge, before their work."""


@dataclass
class Actor:
    """Acts where an engine would call its model, and records the call."""

    act: Act
    steps: list[str] = field(default_factory=list)

    def __call__(self, step: str, ledger: Ledger) -> None:
        self.steps.append(step)
        self.act(step, ledger)
        ledger.record(CallRecord(step, "fake:model", "", "", {}, 1, 0.5, 100, 40, 10, 3, "stop"))


@dataclass
class ActingJudge(FakeJudge):
    actor: Actor = field(default_factory=lambda: Actor(quick))

    def judge(self, conversation: Any, answers: Any, rubric: Any, *, ledger: Ledger) -> Any:
        self.actor("critique" if len(answers) == 1 else "judge", ledger)
        return [[self._verdict(answer, criterion.text) for criterion in rubric] for answer in answers]


@dataclass
class ActingReviser:
    actor: Actor

    def revise(self, case: Case, draft: str, *rest: Any, ledger: Ledger, **more: Any) -> Any:
        self.actor("revise", ledger)
        return edited("Rest", "Sleep", draft)


@dataclass
class ActingDrafter:
    actor: Actor

    def draft(self, case: Case, *, ledger: Ledger, on_token: Callable[[DraftToken], None]) -> str:
        for word in DRAFT.split(" "):
            on_token(DraftToken(f"{word} "))
        self.actor("draft", ledger)
        return DRAFT


def quick(step: str, ledger: Ledger) -> None:
    """Return at once."""


def acting(context: AgentContext, act: Act = quick) -> AgentContext:
    """Return a context whose engine revises DRAFT to ANSWER in three calls, and acts in each."""
    made: Bench = bench(context, {"Says to sleep.": says("Sleep")})
    actor = Actor(act)
    engine = replace(
        made.context.engine,
        drafter=ActingDrafter(actor),
        judge=ActingJudge(made.judge.rules, actor=actor),
        reviser=ActingReviser(actor),
        model_name="fake:model",
    )
    return replace(made.context, engine=engine, clock=time.monotonic)


@dataclass
class Served:
    """A server that listens."""

    url: str
    model: str
    key: str = "any"

    @cached_property
    def client(self) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, timeout=20)

    @property
    def async_client(self) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, timeout=20)

    def body(self, **more: Any) -> dict[str, Any]:
        """Return the body of a request that has DRAFT revised."""
        return {"model": self.model, "messages": ASKED, "clinalign": {"draft": DRAFT}} | more

    def post(self, **more: Any) -> httpx.Response:
        return HTTP.post(f"{self.url}/v1/chat/completions", json=self.body(**more))

    def health(self) -> dict[str, Any]:
        return HTTP.get(f"{self.url}/health").json()

    def metric(self, line: str) -> float:
        """Return the value of one line of the metrics, by all that stands before it."""
        headers = {"authorization": f"Bearer {self.key}"}
        lines = HTTP.get(f"{self.url}/metrics", headers=headers).text.splitlines()
        return next((float(each.rsplit(" ", 1)[1]) for each in lines if each.rsplit(" ", 1)[0] == line), 0.0)


@contextmanager
def served(context: AgentContext, **options: Any) -> Iterator[Served]:
    """Serve on a free port until the block ends."""
    listener = listen("127.0.0.1", 0)
    app = build_server(context, ServerOptions(**options))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    assert eventually(lambda: server.started)
    try:
        yield Served(url(listener), app.state.model, *options.get("keys", ())[:1])
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def eventually(holds: Callable[[], Any], within_s: float = 5.0) -> bool:
    """Tell whether something comes to hold in time."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.01)
    return False
