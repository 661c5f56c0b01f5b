"""Patches: where an edit took effect, and what a reviser without them comes to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.edit import Edit, Patch, Revision, patch_between

EDIT = Edit("MODIFY", "A", "B", "p", "c", "r")


@given(st.text(alphabet="ab \n.", max_size=30), st.text(alphabet="ab \n.", max_size=30))
def test_the_patch_between_two_texts_makes_one_the_other(before, after):
    patch = patch_between(before, after, 3)
    assert (patch is None) == (before == after)
    assert patch is None or (patch.applied(before), patch.edit) == (after, 3)


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ("A.\n\nQ?", "A.\n\nNew.\n\nQ?", Patch(2, 2, "\n\nNew.", 0)),
        ("- A\n- B\n- C", "- A\n- C", Patch(3, 7, "", 0)),
        ("Body.", "New.\n\nBody.", Patch(0, 0, "New.\n\n", 0)),
        ("Take 500 mg.", "Take 250 mg.", Patch(5, 8, "250", 0)),
    ],
)
def test_a_patch_is_of_whole_words_and_has_the_gap_before_it(before, after, patch):
    assert patch_between(before, after, 0) == patch


def test_an_edit_keeps_its_number_through_the_rounds():
    assert Patch(0, 1, "B", 1).after_edits(3).edit == 4
    assert Patch(0, 1, "B").after_edits(3).edit is None


@pytest.mark.parametrize(
    ("revision", "way"),
    [
        (Revision("B.", (EDIT,), patches=(Patch(0, 1, "B", 0),)), (Patch(0, 1, "B", 0),)),
        (Revision("B.", (EDIT,)), (Patch(0, 2, "B.", 0),)),
        (Revision("B.", (EDIT, EDIT)), (Patch(0, 2, "B."),)),
        (Revision("B.", (EDIT,), patches=(Patch(0, 1, "C", 0),)), (Patch(0, 2, "B.", 0),)),
        (Revision("A."), ()),
    ],
    ids=["its own", "none, one edit", "none, two edits", "not its text", "no change"],
)
def test_the_way_of_a_revision_always_leads_to_its_text(revision, way):
    assert revision.way_from("A.") == way
