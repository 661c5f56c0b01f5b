"""A Qwen3 of random weights, built here in a second: everything of a chat model but sense. The same seed gives the same folder."""

from __future__ import annotations

from pathlib import Path

import pytest

CORPUS = [
    "The patient asks how much paracetamol may be taken in a day, and what to do after a missed dose.",
    "Call an ambulance if the pain in the chest spreads to the arm. Ärztliche Auskunft: höchstens 4 g täglich.",
    '{"criterion": 1, "verdict": "yes", "reason": "names the dose", "edits": []}',
] * 20
TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
CONTEXT_TOKENS = 32768


def build_tiny_qwen3(folder: Path, *, seed: int = 0, template: str | None = TEMPLATE, is_endless: bool = False) -> Path:
    """Write config, weights, tokenizer and chat template to a folder and return it; `is_endless`: it talks on and on."""
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_train_tokenizer(), eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.chat_template = template
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,  # the smallest that vLLM's attention takes on a CPU
        max_position_embeddings=CONTEXT_TOKENS,
        eos_token_id=None if is_endless else tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    torch.set_num_threads(1)  # what it computes is too little to share out
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _train_tokenizer():  # type: ignore[no-untyped-def]
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


@pytest.fixture(scope="session", name="tiny_qwen3")
def tiny_qwen3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny model; a test module imports this fixture under its function's name."""
    return build_tiny_qwen3(tmp_path_factory.mktemp("models") / "tiny-qwen3")
