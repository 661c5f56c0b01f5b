"""The request of OpenAI's chat completions: what is taken, what is refused, what has no effect. Answers: `openai_reply.py`.

Ours is the field `clinalign`, in both directions (docs/server.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.serving.openai_errors import bad_request
from principles_store.conversation import MAX_CHARACTERS, Message

_ROLES = ("system", "developer", "user", "assistant")
_MAX_IGNORED = 20
"""Names of ignored fields that are listed; they are the client's own words."""
_TEXT_ONLY = "this server takes and gives text only"
_Refuses = Callable[[Any], bool]
_REFUSED: Mapping[str, tuple[_Refuses, str]] = {
    "n": (lambda value: value != 1, "one request gets one answer; leave n out or 1"),
    "tools": (bool, "tools can't be called here; leave tools out"),
    "functions": (bool, "functions can't be called here; leave functions out"),
    "tool_choice": (lambda value: value not in ("none", "auto"), "tools can't be called here; leave tool_choice out"),
    "function_call": (lambda value: value not in ("none", "auto"), "functions can't be called here; leave it out"),
    "response_format": (lambda value: value != {"type": "text"}, "the answer is text; leave response_format out"),
    "logprobs": (bool, "a checked answer has no log probabilities; leave logprobs out"),
    "audio": (bool, _TEXT_ONLY),
    "modalities": (lambda value: value != ["text"], _TEXT_ONLY),
}
"""Fields whose wish can't be met, and would change what the client gets; each with when, and what to do."""


class Extension(BaseModel):
    """What only ClinAlign understands in a request."""

    model_config = ConfigDict(extra="forbid", strict=True)

    draft: str | None = Field(default=None, max_length=MAX_CHARACTERS)
    """The answer to be revised; without it the model writes one."""
    thread: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._:-]{1,128}$")
    """Name of a conversation kept by the server: what it holds goes before the messages."""


class StreamOptions(BaseModel):
    include_usage: bool | None = False


class ChatMessage(BaseModel):
    """One turn as clients send it; fields that mean nothing here (`name`) are dropped."""

    role: str
    content: Any = None


class ChatRequest(BaseModel):
    """The body of POST /v1/chat/completions; fields that are not ours to honour are kept as extras, and reported."""

    model_config = ConfigDict(extra="allow", strict=True)

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    clinalign: Extension = Extension()

    @property
    def include_usage(self) -> bool:
        """Tell whether a stream ends with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def ignored(self) -> list[str]:
        """Return the names of fields that had no effect."""
        extras = self.model_extra or {}
        return sorted(name[:64] for name in extras if extras[name] is not None and name not in _REFUSED)[:_MAX_IGNORED]

    def conversation(self) -> list[Message]:
        """Return the turns as the agent takes them; the agent's own parser judges the whole."""
        return [_turn(message, number) for number, message in enumerate(self.messages)]


def parse_request(body: bytes) -> ChatRequest:
    """Return the request in a body; raise an ApiError that names the field at fault and never repeats its value."""
    try:
        request = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        param = _path(first["loc"])
        raise bad_request(f"{param}: {first['msg']}" if param else first["msg"], param=param or None) from None
    for name, value in (request.model_extra or {}).items():
        refuses, advice = _REFUSED.get(name, (None, ""))
        if refuses and value is not None and refuses(value):
            raise bad_request(f"{name}: {advice}", param=name, code="unsupported_parameter")
    if request.clinalign.draft is not None and not request.clinalign.draft.strip():
        raise bad_request("the draft is empty; leave it out to have one written", param="clinalign.draft")
    return request


def _path(location: Sequence[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _turn(message: ChatMessage, number: int) -> Message:
    where = f"messages[{number}]"
    if message.role not in _ROLES:
        advice = "; tools can't be called here" if message.role in ("tool", "function") else ""
        raise bad_request(f"{where}.role is not one of {', '.join(_ROLES)}{advice}", param=f"{where}.role")
    content = message.content
    if isinstance(content, list):
        content = "".join(_part(part, f"{where}.content[{index}]") for index, part in enumerate(content))
    if not isinstance(content, str):
        raise bad_request(f"{where}.content must be text or a list of text parts", param=f"{where}.content")
    role = "system" if message.role == "developer" else message.role
    return {"role": role, "content": content}  # type: ignore[typeddict-item]  # one of _ROLES


def _part(part: Any, where: str) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("image_url", "input_audio", "file"):
        raise bad_request(f"{where}: {_TEXT_ONLY}; leave the {kind} out", param=where, code="unsupported_content")
    if kind != "text" or not isinstance(part.get("text"), str):
        raise bad_request(f"{where}: a part is {{type: text, text}}; {_TEXT_ONLY}", param=where)
    return str(part["text"])
