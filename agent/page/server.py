"""The page's own server: uvicorn, told to end what streams before it waits for what is under way."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import uvicorn

from agent.page.door import PageDoor

SHUTDOWN_S = 5
"""For requests under way, once the server is told to stop; runs are kept, and go on after the next start."""


def run_page(door: PageDoor, listener: socket.socket) -> None:
    """Serve until interrupted."""
    config = uvicorn.Config(
        door,
        log_level="warning",
        access_log=False,
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    _PageServer(config, door).run(sockets=[listener])


class _PageServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, door: PageDoor) -> None:
        super().__init__(config)
        self._door = door

    async def shutdown(self, sockets: Sequence[socket.socket] | None = None) -> None:
        self._door.close()
        await super().shutdown(None if sockets is None else list(sockets))
