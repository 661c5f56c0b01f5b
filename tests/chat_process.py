"""The chat in a process of its own, started by a command line, and what a client without a browser can do with it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from waiting import wait_until

APP = Path(__file__).resolve().parents[1] / "app.py"
USERS = {"ann": "correct horse", "bob": "battery staple"}


@dataclass
class ChatProcess:
    """A chat that listens."""

    url: str
    process: subprocess.Popen[str]
    said: list[str]
    """Lines of its standard error so far."""

    def stop(self) -> int:
        """Tell it to end, and return how many seconds at most that took."""
        self.process.send_signal(signal.SIGTERM)
        for seconds in range(1, 30):
            try:
                self.process.wait(1)
            except subprocess.TimeoutExpired:
                continue
            return seconds
        raise AssertionError("the chat doesn't end")

    def visitor(self, name: str | None = None) -> Visitor:
        """Return somebody new: logged in, or with a cookie as a browser has it."""
        visitor = Visitor(httpx.Client(base_url=self.url, verify=False, timeout=60))
        visitor.client.get("/")
        if name:
            visitor.log_in(name, USERS[name]).raise_for_status()
        return visitor


@dataclass
class Visitor:
    """Somebody with a client that keeps cookies."""

    client: httpx.Client
    session: str = "session"

    def log_in(self, name: str, password: str) -> httpx.Response:
        return self.client.post("/login", data={"username": name, "password": password})

    @cached_property
    def events(self) -> dict[str, int]:
        """The numbers of the page's events by the name of their function."""
        found = self.client.get("/config").raise_for_status().json()["dependencies"]
        return {event["api_name"]: event["id"] for event in found}

    def call(self, name: str, *data: Any) -> str:
        """Have an event handled, and return all that its stream brings, as it came."""
        session = os.urandom(8).hex()
        body = {"fn_index": self.events[name], "data": data, "session_hash": session}
        self.client.post("/gradio_api/queue/join", json=body).raise_for_status()
        return self.client.get("/gradio_api/queue/data", params={"session_hash": session}).raise_for_status().text


@contextmanager
def chat_process(
    *arguments: str, command: Sequence[str] = (sys.executable, str(APP)), environment: Mapping[str, str]
) -> Iterator[ChatProcess]:
    """Start the chat, wait until it says where it is, and end it with the block."""
    said: list[str] = []
    process = subprocess.Popen(
        [*command, *arguments], env=dict(environment), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    reader = threading.Thread(target=lambda: said.extend(process.stderr or ()), daemon=True)
    reader.start()
    try:
        wait_until(lambda: process.poll() is not None or _address(said), at_most_s=180)
        assert process.poll() is None, "".join(said)
        yield ChatProcess(_address(said) or "", process, said)
    finally:
        process.kill()
        process.wait()
        reader.join(5)


def _address(said: list[str]) -> str | None:
    found = re.search(r"the chat is at (http://\S+?),? ", "".join(said))
    return found[1].replace("0.0.0.0", "127.0.0.1") if found else None
