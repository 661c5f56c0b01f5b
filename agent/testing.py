"""A fake model server to test against: OpenAI's chat protocol on a loopback port, with scripted replies and faults.

    with FakeServer(["Hello", Fault.http(429, retry_after_s=1), Reply("Hi", delay_s=0.2)]) as server:
        ChatOpenAI(base_url=server.base_url, api_key="any", model="fake")

Standard library only, one thread per server; `python -m agent.testing` runs it by itself. It leaves out tools, several choices,
log probabilities and real tokens: four characters are one token.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import threading
from collections.abc import Callable, Sequence

from agent.loop_thread import start_loop
from agent.testing_http import Connection, Request
from agent.testing_replies import Body, Fault, Reply, Scripted, count_tokens


class FakeServer:
    """A server on a loopback port, from `with` to its end."""

    def __init__(
        self,
        replies: Scripted | Sequence[Scripted] | Callable[[Body], Scripted] = "",
        *,
        models: Sequence[str] = ("fake",),
        api_key: str | None = None,
        max_model_len: int = 32_768,
        port: int = 0,
    ) -> None:
        """Serve one reply for every request, a sequence one request each, or what a function makes of a request's body.

        With an `api_key` others are refused; so is a conversation of more than `max_model_len` tokens. Port 0: any free one.
        """
        self.models, self.max_model_len = tuple(models), max_model_len
        self.requests: list[Request] = []
        """Of chat completions, in the order of arrival."""
        self.disconnects = 0
        """Clients that left before their reply was complete."""
        self.in_flight = self.most_in_flight = 0
        self._replies, self._key, self._port = replies, api_key, port
        self.connections: set[Connection] = set()
        """Those open now."""

    def __enter__(self) -> FakeServer:
        self._loop = start_loop("fake model server")
        self._server = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)

    @property
    def base_url(self) -> str:
        """The address for OpenAI clients."""
        return f"http://127.0.0.1:{self._port}/v1"

    def begin(self, request: Request) -> Reply | Fault:
        """Note a request and return what is said to it."""
        self.requests.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._key is not None and sent != self._key:
            return Fault.wrong_key(sent)
        if request.body.get("model") not in self.models:
            return Fault.unknown_model(str(request.body.get("model")))
        if count_tokens(request.body) > self.max_model_len:
            return Fault.context_overflow(self.max_model_len)
        given = self._next(request.body)
        return Reply(given) if isinstance(given, str) else given

    def end(self, *, is_complete: bool) -> None:
        """Note the end of a request."""
        self.in_flight -= 1
        self.disconnects += not is_complete

    def _next(self, body: Body) -> Scripted:
        script = self._replies
        if callable(script):
            return script(body)
        if isinstance(script, str | Reply | Fault):
            return script
        if len(self.requests) <= len(script):
            return script[len(self.requests) - 1]
        return Fault.http(400, f"the script has {len(script)} replies, and this is request {len(self.requests)}")

    async def _open(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: Connection(self, self.connections), "127.0.0.1", self._port, backlog=1024
        )

    async def _close(self) -> None:
        self._server.close()
        for connection in list(self.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


def refusing_url() -> str:
    """Return an address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


def main() -> None:
    """Serve one reply until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m agent.testing", description="a fake OpenAI-compatible server")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--text", default="This is a fake reply.")
    parser.add_argument("--delay", type=float, default=0.0, metavar="SECONDS", help="before the first byte")
    given = parser.parse_args()
    with FakeServer(Reply(given.text, delay_s=given.delay), port=given.port) as server:
        print(server.base_url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()

__all__ = ["FakeServer", "Fault", "Reply", "Request", "refusing_url"]
