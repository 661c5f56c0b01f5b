"""The share of the agent's prompts that a real prefix cache serves, on the shipped sample."""

import json
from pathlib import Path

import pytest
from tiny_qwen3 import build_tiny_qwen3
from vllm_server import MISSING, PYTHON, vllm_server

from evals.prefix import measure_prefix

SAMPLE = json.loads((Path(__file__).parents[1] / "examples" / "chest_pressure.json").read_text(encoding="utf-8"))

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.skipif(not PYTHON.is_file(), reason=MISSING)]


def test_most_of_the_second_and_third_prompt_comes_from_the_cache(context, tmp_path):
    folder = build_tiny_qwen3(tmp_path / "tiny")
    with vllm_server(folder, tmp_path / "vllm.log") as server:
        pairs = [(SAMPLE["question"], SAMPLE["draft"])]
        found = measure_prefix(pairs, context, base_url=server.base_url, model=server.model)
    print(f"prompt tokens {found.tokens}, from the cache {found.cached}")
    assert found.share(1, 2) >= 0.6
