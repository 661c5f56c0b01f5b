"""A real vLLM server on the CPU, from its own environment (`make test-vllm` makes it), for tests and measurements."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PYTHON = Path(__file__).resolve().parents[1] / ".venv-vllm" / "bin" / "python"
MISSING = "no .venv-vllm here; `make test-vllm` makes it and runs this"
_START_S = 240.0
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "TORCH_COMPILE_DISABLE": "1",
}


@dataclass(frozen=True)
class VllmServer:
    """A running server."""

    root: str
    model: str

    @property
    def base_url(self) -> str:
        """The address for OpenAI clients."""
        return f"{self.root}/v1"

    def metric(self, name: str) -> float:
        """Return the sum of a counter over its labels, 0 if it has not counted yet."""
        with urllib.request.urlopen(f"{self.root}/metrics", timeout=10) as reply:
            text = reply.read().decode()
        return sum(float(value) for value in re.findall(rf"^{re.escape(name)}(?:{{.*}})? (\S+)$", text, re.MULTILINE))

    def cached_share(self, since: tuple[float, float] = (0.0, 0.0)) -> float:
        """Return the share of the prompt tokens since a reading of `cache_counters` that the prefix cache has served."""
        asked, served = (now - then for now, then in zip(self.cache_counters(), since, strict=True))
        return served / asked if asked else 0.0

    def cache_counters(self) -> tuple[float, float]:
        """Return the prompt tokens looked up in the prefix cache so far, and those found."""
        return self.metric("vllm:prefix_cache_queries_total"), self.metric("vllm:prefix_cache_hits_total")


@contextmanager
def vllm_server(folder: Path, log: Path, *, max_model_len: int = 16_384) -> Iterator[VllmServer]:
    """Serve a folder as the model `tiny` until the end of `with`; what the server says goes to the file `log`."""
    port = _free_port()
    structured = {"backend": "xgrammar", "disable_any_whitespace": True}
    options = {
        "--model": str(folder),
        "--served-model-name": "tiny",
        "--host": "127.0.0.1",
        "--port": str(port),
        "--dtype": "bfloat16",
        "--max-model-len": str(max_model_len),
        "--max-num-seqs": "32",
        "--structured-outputs-config": json.dumps(structured),
    }
    arguments = [part for option in options.items() for part in option]
    # On a CPU a prompt in chunks with a seed ends the engine (0.32: "CPU Generator does not use offset").
    flags = ["--enforce-eager", "--enable-prompt-tokens-details", "--no-enable-chunked-prefill"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", *arguments, *flags],
            env={**os.environ, **_ENVIRONMENT},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        root = f"http://127.0.0.1:{port}"
        _wait_until_up(root, process, log)
        yield VllmServer(root, "tiny")
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(root: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{root}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    tail = log.read_text(encoding="utf-8", errors="replace")[-3000:]
    raise RuntimeError(f"vLLM is not up (exit {process.poll()}); it said:\n{tail}")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
