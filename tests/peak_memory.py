"""Train a model of a few million parameters for two steps by plain TRL, and print by how much memory grew at its peak.

Run with a JSON object of its sizes; glibc gives freed memory back at once (MALLOC_MMAP_THRESHOLD_), so that a peak is one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SIZES = {
    "vocab_size": 4000,
    "hidden_size": 256,
    "intermediate_size": 1024,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 32,
    "tie_word_embeddings": True,
    "max_position_embeddings": 4096,
}
EXPERTS = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 512, "norm_topk_prob": True}


def config_json(experts: bool) -> dict[str, Any]:
    """Return what config.json of the model says."""
    kind, name = ("qwen3_moe", "Qwen3MoeForCausalLM") if experts else ("qwen3", "Qwen3ForCausalLM")
    return SIZES | (EXPERTS if experts else {}) | {"model_type": kind, "architectures": [name]}


def peak_of(**spec: Any) -> int:
    """Return the bytes by which a process grew that was given `spec`: experts, lora, prompt, and keys of GRPOConfig in grpo."""
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, json.dumps(spec)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return int(done.stdout.split()[-1])


def _train(spec: dict[str, Any]) -> None:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoConfig, AutoModelForCausalLM
    from trl import GRPOConfig, GRPOTrainer

    prompt = [{"role": "user", "content": " ".join(f"w{number % 100}" for number in range(spec["prompt"]))}]
    rows = Dataset.from_list([{"prompt": prompt}] * 16)
    config = config_json(spec["experts"])
    torch.set_num_threads(1)
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config), dtype=torch.float32)
    args = GRPOConfig(
        output_dir=tempfile.mkdtemp(),
        use_cpu=True,
        bf16=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        max_steps=2,
        generation_kwargs={"min_new_tokens": spec["grpo"]["max_completion_length"]},
        **spec["grpo"],
    )
    trainer = GRPOTrainer(
        model,
        reward_funcs=lambda completions, **_: [float(number) for number in range(len(completions))],
        args=args,
        train_dataset=rows,
        processing_class=_tokenizer(),
        peft_config=LoraConfig(**spec["lora"]) if spec["lora"] else None,
    )
    trainer.train()
    print(_status("VmHWM") - before)


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = ["<pad>", "<eos>", "<unk>", *(f"w{number}" for number in range(SIZES["vocab_size"] - 3))]
    vocabulary = {name: number for number, name in enumerate(names)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    return tokenizer


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024


if __name__ == "__main__":
    _train(json.loads(sys.argv[1]))
