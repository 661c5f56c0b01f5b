"""One person with a browser on the chat's page, as far as the server can tell: its cookie, its session, Gradio's queue protocol."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

QUESTION, DRAFT, ASK = "Question", "Draft to check (optional)", "Ask"
"""What fields and button are called on the page."""
STAGES_SHOWN, STEP_DONE = 'class=\\"stages\\"', 'class=\\"done\\"'
"""In a message, where the page shows the stages of a turn, and a finished one."""
_MARKS = (STAGES_SHOWN, STEP_DONE)
PATIENCE_S = 120.0


class VisitError(Exception):
    """The page did not do what it should."""


@dataclass(frozen=True)
class Heard:
    """What came over the line after one question."""

    stages_s: float
    """From the click to the first message that shows the stages, the first of them at work."""
    step_s: float
    """From the click to the first that shows a finished one."""
    messages: Sequence[str] = field(repr=False)
    """Each as it came."""
    answer: str
    """The last bubble of the chat at the end."""

    def texts(self) -> Iterator[str]:
        """Yield every text in every message."""
        waiting: list[Any] = [json.loads(message) for message in self.messages]
        while waiting:
            match waiting.pop():
                case str(text):
                    yield text
                case dict(items):
                    waiting.extend(items.values())
                case list(items):
                    waiting.extend(items)


class Visitor:
    """A browser of its own, with the page open."""

    def __init__(self, browser: httpx.AsyncClient, config: Mapping[str, Any]) -> None:
        self._browser, self._config = browser, config
        self._session = secrets.token_hex(6)

    @classmethod
    async def arrived(cls, url: str) -> Visitor:
        """Open the page, and wait until it has loaded."""
        # The server closes what lies idle for 5 s; a browser asks again then, httpx doesn't.
        kept = httpx.Limits(keepalive_expiry=2)
        browser = httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, limits=kept, verify=False)  # noqa: S501  # http only
        (await browser.get("/")).raise_for_status()
        visitor = cls(browser, (await browser.get("/config")).raise_for_status().json())
        for event in visitor._events(lambda target: target[1] == "load"):
            await visitor._happen(event, {})
        return visitor

    async def leave(self) -> None:
        """Close the browser."""
        await self._browser.aclose()

    async def ask(self, question: str, draft: str) -> Heard:
        """Click on Ask and listen to the end; raises VisitError where there is an error instead."""
        button = self._component("button", "value", ASK)["id"]
        (event,) = self._events(lambda target: target == [button, "click"])
        typed = {
            self._component("textbox", "label", name)["id"]: text
            for name, text in ((QUESTION, question), (DRAFT, draft))
        }
        clicked = time.perf_counter()
        messages, firsts, last = await self._happen(event, typed)
        ended = time.perf_counter()  # a page that comes late shows the answer without its steps
        chat = dict(zip(event["outputs"], last, strict=True))[self._component("chatbot")["id"]]
        content = _value(chat)[-1]["content"]
        answer = content if isinstance(content, str) else "".join(part["text"] for part in content)
        stages_s, step_s = (firsts.get(mark, ended) - clicked for mark in _MARKS)
        return Heard(stages_s, step_s, messages, answer)

    async def _happen(
        self, event: Mapping[str, Any], typed: Mapping[int, str]
    ) -> tuple[list[str], dict[str, float], list[Any]]:
        """Have one event of the page happen; return the messages, when each mark first came, and the outputs at the end."""
        data = [typed.get(id_, self._initial(id_)) for id_ in event["inputs"]]
        body = {
            "data": data,
            "fn_index": event["id"],
            "session_hash": self._session,
            "trigger_id": event["targets"][0][0],
        }
        (await self._browser.post("/gradio_api/queue/join", json=body)).raise_for_status()
        messages: list[str] = []
        firsts: dict[str, float] = {}
        address = f"/gradio_api/queue/data?session_hash={self._session}"
        async with self._browser.stream("GET", address) as response:
            async for line in response.aiter_lines():
                if not line.startswith("data: "):
                    continue
                for mark in _MARKS:
                    if mark not in firsts and mark in line:
                        firsts[mark] = time.perf_counter()
                messages.append(line.removeprefix("data: "))
        ends = [message for message in map(json.loads, messages[-3:]) if message["msg"] == "process_completed"]
        if not ends or not ends[-1]["success"]:
            raise VisitError(f"the page answered with {messages[-2:] or 'nothing'}")
        return messages, firsts, ends[-1]["output"]["data"]

    def _events(self, is_target: Callable[[list[Any]], bool]) -> list[Mapping[str, Any]]:
        found = self._config["dependencies"]
        return [event for event in found if event["backend_fn"] and any(map(is_target, event["targets"]))]

    def _component(self, kind: str, name: str = "", value: str = "") -> Mapping[str, Any]:
        found = (
            c for c in self._config["components"] if c["type"] == kind and (not name or c["props"].get(name) == value)
        )
        component: Mapping[str, Any] | None = next(found, None)
        if component is None:
            raise VisitError(f"the page has no {kind} {value!r}")
        return component

    def _initial(self, id_: int) -> Any:
        (component,) = [c for c in self._config["components"] if c["id"] == id_]
        value = component["props"].get("value")
        return "" if value is None and component["type"] == "textbox" else value


def _value(output: Any) -> Any:
    """Return the value of an output, which comes bare or as an update of its component."""
    return output["value"] if isinstance(output, dict) else output
