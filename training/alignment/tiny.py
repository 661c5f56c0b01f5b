"""A chat model of Qwen3's make, small enough to be trained on two cores in minutes; made here, so that nothing is downloaded.

Its weights are random and its tokenizer is trained on shipped text: it shows that a training run works, and knows no medicine.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from training.alignment.export import replacing_folder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY = 2048
"""Tokens, byte alphabet and marks included; a shipped sentence takes about two dozen."""
HIDDEN, LAYERS, HEADS, KEY_HEADS, HEAD_SIZE = 96, 2, 4, 2, 32
"""As in Qwen3, heads share keys; 32 is the smallest head that vLLM's attention takes on a CPU."""
FEED_FORWARD = 192
CONTEXT_TOKENS = 32768
"""Of Qwen3; positions are computed, so that a long context costs nothing until it is used."""

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
"""Qwen's marks: padding, and the ends of a turn."""
CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
"""ChatML, as Qwen3's without tools and thinking."""


def build_tiny(folder: Path, *, seed: int = 0) -> Path:
    """Write config, weights, tokenizer, chat template and generation config to a folder, whole or not at all, and return it.

    The same seed gives the same bytes. PyTorch's own random state is left as it was.
    """
    import torch
    from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=_trained_tokenizer(), eos_token=TURN_END, pad_token=END_OF_TEXT, padding_side="left"
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=FEED_FORWARD,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        head_dim=HEAD_SIZE,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=True,
        **ends,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config)
    model.generation_config = GenerationConfig(do_sample=True, temperature=1.0, **ends)  # type: ignore[no-untyped-call]
    with replacing_folder(folder) as new:
        model.save_pretrained(new)
        tokenizer.save_pretrained(new)
    return folder


def shipped_texts() -> Iterator[str]:
    """Yield what the tokenizer is trained on: the principles' example sentences and the starter rubrics' conversations."""
    from principles_store.library import load_library
    from principles_store.rubric_set import load_rubrics

    for principle in load_library():
        for criterion in principle.criteria:
            yield from criterion.meets
            yield from criterion.breaks
    for rubric in load_rubrics():
        yield from (message["content"] for message in rubric.conversation)


def _trained_tokenizer() -> Tokenizer:
    """Return a byte-level BPE, which takes any text there is."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END_OF_TEXT, TURN_START, TURN_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(shipped_texts(), trainer)
    return tokenizer
