"""Train, save, serve: the agent answers with the weights that were trained, and says what came of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from grpo_runs import run, write_run
from tiny_qwen3 import build_tiny_qwen3
from trained_tiny import load, logits
from typer.testing import CliRunner

import agent
from agent.cli import app
from agent.config import load_settings
from agent.context import load_context
from agent.state import AgentOutput
from training.alignment.manifest import read_manifest

pytestmark = pytest.mark.slow
QUESTION = "What dose of paracetamol may I take?"
TOKENS = 48


@pytest.fixture(scope="module", params=["all weights", "LoRA"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a whole run by `train`."""
    folder = tmp_path_factory.mktemp("served")
    model = build_tiny_qwen3(folder / "tiny", seed=2)
    config = write_run(folder / "made", model, more="[lora]\nr = 8\n" if request.param == "LoRA" else "")
    if request.param == "LoRA":
        config.write_text(config.read_text().replace("learning_rate = 1e-2", "learning_rate = 1e-1"))
    assert run(config) == 0
    return folder / "made" / "run"


def best_policy(folder: Path) -> Any:
    """Return the policy as the trainer had it at its best checkpoint."""
    manifest = read_manifest(folder)
    assert manifest
    assert manifest["best_step"] > 0, "training has moved the model"
    checkpoint = folder / f"checkpoint-{manifest['best_step']}"
    if not (checkpoint / "adapter_config.json").exists():
        return load(checkpoint)
    from peft import PeftModel

    return PeftModel.from_pretrained(load(folder.parent / "model"), checkpoint)


@pytest.fixture
def answer(trained: Path, data_dir: Path) -> AgentOutput:
    """Return what the agent makes of a question, with the trained model as its writer and judge."""
    settings = load_settings(model=f"hf:{trained / 'best'}", temperature=0.0, max_output_tokens=TOKENS)
    return agent.invoke(QUESTION, draft="Take 4 g a day.", context=load_context(settings))


def test_what_is_served_has_the_logits_of_the_best_checkpoint(trained: Path) -> None:
    served, before = logits(load(trained / "best")), logits(load(trained.parent / "model"))
    torch.testing.assert_close(served, logits(best_policy(trained)), rtol=1e-5, atol=1e-5)
    assert (served - before).abs().max() > 0.01, "it is not the model from before training"


def test_the_agent_writes_what_the_policy_would_write(trained: Path) -> None:
    from agent.models import load_model

    chat = load_model(f"hf:{trained / 'best'}", timeout_s=60, temperature=0, seed=None)
    tokens = chat.tokens  # type: ignore[attr-defined]
    prompt = torch.tensor([tokens.encode_chat([{"role": "user", "content": QUESTION}])])
    written = best_policy(trained).generate(input_ids=prompt, max_new_tokens=TOKENS, do_sample=False)
    reply = chat.invoke(QUESTION, max_tokens=TOKENS)
    assert reply.text == tokens.tokenizer.decode(written[0, prompt.shape[1] :], skip_special_tokens=True)


def test_a_run_of_the_agent_ends_with_the_draft_and_says_why(answer: AgentOutput, trained: Path) -> None:
    assert answer["answer"] == answer["draft"] == "Take 4 g a day."
    assert (answer["accepted"], answer["stopped_because"]) == (False, "model failed")
    assert any(f"hf:{trained / 'best'}" in warning for warning in answer["warnings"])


def test_the_usage_counts_the_trained_models_tokens(answer: AgentOutput) -> None:
    assert answer["usage"]["calls"] == len(answer["calls"]) > 0
    assert answer["usage"]["output_tokens"] == sum(call["output_tokens"] for call in answer["calls"]) > 0


@pytest.mark.usefixtures("data_dir")
def test_the_command_line_serves_it(trained: Path) -> None:
    arguments = ["revise", QUESTION, "--draft", "Take 4 g a day.", "--model", f"hf:{trained / 'best'}", "--json"]
    result = CliRunner().invoke(app, arguments, env={"CLINALIGN_MAX_OUTPUT_TOKENS": str(TOKENS)})
    assert result.exit_code == 0
    assert json.loads(result.stdout)["answer"] == "Take 4 g a day."


def test_the_folder_holds_what_the_guide_says(trained: Path) -> None:
    made = {path.name for path in trained.iterdir()}
    assert {"best", "manifest.json", "README.md", "gold.jsonl", "curves.png", "tensorboard"} <= made
    assert (trained / "best" / "README.md").read_bytes() == (trained / "README.md").read_bytes()
