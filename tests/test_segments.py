"""Numbered segments: they cover the text, edits touch what they name and nothing else, and what can't be done is told."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.edit import patched
from agent.segments import SegmentEdit, apply_edits, before, check_edits, edit_patches, numbered, quote, segments

DRAFT = "Yes, it is safe. Take one tablet.\n\n- With food\n- Not with alcohol\n\nCall us if it gets worse."
CODE = "Note:\n```\nBP 120/80\nHR 60\n```\nDone."


def edit(op, first, text="", *, last=None, shape="sentence"):
    return SegmentEdit(op, first, first if last is None else last, text, shape)


def test_each_sentence_list_item_and_line_of_code_has_a_number():
    assert [DRAFT[span.start : span.end] for span in segments(DRAFT)] == [
        "Yes, it is safe.", "Take one tablet.", "With food", "Not with alcohol", "Call us if it gets worse.",
    ]  # fmt: skip
    assert numbered(CODE) == "[1] Note:\n```\n[2] BP 120/80\n[3] HR 60\n```\n[4] Done."


@given(st.text(alphabet="abé .?!\n-*#|`\t", max_size=80))
def test_segments_hold_every_letter_and_digit_in_order(text):
    spans = segments(text)
    covered = "".join(text[span.start : span.end] for span in spans)
    assert re.findall(r"\w", covered) == re.findall(r"\w", text)
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))


@given(st.text(alphabet="ab1 .?!\n-*#|`", max_size=80))
def test_without_the_numbers_the_numbered_text_is_the_text(text):
    assert re.sub(r"\[\d+\] ", "", numbered(text)) == text


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (edit("MODIFY", 2, "Take two tablets."), DRAFT.replace("one tablet", "two tablets")),
        (edit("MODIFY", 1, "No.", last=2), DRAFT.replace("Yes, it is safe. Take one tablet.", "No.")),
        (edit("MODIFY", 3, "- With water"), DRAFT.replace("With food", "With water")),
        (edit("REMOVE", 2), DRAFT.replace(" Take one tablet.", "")),
        (edit("REMOVE", 3), DRAFT.replace("- With food\n", "")),
        (edit("REMOVE", 3, last=4), DRAFT.replace("- With food\n- Not with alcohol\n\n", "")),
        (edit("REMOVE", 5), DRAFT.replace("\n\nCall us if it gets worse.", "")),
        (edit("ADD", 1, "New."), DRAFT.replace("safe.", "safe. New.")),
        (edit("ADD", 0, "New.", shape="paragraph"), "New.\n\n" + DRAFT),
        (edit("ADD", 0, "New."), "New. " + DRAFT),
        (edit("ADD", 5, "New.", shape="paragraph"), DRAFT + "\n\nNew."),
        (edit("ADD", 1, "New.", shape="paragraph"), DRAFT.replace("tablet.\n", "tablet.\n\nNew.\n")),
        (edit("ADD", 3, "New", shape="list item"), DRAFT.replace("food\n", "food\n- New\n")),
        (edit("ADD", 4, "- New", shape="sentence"), DRAFT.replace("alcohol\n", "alcohol\n- New\n")),
        (edit("ADD", 2, "New", shape="list item"), DRAFT.replace("tablet.\n", "tablet.\n\n- New\n")),
    ],
)
def test_an_edit_changes_what_it_names_and_nothing_else(change, expected):
    check_edits(DRAFT, [change])
    assert apply_edits(DRAFT, [change]) == expected


def test_a_numbered_list_goes_on_counting():
    assert apply_edits("1. One\n2. Two", [edit("ADD", 2, "Three", shape="list item")]) == "1. One\n2. Two\n3. Three"


@pytest.mark.parametrize("last", [0, 2, 5])
def test_an_addition_stands_where_it_says_whatever_its_last_is(last):
    added, changed = edit("ADD", 2, "New.", last=last), edit("MODIFY", 1, "Yes, it is quite safe.")
    expected = DRAFT.replace("safe.", "quite safe.").replace("tablet.", "tablet. New.")
    assert apply_edits(DRAFT, [added, changed, edit("MODIFY", 3, "With water")]) == expected.replace("food", "water")


@pytest.mark.parametrize("op", ["REMOVE", "MODIFY"])
def test_an_addition_inside_a_range_that_changes_whole_comes_after_it(op):
    changed = edit(op, 1, "Gone." if op == "MODIFY" else "", last=2)
    first = "Gone. New." if op == "MODIFY" else "New."
    expected = DRAFT.replace("Yes, it is safe. Take one tablet.", first)
    assert apply_edits(DRAFT, [changed, edit("ADD", 1, "New.")]) == expected


@given(st.sampled_from([DRAFT, CODE, "1. One\n2. Two\n3. Three"]), st.data())
def test_the_patches_of_edits_lead_to_the_text_and_all_but_the_tidying_name_their_edit(text, data):
    numbers = data.draw(st.lists(st.integers(1, len(segments(text))), min_size=1, unique=True))
    edits = [edit(data.draw(st.sampled_from(["REMOVE", "MODIFY", "ADD"])), n, f"New {n}.") for n in numbers]
    patches = edit_patches(text, edits)
    assert patched(text, patches) == apply_edits(text, edits)
    assert [n for n in range(len(edits)) if n in [patch.edit for patch in patches]] == [*range(len(edits))]
    assert all(patch.text.isdigit() for patch in patches if patch.edit is None)


def test_several_edits_do_not_disturb_each_other_in_whatever_order_they_come():
    edits = [edit("ADD", 5, "End.", shape="paragraph"), edit("REMOVE", 1), edit("MODIFY", 4, "Never with alcohol")]
    edits += [edit("ADD", 2, "A."), edit("ADD", 2, "B.")]
    expected = "Take one tablet. A. B.\n\n- With food\n- Never with alcohol\n\nCall us if it gets worse.\n\nEnd."
    assert apply_edits(DRAFT, edits) == expected
    assert apply_edits(DRAFT, [edits[i] for i in (3, 2, 0, 4, 1)]) == expected


@pytest.mark.parametrize(
    ("edits", "complaint"),
    [
        ([edit("MODIFY", 6, "x")], "segments 6 to 6, but there are only 1 to 5"),
        ([edit("REMOVE", 0)], "only 1 to 5"),
        ([edit("REMOVE", 3, last=2)], "segments 3 to 2"),
        ([edit("ADD", 6, "x")], "only 0 to 5"),
        ([edit("ADD", 1, " ")], "ADD without a text"),
        ([edit("MODIFY", 1, "")], "MODIFY without a text"),
        ([edit("MODIFY", 1, "x", last=3), edit("REMOVE", 3)], "edits 1 and 2 both change segment 3"),
    ],
)
def test_what_cannot_be_done_is_told_in_words_a_model_can_act_on(edits, complaint):
    with pytest.raises(ValueError, match=re.escape(complaint)):
        check_edits(DRAFT, edits)


def test_what_an_edit_takes_out_is_quoted_word_for_word():
    assert before(DRAFT, edit("REMOVE", 1, last=2)) == "Yes, it is safe. Take one tablet."
    assert before(DRAFT, edit("ADD", 1, "x")) == ""


def test_evidence_is_cut_from_the_text_and_numbers_that_do_not_exist_are_left_out():
    assert quote(DRAFT, [4, 1, 99, 0, 1]) == "Yes, it is safe. … Not with alcohol"
    assert quote(DRAFT, []) == ""


TABLE = "| a | b |\n|---|---|\n| 1 | two. Three |\n| 4 | 5 |\n\nEnd."


def test_a_row_of_a_table_is_one_segment_with_its_bars():
    assert numbered(TABLE) == "[1] | a | b |\n|---|---|\n[2] | 1 | two. Three |\n[3] | 4 | 5 |\n\n[4] End."
    assert apply_edits(TABLE, [edit("REMOVE", 2)]) == TABLE.replace("| 1 | two. Three |\n", "")
    assert apply_edits(TABLE, [edit("MODIFY", 3, "| 6 | 7 |")]) == TABLE.replace("| 4 | 5 |", "| 6 | 7 |")
    assert apply_edits(TABLE, [edit("ADD", 2, "| x | y |", shape="list item")]) == TABLE.replace(
        "| 4", "| x | y |\n| 4"
    )


@pytest.mark.parametrize(
    ("text", "change", "expected"),
    [
        ("1. One\n2. Two\n3. Three", edit("REMOVE", 2), "1. One\n2. Three"),
        ("1. One\n2. Two", edit("ADD", 1, "New", shape="list item"), "1. One\n2. New\n3. Two"),
        ("## 1. A\n\nx\n\n## 2. B\n\ny\n\n## 3. C", edit("REMOVE", 3, last=4), "## 1. A\n\nx\n\n## 2. C"),
        ("3. Three\n4. Four", edit("MODIFY", 1, "Tres"), "3. Tres\n4. Four"),
        ("1. A\n2. B\n\nText.\n\n1. C\n2. D", edit("REMOVE", 2), "1. A\n\nText.\n\n1. C\n2. D"),
        ("A.\n\n---\n\nB.\n\n---\n\nC.", edit("REMOVE", 2), "A.\n\n---\n\nC."),
    ],
)
def test_lists_stay_counted_and_lines_single(text, change, expected):
    assert apply_edits(text, [change]) == expected
