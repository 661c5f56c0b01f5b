"""What `clinalign serve` makes of many requests at once: throughput beside the ideal, errors, and how soon a client hears.

Three processes as in life: a fake model with a fixed time per call, the server with its LLM engine, and the clients here. It says
nothing about answers: the model's part is rehearsed.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import ceil
from urllib.parse import urlsplit

CALLS_PER_ANSWER = 3
_MODEL = """
import sys, threading
from agent.testing import FakeServer
from evals.rehearsed import RehearsedModel
with FakeServer(RehearsedModel(float(sys.argv[1]))) as server:
    print(server.base_url, file=sys.stderr, flush=True)
    threading.Event().wait()
"""
_SERVER = "import sys; from agent.serving.cli import serve; serve(port=0, model='openai:fake')"


@dataclass(frozen=True)
class Serving:
    """How a burst of requests went."""

    requests: int
    in_flight: int
    call_seconds: float
    seconds: float
    errors: int
    first_event_seconds: tuple[float, ...]
    """From sending a request to the first event of its stream, ascending."""

    @property
    def ideal_seconds(self) -> float:
        """Seconds if nothing but model calls took time: so many rounds of answers, one after the other."""
        return ceil(self.requests / self.in_flight) * CALLS_PER_ANSWER * self.call_seconds

    @property
    def share_of_ideal(self) -> float:
        """Throughput over the ideal one."""
        return self.ideal_seconds / self.seconds

    def first_event_ms(self, share: float) -> float:
        """Return the milliseconds within which this share of the clients had heard something."""
        return 1000 * self.first_event_seconds[min(int(share * self.requests), self.requests - 1)]


def measure_serving(
    pairs: Sequence[tuple[str, str]], *, requests: int = 200, in_flight: int = 64, call_seconds: float = 1.0
) -> Serving:
    """Have question and draft pairs revised over HTTP, so many at once; each is made unlike the others."""
    with ExitStack() as running:
        model = running.enter_context(_started(_MODEL, str(call_seconds)))
        address = running.enter_context(_started(_SERVER, OPENAI_BASE_URL=model, OPENAI_API_KEY="none"))
        bodies = [_body(*pairs[number % len(pairs)], number) for number in range(requests)]
        asyncio.run(_all_asked(address, [_body(*pairs[0], requests)], 1))  # the first one loads what is loaded late
        started = time.perf_counter()
        firsts = asyncio.run(_all_asked(address, bodies, in_flight))
        seconds = time.perf_counter() - started
    heard = [first for first in firsts if first is not None]
    errors = len(firsts) - len(heard)
    return Serving(requests, in_flight, call_seconds, seconds, errors, (*sorted(heard), *[float("inf")] * errors))


@contextmanager
def _started(code: str, *arguments: str, **environment: str) -> Iterator[str]:
    """Run a server in a process of its own; give the address that its first line on standard error ends in."""
    process = subprocess.Popen(  # noqa: S603  # our own interpreter and code
        [sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, text=True, env=os.environ | environment
    )
    try:
        assert process.stderr is not None  # noqa: S101  # it is a pipe
        yield next(word.rstrip(",") for word in process.stderr.readline().split() if word.startswith("http"))
    finally:
        process.kill()
        process.wait()


def _body(question: str, draft: str, number: int) -> bytes:
    # The number keeps the encoder from having seen it all before.
    messages = [{"role": "user", "content": f"{question} (case {number})"}]
    extension = {"draft": f"{draft} This is about case {number}."}
    asked = {"model": "clinalign/openai:fake", "messages": messages, "stream": True, "clinalign": extension}
    return json.dumps(asked).encode()


async def _all_asked(address: str, bodies: Sequence[bytes], in_flight: int) -> list[float | None]:
    gate = asyncio.Semaphore(in_flight)

    async def ask(body: bytes) -> float | None:
        async with gate:
            return await _asked(address, body)

    return await asyncio.gather(*map(ask, bodies))


async def _asked(address: str, body: bytes) -> float | None:
    """Return the seconds until the first event, None if there was no whole answer; bare, since the clients cost time too."""
    url = urlsplit(address)
    head = (
        f"POST {url.path}/chat/completions HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(head.encode() + body)
    got = b""
    while b"\n\n" not in got and (part := await reader.read(65536)):
        got += part
    first = time.perf_counter() - started
    got += await reader.read()
    writer.close()
    return first if b"data: [DONE]" in got and b'"stopped_because":"revision accepted"' in got else None
