"""Tokens to text as they come: whole characters, and nothing from a stop string on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_qwen3 import tiny_qwen3_folder
from transformers import AutoTokenizer

from agent.reply_text import Detokenizer, StopCutter

__all__ = ["tiny_qwen3_folder"]  # the fixture `tiny_qwen3`


@pytest.mark.parametrize("text", ["Ärztliche Auskunft: 4 g – 服用", "plain", "🙂🙃 two smileys", "  spaces  "])
def test_detokenizing_token_by_token_gives_the_text(tiny_qwen3: Path, text: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_qwen3)
    detokenizer = Detokenizer(tokenizer)
    pieces = [detokenizer.feed(token) for token in tokenizer(text)["input_ids"]]
    assert "\ufffd" not in "".join(pieces)
    assert "".join(pieces) + detokenizer.finish() == text


@pytest.mark.parametrize(
    ("stops", "pieces", "shown"),
    [
        ([], ["a", "b"], "ab"),
        (["END"], ["one E", "N", "D two"], "one "),
        (["END"], ["one E", "N", "ter"], "one ENter"),
        (["END"], ["one E"], "one E"),
        (["two", "ne"], ["one two"], "o"),
        (["aab"], ["a", "a", "a", "b"], "a"),
        ([""], ["text"], "text"),
    ],
)
def test_stop_strings_cut_across_pieces(stops: list[str], pieces: list[str], shown: str) -> None:
    cutter = StopCutter(stops)
    assert "".join(cutter.feed(piece) for piece in pieces) + cutter.finish() == shown
