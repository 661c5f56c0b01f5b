"""The reward in two processes at once, as accelerate runs them: one log, one count, one decision to stop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from grading_work import Judge

from agent.testing import FakeServer, Fault, refusing_url
from training.alignment.reward_log import REWARDS

pytestmark = pytest.mark.slow
PROCESS = """
import json, sys
from pathlib import Path
sys.path[:0] = ["tests"]
from accelerate import PartialState
from reward_work import END, batch
from agent.config import load_settings
from training.alignment.config import AlignmentConfig
from training.reward import TrainingStopped, open_reward

state, folder = PartialState(cpu=True), Path(sys.argv[1])
given = {"run": {"output": folder}, "model": {"path": "tiny"}, "data": {"files": ["shipped"]}}
config = AlignmentConfig.model_validate({"source": "run.toml", **given, "reward": {"judge": "openai:fake", "concurrency": 4}})
rank = state.process_index
reward = open_reward(config, load_settings(), folder, end_tokens={END}, world_size=state.num_processes, rank=rank)
metrics, stopped = {}, ""
try:
    for step in range(4):
        texts = [f"Take paracetamol . {step} {rank} {number}" for number in range(6 - 2 * rank)]
        rewards = reward(**batch(texts, log_metric=metrics.__setitem__))
except TrainingStopped as error:
    stopped = str(error)
told = {"rewards": rewards, "metrics": metrics, "totals": reward.totals.as_dict(), "stopped": stopped, "step": step}
Path(folder, f"told-{rank}.json").write_text(json.dumps(told))
reward.close()
state.destroy_process_group()
"""


def run_both(server: FakeServer, folder: Path) -> list[dict[str, object]]:
    """Run two processes to their end and return what each tells."""
    port = refusing_url().split(":")[2].split("/")[0]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    shared |= {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "k", "ACCELERATE_USE_CPU": "true"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(folder)],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    assert [process.wait(120) for process in processes] == [0, 0]
    return [json.loads((folder / f"told-{rank}.json").read_text()) for rank in range(2)]


def test_processes_add_up_what_they_met_and_the_first_writes_it(tmp_path: Path) -> None:
    with FakeServer(Judge(delay_s=0.02)) as server:
        first, second = run_both(server, tmp_path)
        assert server.most_in_flight <= 4
        assert len(server.requests) == 40
    assert (first["rewards"], second["rewards"]) == ([0.5] * 6, [0.5] * 4)
    assert first["metrics"] == second["metrics"]
    assert first["totals"] == second["totals"]
    lines = [json.loads(line) for line in (tmp_path / REWARDS).read_text().splitlines()]
    assert [(line["completions"], line["calls"]) for line in lines] == [(10, 10)] * 4


def test_processes_stop_in_the_same_step(tmp_path: Path) -> None:
    with FakeServer(Fault.wrong_key()) as server:
        first, second = run_both(server, tmp_path)
    assert first["step"] == second["step"] == 2
    assert first["stopped"] == second["stopped"] != ""
