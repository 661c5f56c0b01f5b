"""A vLLM engine in this process: calls from many threads and tasks are batched by it, and share its prefix cache.

Needs `pip install vllm` (GPU) or its CPU build. Imports nothing that an environment made for vLLM alone does not have. The
engine's worker is a process of its own, started by `spawn`: a script that uses it needs `if __name__ == "__main__":`.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Self
from uuid import uuid4

from pydantic import Field

from agent.chat_tokens import ChatTokens, RequestError, chat_tokens, check_folder
from agent.errors import ConfigError
from agent.in_process import InProcessChat, Piece, Put, Request
from agent.loop_thread import start_loop

_ENVIRONMENT = {
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # by default it writes to stdout, where our output stands
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # a forked copy of a process with threads can hang
}
"""What vLLM reads when imported; the user's own values win."""
_ENGINE_ARGUMENTS: Mapping[str, Any] = {
    "max_model_len": -1,  # the longest that fits into memory, up to the model's own
    "disable_log_stats": True,
    "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
}
_SHUTDOWN_S = 15.0
_engines: dict[str, _Engine] = {}
_engines_lock = threading.Lock()


class ChatVllm(InProcessChat):
    """A chat model of the vLLM library."""

    engine_arguments: dict[str, Any] = Field(default_factory=dict)
    """Of vLLM's `AsyncEngineArgs`; the first object of a model starts its engine."""

    def load(self) -> Self:
        """Start the engine now, if no other object has; raise ConfigError if it can't be."""
        self._engine()
        return self

    @property
    def context_tokens(self) -> int:
        """Tokens that prompt and reply may have together."""
        return int(self._engine().engine.model_config.max_model_len)

    @property
    def tokens(self) -> ChatTokens:
        """The model's tokenizer."""
        return self._engine().tokens

    @property
    def _llm_type(self) -> str:
        return "vllm"

    def _begin(self, request: Request, put: Put) -> Callable[[], None]:
        engine = self._engine()
        future = asyncio.run_coroutine_threadsafe(_answer(engine.engine, request, put), engine.loop)
        return lambda: (future.cancel(), None)[1]

    def _engine(self) -> _Engine:
        with _engines_lock:
            if self.model not in _engines:
                _engines[self.model] = _start(check_folder(self.model), self.engine_arguments)
            return _engines[self.model]


@dataclass(frozen=True, eq=False)
class _Engine:
    """A running engine and the event loop that it belongs to."""

    engine: Any
    loop: asyncio.AbstractEventLoop
    tokens: ChatTokens

    def close(self) -> None:
        """Stop the engine's processes; its loop does it, so that nothing there takes their end for a failure."""
        atexit.unregister(self.close)
        asyncio.run_coroutine_threadsafe(_in_loop(self.engine.shutdown), self.loop).result(_SHUTDOWN_S)
        self.loop.call_soon_threadsafe(self.loop.stop)


def _start(model: str, arguments: Mapping[str, Any]) -> _Engine:
    from transformers import AutoTokenizer

    tokens = chat_tokens(AutoTokenizer.from_pretrained(model), model)  # first: it tells what is no chat model, at once
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    loop = start_loop("clinalign-vllm")
    try:
        opened = asyncio.run_coroutine_threadsafe(_in_loop(lambda: _open(model, arguments)), loop).result()
    except BaseException as error:
        loop.call_soon_threadsafe(loop.stop)
        if isinstance(error, RuntimeError):
            raise ConfigError(f"vLLM could not start with {model!r} ({error}); its log above says why") from error
        raise
    engine = _Engine(opened, loop, tokens)
    atexit.register(engine.close)
    return engine


async def _in_loop(work: Callable[[], Any]) -> Any:
    return work()


def _open(model: str, arguments: Mapping[str, Any]) -> Any:
    from vllm import AsyncEngineArgs
    from vllm.platforms import current_platform
    from vllm.v1.engine.async_llm import AsyncLLM

    # On a CPU a prompt in chunks with a seed ends the engine (0.32: "CPU Generator does not use offset").
    of_platform = {"enable_chunked_prefill": False} if current_platform.is_cpu() else {}
    return AsyncLLM.from_engine_args(AsyncEngineArgs(model=model, **{**_ENGINE_ARGUMENTS, **of_platform, **arguments}))


async def _answer(engine: Any, request: Request, put: Put) -> None:
    """Hand the reply to `put` piece by piece; being cancelled aborts the request in the engine."""
    from vllm.exceptions import VLLMClientError

    output_tokens = 0
    try:
        (prompt,) = await engine.renderer.render_cmpl_async([{"prompt_token_ids": request.prompt}])
        outputs = engine.generate(prompt, _sampling(engine, request), uuid4().hex)
        async with aclosing(outputs):
            async for output in outputs:
                reply = output.outputs[0]
                output_tokens += len(reply.token_ids)
                if not output.finished:
                    put(Piece(reply.text))
                    continue
                sizes = {"input_tokens": len(request.prompt), "cached_input_tokens": output.num_cached_tokens or 0}
                put(Piece(reply.text, reply.finish_reason or "stop", output_tokens=output_tokens, **sizes))
    except (VLLMClientError, ValueError) as error:
        what = "response_format" if request.schema is not None else "the request"
        put(RequestError(f"vLLM does not take {what}: {error}"))
    except Exception as error:  # goes to whoever waits, who would else wait for ever
        put(error)


def _sampling(engine: Any, request: Request) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    values = dict(engine.model_config.get_diff_sampling_param())  # the model's own generation config
    if request.temperature is not None:
        values["temperature"] = request.temperature
    schema = request.schema
    return SamplingParams(
        **values
        | {
            "max_tokens": request.max_tokens,
            "seed": request.seed,
            "stop": list(request.stop),
            "structured_outputs": StructuredOutputsParams(json=dict(schema)) if schema is not None else None,
            "output_kind": RequestOutputKind.DELTA,
        }
    )
