"""The transformers model in process, with a tiny Qwen3 of random weights: real tokenizer, real template, real generation."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from tiny_qwen3 import CONTEXT_TOKENS, build_tiny_qwen3, tiny_qwen3_folder

from agent.chat import ChatClient
from agent.errors import CancelledError, ConfigError
from agent.faults import diagnose
from agent.hf_model import ChatTransformers
from agent.ledger import Ledger
from agent.models import load_model

__all__ = ["tiny_qwen3_folder"]  # the fixture `tiny_qwen3`


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> ChatTransformers:
    """A model that talks for a minute and more unless it is stopped."""
    folder = build_tiny_qwen3(tmp_path_factory.mktemp("models") / "endless", is_endless=True)
    return ChatTransformers(model=str(folder), max_tokens=CONTEXT_TOKENS, temperature=0.8, seed=1)


@pytest.fixture
def model(tiny_qwen3: Path) -> ChatTransformers:
    return ChatTransformers(model=str(tiny_qwen3), max_tokens=40, temperature=0.8, seed=1)


@pytest.mark.anyio
class Standard:
    """What both standard suites need to know; tools, images, PDFs and audio are off: the class takes text alone.

    Structured output is off: the agent asks for JSON by `response_format` and parses it itself.
    """

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture(autouse=True)
    def _folder(self, tiny_qwen3: Path) -> None:
        self.folder = tiny_qwen3

    @property
    def chat_model_class(self) -> type[ChatTransformers]:
        return ChatTransformers

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": str(self.folder)}


class TestStandardUnit(Standard, ChatModelUnitTests):
    pass


class TestStandardIntegration(Standard, ChatModelIntegrationTests):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return super().chat_model_params | {"max_tokens": 20, "seed": 0}


def test_same_seed_gives_same_reply_and_another_seed_another(model: ChatTransformers) -> None:
    first, again, other = (model.invoke("What dose?", seed=seed).text for seed in (1, 1, 2))
    assert first == again != other


def test_streamed_pieces_are_the_whole_reply(model: ChatTransformers) -> None:
    chunks = list(model.stream("What dose?"))
    assert len(chunks) > 5
    assert "".join(chunk.text for chunk in chunks) == model.invoke("What dose?").text


def test_callers_in_many_threads_get_what_they_would_get_alone(model: ChatTransformers) -> None:
    questions = [f"What dose for patient {number}?" for number in range(8)]
    alone = [model.invoke(question).text for question in questions]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda question: model.invoke(question).text, questions)) == alone


def test_usage_counts_prompt_and_reply_in_the_models_tokens(model: ChatTransformers) -> None:
    reply = model.invoke("What dose?", max_tokens=7)
    prompt = model.tokens.encode_chat([{"role": "user", "content": "What dose?"}])
    assert reply.usage_metadata is not None
    assert reply.usage_metadata["input_tokens"] == len(prompt)
    assert reply.usage_metadata["output_tokens"] == 7
    assert reply.response_metadata["finish_reason"] == "length"


def test_reply_ends_before_a_stop_string(model: ChatTransformers) -> None:
    whole = model.invoke("What dose?").text
    stop = whole[12:15]
    reply = model.invoke("What dose?", stop=[stop, "not in there"])
    assert reply.text == whole[: whole.index(stop)]
    assert reply.response_metadata["finish_reason"] == "stop"


def test_sampling_leaves_the_random_state_of_the_process_alone(model: ChatTransformers) -> None:
    import torch

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    model.invoke("What dose?")
    assert torch.equal(torch.rand(3), expected)


def test_temperature_zero_needs_no_seed(tiny_qwen3: Path) -> None:
    model = ChatTransformers(model=str(tiny_qwen3), max_tokens=20, temperature=0)
    assert model.invoke("What dose?").text == model.invoke("What dose?").text


def test_a_closed_stream_frees_the_model_at_once(endless: ChatTransformers) -> None:
    stream = endless.stream("What dose?")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    began = time.monotonic()
    endless.invoke("And then?", max_tokens=2)
    assert time.monotonic() - began < 10


async def _take_one_and_leave(model: ChatTransformers) -> float:
    async with aclosing(model.astream("What dose?")) as stream:  # type: ignore[type-var]
        async for _ in stream:
            break
    began = time.monotonic()
    await model.ainvoke("And then?", max_tokens=2)
    return time.monotonic() - began


def test_a_cancelled_task_frees_the_model_at_once(endless: ChatTransformers) -> None:
    assert asyncio.run(_take_one_and_leave(endless)) < 10


def test_a_prompt_above_the_window_is_an_overflow(model: ChatTransformers) -> None:
    with pytest.raises(ContextOverflowError, match="32768") as caught:
        model.invoke("dose " * CONTEXT_TOKENS)
    assert diagnose(caught.value).fault == "context overflow"


@pytest.mark.parametrize(
    "message",
    [
        HumanMessage([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]),
        ToolMessage("42", tool_call_id="1"),
    ],
)
def test_what_is_more_than_text_is_refused_and_not_retried(model: ChatTransformers, message: Any) -> None:
    with pytest.raises(ValueError, match="model in process") as caught:
        model.invoke([message])
    diagnosis = diagnose(caught.value)
    assert (diagnosis.fault, diagnosis.is_retryable) == ("rejected request", False)


def test_an_unknown_argument_is_not_swallowed(model: ChatTransformers) -> None:
    with pytest.raises(TypeError, match="top_q"):
        model.invoke("What dose?", top_q=1)


def test_a_template_without_system_turn_gets_it_with_the_first_question(tmp_path: Path) -> None:
    refuses = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    template = refuses + "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
    folder = build_tiny_qwen3(tmp_path / "gemma-like", template=template)
    tokens = ChatTransformers(model=str(folder)).tokens
    ids = tokens.encode_chat([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Dose?"}])
    assert tokens.tokenizer.decode(ids) == "<user>Be brief.\n\nDose?"


def _empty(folder: Path) -> str:
    return str(folder)


def _file(folder: Path) -> str:
    (folder / "weights.bin").write_bytes(b"")
    return str(folder / "weights.bin")


def _without_weights(folder: Path) -> str:
    build_tiny_qwen3(folder)
    (folder / "model.safetensors").unlink()
    return str(folder)


def _without_template(folder: Path) -> str:
    return str(build_tiny_qwen3(folder, template=None))


def _broken_weights(folder: Path) -> str:
    build_tiny_qwen3(folder)
    (folder / "model.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{broken")
    return str(folder)


def _broken_config(folder: Path) -> str:
    (folder / "config.json").write_text("{", encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_empty, "no config.json"),
        (_file, "is no folder"),
        (lambda folder: str(folder / "missing"), "is no folder"),
        (_without_weights, "can't be loaded"),
        (_broken_weights, "can't be loaded"),
        (_without_template, "no chat template"),
        (_broken_config, "can't be loaded"),
        (lambda folder: "nobody/has-this-model", "can't be loaded"),
    ],
)
def test_a_folder_that_is_no_model_is_one_clear_line(tmp_path: Path, make: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        load_model(f"hf:{make(tmp_path)}", timeout_s=5, temperature=None, seed=None)
    assert "\n" not in str(caught.value)


def test_the_chat_client_streams_it_and_records_what_it_took(tiny_qwen3: Path) -> None:
    model = load_model(f"hf:{tiny_qwen3}", timeout_s=60, temperature=0.8, seed=3)
    client, ledger, shown = ChatClient(model, "hf:tiny", max_output_tokens=30), Ledger(), []
    messages = [SystemMessage("Be brief."), HumanMessage("What dose?"), AIMessage("4 g."), HumanMessage("Sure?")]
    text = client.ask(messages, step="draft", prompt="", prompt_hash="", ledger=ledger, on_token=shown.append)
    assert text == "".join(token.text for token in shown).strip()
    assert ledger.calls[0].output_tokens == 30
    assert ledger.calls[0].input_tokens > 30


def test_cancelling_the_run_stops_the_generation(endless: ChatTransformers) -> None:
    ledger = Ledger(cancelled=threading.Event())
    assert ledger.cancelled is not None
    threading.Timer(0.5, ledger.cancelled.set).start()
    client, began = ChatClient(endless, "hf:tiny", max_output_tokens=CONTEXT_TOKENS), time.monotonic()
    with pytest.raises(CancelledError):
        client.ask([HumanMessage("Dose?")], step="draft", prompt="", prompt_hash="", ledger=ledger)
    endless.invoke("And then?", max_tokens=2)
    assert time.monotonic() - began < 10


def test_a_schema_without_xgrammar_is_refused_before_anything_is_generated(
    model: ChatTransformers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "xgrammar.contrib.hf", None)
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    with pytest.raises(ValueError, match=r"clinalign\[hf\]"):
        model.invoke("What dose?", response_format=schema)


def test_the_tiny_model_is_the_same_each_time(tiny_qwen3: Path, tmp_path: Path) -> None:
    again = build_tiny_qwen3(tmp_path)
    for name in ("config.json", "tokenizer.json", "model.safetensors", "chat_template.jinja"):
        assert (again / name).read_bytes() == (tiny_qwen3 / name).read_bytes(), name
    assert json.loads((again / "config.json").read_text())["model_type"] == "qwen3"
