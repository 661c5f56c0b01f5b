"""A real vLLM server serves what training has exported: the same probabilities, dense and with experts."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from grpo_runs import run, write_run
from tiny_qwen3 import build_tiny_qwen3
from trained_tiny import build_tiny_moe, full_checkpoint, load
from typer.testing import CliRunner
from vllm_server import MISSING, PYTHON, VllmServer, vllm_server

from agent.cli import app
from training.alignment.export import export_best

pytestmark = [pytest.mark.vllm, pytest.mark.skipif(not PYTHON.exists(), reason=MISSING)]
PROMPT = list(range(3, 40))
MOST_LIKELY = 5
ROUNDING = 0.1
"""Of a log probability, both in bfloat16; training has moved them by more."""


def _trained_run(folder: Path) -> tuple[Path, Path]:
    """Return a model and what a whole run of `train` has made of it."""
    base = build_tiny_qwen3(folder / "tiny", seed=2)
    assert run(write_run(folder / "made", base)) == 0
    return base, folder / "made" / "run" / "best"


def _exported_experts(folder: Path) -> tuple[Path, Path]:
    """Return a model with experts and an export of a checkpoint of it."""
    base = build_tiny_moe(folder / "tiny")
    full_checkpoint(base, folder / "checkpoint-1", "bfloat16")
    export_best(folder / "checkpoint-1", str(base), folder / "best", dtype="bfloat16")
    return base, folder / "best"


@pytest.fixture(scope="module", params=[_trained_run, _exported_experts])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Path, VllmServer]]:
    folder = tmp_path_factory.mktemp("served")
    base, best = request.param(folder)
    with vllm_server(best, folder / "server.log") as server:
        yield base, best, server


def served_logprobs(server: VllmServer) -> dict[int, float]:
    """Return what the server gives the most likely next tokens."""
    asked = {"model": server.model, "prompt": PROMPT, "max_tokens": 1, "logprobs": MOST_LIKELY, "temperature": 0}
    asked |= {"return_tokens_as_token_ids": True}
    request = urllib.request.Request(
        f"{server.base_url}/completions", json.dumps(asked).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        first: dict[str, float] = json.load(reply)["choices"][0]["logprobs"]["top_logprobs"][0]
    return {int(token.removeprefix("token_id:")): value for token, value in first.items()}


def logprobs(folder: Path) -> Any:
    """Return what transformers gives every next token, (V,)."""
    with torch.inference_mode():
        return load(folder, "bfloat16")(torch.tensor([PROMPT])).logits[0, -1].float().log_softmax(-1)


def test_the_servers_probabilities_are_the_trained_models(served: tuple[Path, Path, VllmServer]) -> None:
    base, best, server = served
    told = served_logprobs(server)
    trained, before = logprobs(best), logprobs(base)
    assert len(told) >= MOST_LIKELY
    assert max(abs(trained[token] - value) for token, value in told.items()) < ROUNDING
    assert max(abs(before[token] - value) for token, value in told.items()) > 2 * ROUNDING


@pytest.mark.usefixtures("data_dir")
def test_the_agent_asks_the_server(served: tuple[Path, Path, VllmServer]) -> None:
    _, _, server = served
    arguments = ["revise", "What dose?", "--draft", "Take 4 g a day.", "--model", f"openai:{server.model}", "--json"]
    environment = {"OPENAI_BASE_URL": server.base_url, "CLINALIGN_MAX_OUTPUT_TOKENS": "64"}
    result = CliRunner().invoke(app, arguments, env=environment)
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert answer["answer"] == answer["draft"]
    assert answer["usage"]["output_tokens"] > 0
