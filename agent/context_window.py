"""How much a model takes, counted in its own tokens, and how a conversation that is longer is made to fit.

Nothing is asked of a server until a window is used, and nothing of a hosted provider at all: what can't be known stays None.
It leaves out tiktoken: it downloads its tables, and the windows of the models that it is for are far above any conversation.
"""

from __future__ import annotations

import functools
import logging
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel

from agent.errors import TooLongError
from agent.models import ModelSpec
from principles_store.conversation import Message

_log = logging.getLogger(__name__)
TURN_TOKENS = 8
"""What a chat template puts around a turn, at most, in the models that we have seen."""
_TIMEOUT_S = 3.0
_WINDOW_FIELDS = ("max_model_len", "context_length", "context_window", "max_context_length")
"""Of a model in /v1/models: vLLM and SGLang; OpenRouter; Groq; LM Studio."""

_BYTES = tuple(
    bytes(code for code in range(128) if is_kind(chr(code))) for is_kind in (str.isalpha, str.isspace, str.isascii)
)
"""Letters, white space, all of ASCII."""

Count = Callable[[str], int]


@dataclass(frozen=True)
class WindowFacts:
    """What is known of a model's window."""

    size: int | None = None
    """Tokens of prompt and reply together; None: not known."""
    count: Count | None = None
    """The model's own tokenizer; None: there is none to be had."""


@dataclass
class ContextWindow:
    """The window of one model; asks for what it has to know when first used, once."""

    ask: Callable[[], WindowFacts]
    """May raise OSError: then nothing is known for now, and it is asked again."""
    _facts: WindowFacts | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @property
    def size(self) -> int | None:
        """Tokens of prompt and reply together; None: not known."""
        return self._known().size

    @property
    def is_exact(self) -> bool:
        """Whether the model's own tokenizer counts; else `count` is an estimate on the high side."""
        return self._known().count is not None

    def count(self, text: str) -> int:
        """Return how many tokens a text has."""
        count = self._known().count
        if count is None:
            return estimate_tokens(text)
        try:
            return count(text)
        except Exception as error:  # of whatever client; a count is never worth a run
            _log.info("tokens estimated, the server does not count: %s", type(error).__name__)
            return estimate_tokens(text)

    def _known(self) -> WindowFacts:
        with self._lock:
            if self._facts is None:
                try:
                    self._facts = self.ask()
                except OSError as error:
                    _log.info("context window not known for now: %s", error)
                    return WindowFacts()
            return self._facts


def estimate_tokens(text: str) -> int:
    """Return an estimate on the high side: a token is 3 ASCII letters, one digit or sign, or 2 bytes of other characters."""
    data = text.encode(
        "utf-8", "surrogatepass"
    )  # counted in bytes: a prompt has 20,000 characters, and this is asked a lot
    letters, spaces, ascii_bytes = (len(data) - len(data.translate(None, kind)) for kind in _BYTES)
    signs, others = ascii_bytes - letters - spaces, len(data) - ascii_bytes
    return math.ceil(letters / 3 + signs + others / 2 + spaces / 8)


def load_window(model: BaseChatModel, spec: ModelSpec, *, context_tokens: int | None) -> ContextWindow:
    """Return the window of a model that `load_model` has given; an explicit number of tokens wins."""

    def ask() -> WindowFacts:
        if hasattr(model, "context_tokens"):  # in process
            facts = WindowFacts(model.context_tokens, model.tokens.count)  # type: ignore[attr-defined]
        elif spec.provider == "openai" and not _is_openais_own(model):
            facts = _ask_server(model)
        else:
            facts = WindowFacts()
        return WindowFacts(context_tokens or facts.size or _from_profile(model), facts.count)

    return ContextWindow(ask)


def fit(conversation: Sequence[Message], window: ContextWindow, *, reserved: int) -> tuple[list[Message], str | None]:
    """Return the conversation with its middle left out if it is too long, and a warning that says so.

    `reserved`: tokens of the window for everything else. System turns, the first question and as many of the last turns as fit
    are kept, and a note stands for the rest. Raises TooLongError if system turns and last turn alone are too long.
    """
    turns, size = list(conversation), window.size
    if size is None or _most_tokens(turns) + reserved <= size:
        return turns, None
    free, costs = size - reserved, [window.count(turn["content"]) + TURN_TOKENS for turn in turns]
    if sum(costs) <= free:
        return turns, None
    kept = _kept(turns, costs, free - window.count(_note(len(turns))["content"]) - TURN_TOKENS)
    if kept is None:
        about = "" if window.is_exact else "about "
        raise TooLongError(
            f"the question is too long for the model: {about}{costs[-1]:,} tokens, and {max(free, 0):,} of its {size:,} are "
            "free for the conversation; shorten it or take a model with a larger window"
        )
    place = next(n for n in range(len(turns)) if n not in kept)
    head, tail = [turns[n] for n in sorted(kept) if n < place], [turns[n] for n in sorted(kept) if n > place]
    if len(tail) > 1 and tail[0]["role"] == _note(0, after=head)["role"]:
        del tail[0]  # many chat templates want the roles to alternate
    left_out = len(turns) - len(head) - len(tail)
    warning = (
        f"{left_out} earlier turns were left out: the conversation is longer than the model takes ({size:,} tokens)"
    )
    return [*head, _note(left_out, after=head), *tail], warning


