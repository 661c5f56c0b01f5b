"""What is shown of a reply with thinking in it: the same, however the reply was cut into pieces."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.events import DraftToken
from agent.thinking import ThinkingFilter


def shown(pieces: Iterable[str]) -> tuple[str, list[DraftToken]]:
    stripper = ThinkingFilter()
    fed = [stripper.feed(piece) for piece in pieces]
    tokens = [token for token in [*fed, stripper.finish()] if token]
    text = ""
    for token in tokens:
        text = token.text if token.restart else text + token.text
    return text, tokens


@pytest.mark.parametrize(
    ("reply", "visible"),
    [
        ("Take one a day.", "Take one a day."),
        ("<think>Hm.</think>Take one.", "Take one."),
        ("\n <think>\nHm.\n</think>\n\nTake one.\n", "Take one."),
        ("<THINK>Hm.</Think>Take one.", "Take one."),
        ("<thinking>a</thinking><think>b</think>Take one.", "Take one."),
        ("[THINK]Hm.[/THINK]Take one.", "Take one."),
        ("◁think▷Hm.◁/think▷Take one.", "Take one."),
        ("The user asks.\n</think>\n\nTake one.", "Take one."),
        ("</think>Take one.", "Take one."),
        ("<think>never closed: take two", ""),
        ("Take one.<think>or two?</think> Daily.", "Take one.Daily."),
        ("Take one. <think>or two?", "Take one."),
        ("<think>a</think>Take one.</think> Daily.", "Take one. Daily."),
        ("If ALT < 3 x ULN and AST <th", "If ALT < 3 x ULN and AST <th"),
        ("<think></think>", ""),
        ("", ""),
        ('<think>x</think>{"quote": "</think> and <think>"}', '{"quote": "</think> and <think>"}'),
        ('{"quote": "he wrote </think>"}', '{"quote": "he wrote </think>"}'),
        ('```json\n{"quote": "<think>"}\n```', '```json\n{"quote": "<think>"}\n```'),
        ('Let me see.</think>\n{"quote": "</think>"}', '{"quote": "</think>"}'),
        ("[1, 2]", "[1, 2]"),
    ],
)
def test_thinking_is_taken_out_and_nothing_else(reply: str, visible: str) -> None:
    assert shown([reply])[0].strip() == visible
    assert shown(reply)[0].strip() == visible  # letter by letter


_PARTS = st.sampled_from(
    ["<think>", "</think>", "<", "/think", "[THINK]", "{", "word ", "\n", "◁think▷", "[/THINK]", "th", ">"]
)


@given(st.lists(_PARTS, max_size=12).map("".join), st.lists(st.integers(0, 60), max_size=8))
def test_cutting_a_reply_into_pieces_changes_nothing(reply: str, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(reply)]
    pieces = [reply[start:end] for start, end in pairwise(edges)]
    assert shown(pieces)[0].strip() == shown([reply])[0].strip()


def test_a_tag_that_is_split_between_pieces_is_not_shown() -> None:
    _, tokens = shown(["<th", "ink>secret</", "think", ">Take", " one."])
    assert tokens == [DraftToken("Take"), DraftToken(" one.")]


def test_thinking_that_was_shown_before_its_end_came_is_voided() -> None:
    _, tokens = shown(["The user", " asks.", "</think>", "Take one."])
    assert tokens == [
        DraftToken("The user"),
        DraftToken(" asks."),
        DraftToken("", restart=True),
        DraftToken("Take one."),
    ]


def test_what_might_become_a_tag_is_held_back_only_until_it_can_not() -> None:
    stripper = ThinkingFilter()
    assert stripper.feed("ALT <th") == DraftToken("ALT ")
    assert stripper.feed("ree") == DraftToken("<three")
    assert stripper.finish() is None
