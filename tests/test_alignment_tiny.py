"""The tiny model is a whole chat model: made the same every time, its parts at one about how a turn ends, any text goes in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from training.alignment.tiny import TURN_END, build_tiny, shipped_texts


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return build_tiny(tmp_path_factory.mktemp("models") / "tiny", seed=3)


@pytest.fixture(scope="module")
def tokenizer(tiny: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny)  # type: ignore[no-any-return,no-untyped-call]


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_seed_gives_the_same_bytes(tiny: Path, tmp_path: Path) -> None:
    assert files_in(build_tiny(tmp_path, seed=3)) == files_in(tiny)


def test_another_seed_gives_other_weights_alone(tiny: Path, tmp_path: Path) -> None:
    other = files_in(build_tiny(tmp_path, seed=4))
    assert [name for name, content in files_in(tiny).items() if other[name] != content] == ["model.safetensors"]


def test_building_leaves_the_random_state_as_it_was(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    build_tiny(tmp_path)
    assert torch.equal(before, torch.get_rng_state())


def test_all_files_agree_on_how_an_answer_ends(tiny: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    ends = [json.loads((tiny / f"{name}.json").read_text())["eos_token_id"] for name in ("config", "generation_config")]
    assert {*ends, tokenizer.convert_tokens_to_ids(TURN_END)} == {tokenizer.eos_token_id}
    assert tokenizer.pad_token_id not in (None, tokenizer.eos_token_id)


def test_a_conversation_is_rendered_up_to_the_answer(tokenizer: PreTrainedTokenizerBase) -> None:
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Cough?"}]
    rendered = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    assert rendered == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nCough?<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("text", ["Höchstens 4 g täglich.", "胸が痛い", "🚑 now!", "a\x00b\t\r\n", "<|im_end", ""])
def test_any_text_comes_back_from_its_tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(tokens, clean_up_tokenization_spaces=False) == text


def test_shipped_sentences_take_few_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    texts = list(shipped_texts())
    tokens = sum(len(found) for found in tokenizer(texts)["input_ids"])
    assert tokens / sum(len(text.split()) for text in texts) < 2


def test_it_is_a_qwen3_that_computes(tiny: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny)
    logits = model(**tokenizer("Call your local emergency number now.", return_tensors="pt")).logits
    assert model.config.model_type == "qwen3"
    assert logits.isfinite().all()
    assert model.num_parameters() < 1_000_000