def _kept(turns: Sequence[Message], costs: Sequence[int], free: int) -> set[int] | None:
    """Return the numbers of the turns to keep, or None if those that must be kept don't fit."""
    last = len(turns) - 1
    kept = {n for n, turn in enumerate(turns) if turn["role"] == "system"} | {last}
    free -= sum(costs[n] for n in kept)
    if free < 0:
        return None
    first = next(n for n, turn in enumerate(turns) if turn["role"] == "user")
    opening = set(range(first + 1)) - kept  # an assistant's greeting comes with the question that follows it
    if sum(costs[n] for n in opening) <= free:
        kept |= opening
        free -= sum(costs[n] for n in opening)
    for n in range(last - 1, first, -1):
        if n not in kept:
            if costs[n] > free:
                break
            kept.add(n)
            free -= costs[n]
    return kept


def _note(left_out: int, *, after: Sequence[Message] = ()) -> Message:
    """Return the turn that stands for what is left out: the assistant's after the user's first turn, else the user's."""
    role: Literal["assistant", "user"] = "assistant" if after and after[-1]["role"] == "user" else "user"
    return {"role": role, "content": f"[{left_out} earlier turns of this conversation are left out here.]"}


def _most_tokens(turns: Sequence[Message]) -> int:
    """Return a number of tokens that no tokenizer exceeds: a token has at least one byte. Spares the counting."""
    return sum(len(turn["content"].encode()) + TURN_TOKENS for turn in turns)


def _from_profile(model: BaseChatModel) -> int | None:
    profile = getattr(model, "profile", None) or {}
    size = profile.get("max_input_tokens")
    return int(size) if size else None


def _is_openais_own(model: Any) -> bool:
    return str(model.root_client.base_url.host).endswith("api.openai.com")


def _ask_server(model: Any) -> WindowFacts:
    """Ask an OpenAI-compatible server through the model's own client, which knows address, key and proxies."""
    import openai

    client = model.root_client.with_options(timeout=_TIMEOUT_S, max_retries=0)
    root = str(client.base_url).rstrip("/").removesuffix("/v1")
    name = model.model_name

    def count(text: str) -> int:
        body = {"model": name, "prompt": text, "content": text, "add_special_tokens": False}  # llama.cpp: `content`
        reply = client.post(f"{root}/tokenize", body=body, cast_to=object)
        return int(reply["count"]) if "count" in reply else len(reply["tokens"])

    try:
        size = _listed_size(client, name) or _llama_cpp_size(client, root)
        try:
            has_tokenizer = count("one two") > 0
        except (openai.APIStatusError, openai.APIResponseValidationError, KeyError, TypeError, ValueError):
            has_tokenizer = False
    except openai.APIConnectionError as error:
        raise OSError(f"the server does not answer ({type(error).__name__})") from error
    return WindowFacts(size, functools.lru_cache(maxsize=256)(count) if has_tokenizer else None)


def _listed_size(client: Any, name: str) -> int | None:
    listed = _get(client, "/models")
    models = [item for item in (listed or {}).get("data") or [] if item.get("id") == name]
    sizes = [model[field] for model in models for field in _WINDOW_FIELDS if isinstance(model.get(field), int)]
    return int(sizes[0]) if sizes else None


def _llama_cpp_size(client: Any, root: str) -> int | None:
    settings = (_get(client, f"{root}/props") or {}).get("default_generation_settings") or {}
    size = settings.get("n_ctx")
    return size if isinstance(size, int) else None


def _get(client: Any, path: str) -> dict[str, Any] | None:
    """Return a JSON object, or None if the server has none there."""
    import openai

    try:
        reply = client.get(path, cast_to=object)
    except (openai.APIStatusError, openai.APIResponseValidationError, ValueError):
        return None
    return reply if isinstance(reply, dict) else None
