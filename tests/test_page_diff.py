from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_turns import DRAFT, answered, output_of, without

from agent.edit import Patch
from agent.page.answered import Answered
from agent.page.diff import Piece, diff_html, pieces
from agent.review.turn import Turn
from agent.state import AgentContext
from agent.weave import Weave

TEXT = "One two three. Four five six.\n\n1. Seven\n2. Eight\n"


@st.composite
def edited(draw: st.DrawFn) -> tuple[Weave, set[int]]:
    """A draft with edits, some of them on what others put in, and the edits that are rejected."""
    text, patches = TEXT, []
    for edit in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 20)))
        new = draw(st.sampled_from(["", "nine ten", " four five seven.", "\n3. Eleven\n"]))
        patches.append(Patch(start, end, new, edit))
        text = text[:start] + new + text[end:]
    return Weave.of(TEXT, patches), draw(st.sets(st.integers(0, len(patches) - 1)))


def joined(found: list[Piece], *looks: str) -> str:
    return "".join(piece.text for piece in found if piece.look in looks)


@given(edited())
def test_the_diff_holds_draft_and_standing_answer_word_for_word(case: tuple[Weave, set[int]]) -> None:
    weave, rejected = case
    found = pieces(weave, weave.left_out(rejected))
    assert joined(found, "same", "spared", "removed") == TEXT
    assert joined(found, "same", "spared", "added") == weave.text(rejected)


@given(edited())
def test_all_that_a_rejected_edit_would_have_added_stays_visible(case: tuple[Weave, set[int]]) -> None:
    weave, rejected = case
    out = weave.left_out(rejected)
    proposed = [(run.text, run.edit) for run in weave.runs() if run.kind == "added" and run.edit in out]
    assert [(piece.text, piece.edit) for piece in pieces(weave, out) if piece.look == "refused"] == proposed


def test_what_comes_at_one_place_keeps_the_order_in_which_it_was_proposed() -> None:
    weave = Weave.of("Old.", [Patch(0, 4, "New.", 0), Patch(4, 4, " More.", 1)])
    assert [(piece.look, piece.text) for piece in pieces(weave, {0})] == [
        ("spared", "Old."),
        ("refused", "New."),
        ("added", " More."),
    ]


@pytest.fixture(scope="module")
def turn(context: AgentContext) -> Turn:
    return answered(context)


@pytest.mark.parametrize("rejected", [(), (0,), (0, 1)])
def test_its_html_holds_both_texts_too(turn: Turn, context: AgentContext, rejected: tuple[int, ...]) -> None:
    now = without(turn, *rejected)
    html = re.sub("<button.*?</button>", "", diff_html(Answered(now, output_of(now), context.index.library, True)))
    for gone, text in ((("ins", "s"), DRAFT), (("del", "s"), now["answer"])):
        rest = re.sub(f"<({'|'.join(gone)}) .*?</\\1>", "", html, flags=re.DOTALL)
        assert unescape(re.sub("<[^>]+>", "", rest)) == text
