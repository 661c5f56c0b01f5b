"""A transformers model in this process, on the GPU if there is one: for trying a folder without a server.

One reply at a time, in one thread, so that callers in many threads neither share a cache nor a random state; for throughput
there is `vllm_model.py`. A JSON schema is enforced where xgrammar is installed (the extra `hf`).
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from agent.chat_tokens import ChatTokens, RequestError, chat_tokens, check_folder
from agent.in_process import InProcessChat, Piece, Put, Request
from agent.reply_text import Detokenizer, StopCutter

_worker = ThreadPoolExecutor(1, "clinalign-transformers")  # no thread before the first reply
_weights: dict[str, _Weights] = {}
_weights_lock = threading.Lock()


class ChatTransformers(InProcessChat):
    """A chat model of the Hugging Face transformers library."""

    def load(self) -> Self:
        """Load the weights now, if no other object has; raise ConfigError if there are none."""
        _load(self.model)
        return self

    @property
    def takes_response_format(self) -> bool:
        """Whether `response_format` (json_schema) may be sent with a call."""
        return importlib.util.find_spec("xgrammar") is not None

    @property
    def context_tokens(self) -> int:
        """Tokens that prompt and reply may have together."""
        return _load(self.model).context_tokens

    @property
    def tokens(self) -> ChatTokens:
        """The model's tokenizer."""
        return _load(self.model).tokens

    @property
    def _llm_type(self) -> str:
        return "transformers"

    def _begin(self, request: Request, put: Put) -> Callable[[], None]:
        reply = _Reply(_load(self.model), request, put)
        _worker.submit(reply.write)
        return reply.cancelled.set


@dataclass(frozen=True)
class _Weights:
    """A loaded model."""

    model: Any
    tokens: ChatTokens

    @property
    def context_tokens(self) -> int:
        config = self.model.config.get_text_config()
        return int(getattr(config, "max_position_embeddings", 0) or 1_000_000)

    @property
    def end_tokens(self) -> set[int]:
        ends = self.model.generation_config.eos_token_id
        ends = [self.tokens.tokenizer.eos_token_id] if ends is None else ends
        return set(ends) if isinstance(ends, list) else {ends}

    @cached_property
    def grammars(self) -> Any:
        """xgrammar's compiler for this vocabulary; it keeps what it has compiled."""
        import xgrammar

        size = self.model.config.get_text_config().vocab_size
        return xgrammar.GrammarCompiler(
            xgrammar.TokenizerInfo.from_huggingface(
                self.tokens.tokenizer, vocab_size=size, stop_token_ids=sorted(self.end_tokens)
            )
        )


@dataclass
class _Reply:
    """One reply in the making; also what transformers calls a streamer (`put`, `end`) and a stopping criterion."""

    weights: _Weights
    request: Request
    emit: Put
    cancelled: threading.Event = field(default_factory=threading.Event)
    output_tokens: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.detokenizer = Detokenizer(self.weights.tokens.tokenizer)
        self.cutter = StopCutter(self.request.stop)
        self._is_prompt = True

    def write(self) -> None:
        """Generate the reply, in the worker thread, unless nobody wants it any more."""
        try:
            if self.cancelled.is_set():
                return
            self._generate()
            if not self.cancelled.is_set():
                self._finish()
        except BaseException as error:  # goes to whoever waits, who would else wait for ever
            self.emit(error)

    def put(self, ids: Any) -> None:
        """Take what transformers has generated: first the prompt, then a token at a time."""
        if self._is_prompt:
            self._is_prompt = False
            return
        for token in ids.flatten().tolist():
            self.output_tokens.append(token)
            if text := self.cutter.feed(self.detokenizer.feed(token)):
                self.emit(Piece(text))

    def end(self) -> None:
        """Do nothing: `_finish` knows more."""

    def _should_stop(self, ids: Any, scores: Any, **_: Any) -> Any:
        import torch

        stop = self.cancelled.is_set() or self.cutter.has_stopped
        return torch.full((ids.shape[0],), stop, device=ids.device, dtype=torch.bool)

    def _generate(self) -> None:
        import torch

        model, request = self.weights.model, self.request
        prompt = torch.tensor([request.prompt], device=model.device)
        with torch.inference_mode(), _seeded(request.seed):
            model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=request.max_tokens,
                streamer=self,
                stopping_criteria=[self._should_stop],
                logits_processor=self._constraints(),
                **_sampling(request.temperature),
            )

    def _finish(self) -> None:
        text = self.cutter.feed(self.detokenizer.finish()) + self.cutter.finish()
        has_ended = self.cutter.has_stopped or bool(self.weights.end_tokens.intersection(self.output_tokens[-1:]))
        sizes = {"input_tokens": len(self.request.prompt), "output_tokens": len(self.output_tokens)}
        self.emit(Piece(text, finish_reason="stop" if has_ended else "length", **sizes))

    def _constraints(self) -> list[Any]:
        if self.request.schema is None:
            return []
        try:
            from xgrammar.contrib.hf import LogitsProcessor
        except ImportError as error:
            raise RequestError("response_format needs xgrammar: pip install 'clinalign[hf]'") from error
        try:
            compiled = self.weights.grammars.compile_json_schema(dict(self.request.schema), any_whitespace=False)
        except (RuntimeError, ValueError) as error:
            raise RequestError(f"xgrammar does not take the json_schema: {error}") from error
        return [LogitsProcessor(compiled)]


def _sampling(temperature: float | None) -> dict[str, Any]:
    if temperature is None:
        return {}
    if temperature == 0:  # the others would be warned about
        return {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    return {"do_sample": True, "temperature": temperature}


@contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """Give the sampling a random state of its own and leave the process's as it was."""
    import torch

    if seed is None:
        yield
        return
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def _load(model: str) -> _Weights:
    """Return the model's weights; the same model gives the same object."""
    with _weights_lock:
        if model not in _weights:
            _weights[model] = _read(check_folder(model))
        return _weights[model]


def _read(folder: str) -> _Weights:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokens = chat_tokens(AutoTokenizer.from_pretrained(folder), folder)
    model: Any
    spread = torch.cuda.is_available() and importlib.util.find_spec("accelerate") is not None
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto", device_map="auto" if spread else None)
    if torch.cuda.is_available() and not spread:
        model = model.to("cuda")
    model.eval()
    return _Weights(model, tokens)
