"""The page's own server: what it does meanwhile, and uvicorn, told to end what streams before it waits for what is under way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Sequence

import uvicorn
from threadpoolctl import threadpool_limits

from agent.page.door import PageDoor
from agent.review.conversations import Conversations
from agent.review.desk import Desk
from agent.serving.cli import uvicorn_config

PURGE_EVERY_S = 3600.0
SHUTDOWN_S = 5
"""For requests under way, once the server is told to stop; runs are kept, and go on after the next start."""


def lifespan_of(
    desk: Desk, conversations: Conversations, *, keep_days: float
) -> Callable[[object], contextlib.AbstractAsyncContextManager[None]]:
    """Return what an ASGI app does from its start to its end: forget old conversations, and close the desk."""

    async def forget_old() -> None:
        while True:
            await asyncio.to_thread(conversations.purge, days=keep_days)
            await asyncio.sleep(PURGE_EVERY_S)

    @contextlib.asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        # Runs are parallel already; with threads of its own, BLAS takes many times as long where several of them call it.
        with threadpool_limits(1, user_api="blas"):
            forgetting = asyncio.create_task(forget_old())
            yield
            forgetting.cancel()
            await asyncio.to_thread(desk.close)

    return lifespan


def run_page(door: PageDoor, listener: socket.socket) -> None:
    """Serve until interrupted."""
    _PageServer(uvicorn_config(door, shutdown_s=SHUTDOWN_S), door).run(sockets=[listener])


class _PageServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, door: PageDoor) -> None:
        super().__init__(config)
        self._door = door

    async def shutdown(self, sockets: Sequence[socket.socket] | None = None) -> None:
        self._door.close()
        await super().shutdown(None if sockets is None else list(sockets))
