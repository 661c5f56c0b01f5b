"""The models in process inside vLLM's own environment: vLLM itself, and transformers with xgrammar, which comes with it.

Run by `make test-vllm`; needs langchain-core, langchain-tests and pytest there, and nothing else of the project's.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.exceptions import ContextOverflowError
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from tiny_qwen3 import CONTEXT_TOKENS, build_tiny_qwen3, tiny_qwen3_folder

from agent.errors import ConfigError
from agent.hf_model import ChatTransformers
from agent.in_process import InProcessChat
from agent.models import load_model
from agent.vllm_model import ChatVllm, _engines

pytest.importorskip("vllm", reason="vLLM is not in this environment; `make test-vllm` runs this in its own")
pytestmark = pytest.mark.vllm
__all__ = ["tiny_qwen3_folder"]  # the fixture `tiny_qwen3`
os.environ.update(HF_HUB_OFFLINE="1", DO_NOT_TRACK="1", VLLM_CPU_KVCACHE_SPACE="1", TORCH_COMPILE_DISABLE="1")
ENGINE = {"enforce_eager": True, "dtype": "bfloat16", "max_num_seqs": 32}
SCHEMA = {
    "type": "object",
    "properties": {
        "verdict": {"enum": ["yes", "no", "unknown"]},
        "points": {"type": "integer", "minimum": -10, "maximum": 10},
        "numbers": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}, "maxItems": 3},
    },
    "required": ["verdict", "points", "numbers"],
    "additionalProperties": False,
}


def as_response_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema, "strict": True}}


@pytest.fixture(scope="module", autouse=True)
def _engine_of_module(tiny_qwen3: Path) -> Iterator[None]:
    yield
    if engine := _engines.pop(str(tiny_qwen3), None):
        engine.close()


@pytest.fixture
def model(tiny_qwen3: Path) -> ChatVllm:
    return ChatVllm(model=str(tiny_qwen3), engine_arguments=ENGINE, max_tokens=40, temperature=0.8, seed=1)


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
    def chat_model_class(self) -> type[ChatVllm]:
        return ChatVllm

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": str(self.folder), "engine_arguments": ENGINE}


class TestStandardUnit(Standard, ChatModelUnitTests):
    pass


class TestStandardIntegration(Standard, ChatModelIntegrationTests):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return super().chat_model_params | {"max_tokens": 20, "seed": 0}


def test_calls_from_many_threads_are_batched(model: ChatVllm) -> None:
    def timed(threads: int) -> float:
        began = time.monotonic()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda n: model.invoke(f"Dose for patient {n}?", max_tokens=100, seed=n), range(16)))
        return time.monotonic() - began

    timed(16)
    assert timed(16) < 0.6 * timed(1)


def test_streamed_pieces_are_the_whole_reply(model: ChatVllm) -> None:
    chunks = list(model.stream("What dose?"))
    assert len(chunks) > 5
    assert "".join(chunk.text for chunk in chunks) == model.invoke("What dose?").text


def test_usage_finish_reason_and_cached_tokens_are_told(model: ChatVllm) -> None:
    question = "A long question. " * 200
    model.invoke(question, max_tokens=2)
    reply = model.invoke(question, max_tokens=7)
    assert reply.usage_metadata is not None
    prompt = model.tokens.encode_chat([{"role": "user", "content": question}])
    assert (reply.usage_metadata["input_tokens"], reply.usage_metadata["output_tokens"]) == (len(prompt), 7)
    assert reply.usage_metadata["input_token_details"]["cache_read"] > 0.8 * len(prompt)
    assert reply.response_metadata["finish_reason"] == "length"


def test_reply_ends_before_a_stop_string(model: ChatVllm) -> None:
    whole = model.invoke("What dose?", temperature=0).text
    stop = whole[12:15]
    reply = model.invoke("What dose?", temperature=0, stop=[stop])
    assert (reply.text, reply.response_metadata["finish_reason"]) == (whole[: whole.index(stop)], "stop")


def _is_idle(model: ChatVllm) -> bool:
    deadline, engine = time.monotonic() + 10, model._engine().engine
    while engine.get_num_unfinished_requests() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not engine.get_num_unfinished_requests()


def test_a_closed_stream_aborts_the_request(model: ChatVllm) -> None:
    stream = model.stream("What dose?", max_tokens=CONTEXT_TOKENS)
    next(stream)
    assert model._engine().engine.get_num_unfinished_requests() == 1
    stream.close()  # type: ignore[attr-defined]
    assert _is_idle(model)


def test_a_cancelled_task_aborts_the_request(model: ChatVllm) -> None:
    async def leave() -> None:
        async with aclosing(model.astream("What dose?", max_tokens=CONTEXT_TOKENS)) as stream:  # type: ignore[type-var]
            async for _ in stream:
                break

    asyncio.run(leave())
    assert _is_idle(model)


def test_a_prompt_above_the_window_is_an_overflow(model: ChatVllm) -> None:
    with pytest.raises(ContextOverflowError, match=str(CONTEXT_TOKENS)):
        model.invoke("dose " * CONTEXT_TOKENS)


def test_a_long_prompt_with_a_seed_does_not_end_the_engine(model: ChatVllm) -> None:
    assert model.invoke("How much paracetamol? " * 800, max_tokens=5, seed=3).text


@pytest.fixture(params=["vllm", "transformers"])
def either(request: pytest.FixtureRequest, model: ChatVllm, tiny_qwen3: Path) -> InProcessChat:
    return model if request.param == "vllm" else ChatTransformers(model=str(tiny_qwen3), temperature=0.8, seed=1)


@pytest.mark.parametrize("seed", range(4))
def test_a_schema_is_kept_by_a_model_that_knows_nothing(either: InProcessChat, seed: int) -> None:
    assert either.takes_response_format
    reply = either.invoke("Judge.", seed=seed, max_tokens=400, response_format=as_response_format(SCHEMA))
    found = json.loads(reply.text)
    assert set(found) == {"verdict", "points", "numbers"}
    assert found["verdict"] in SCHEMA["properties"]["verdict"]["enum"]  # type: ignore[index]
    assert -10 <= found["points"] <= 10
    assert reply.response_metadata["finish_reason"] == "stop"


def test_a_schema_that_the_engine_cannot_keep_is_rejected_like_a_server_would(either: InProcessChat) -> None:
    schema = {"type": "string", "pattern": "(?=x)("}
    with pytest.raises(ValueError, match=r"response_format|json_schema") as caught:
        either.invoke("Judge.", response_format=as_response_format(schema))
    assert caught.value.status_code == 400  # type: ignore[attr-defined]
    assert either.invoke("Still there?", max_tokens=3).text


def test_load_model_gives_the_same_engine(tiny_qwen3: Path, model: ChatVllm) -> None:
    model.load()
    loaded = load_model(f"vllm:{tiny_qwen3}", timeout_s=60, temperature=0.5, seed=2)
    assert isinstance(loaded, ChatVllm)
    assert loaded._engine() is model._engine()


def _no_config(folder: Path) -> Path:
    return folder


def _no_template(folder: Path) -> Path:
    return build_tiny_qwen3(folder, template=None)


def _no_known_architecture(folder: Path) -> Path:
    build_tiny_qwen3(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"architectures": ["NoSuchModel"], "model_type": "no-such-model"}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.mark.parametrize("make", [_no_config, _no_template, _no_known_architecture])
def test_a_folder_that_is_no_chat_model_is_one_clear_line(tmp_path: Path, make: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        load_model(f"vllm:{make(tmp_path)}", timeout_s=60, temperature=None, seed=None)
    assert "\n" not in str(caught.value)
