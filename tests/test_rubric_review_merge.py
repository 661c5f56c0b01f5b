"""Two changes of one sheet: what becomes one, and what is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from review_records import changed, record, without

from training.review.merge import merge
from training.review.sheet import Sheet, SheetCriterion, first_sheet

BASE = first_sheet(record(), "ann")
NEW = SheetCriterion("n1", "Mentions that smoke makes a cough worse.", 2, "accuracy", verdicts=("unknown", "unknown"))
JUDGE = "fake:judge"
REWORDED = {
    "criterion": "States that a cough lasts about four weeks.",
    "verdicts": ("unknown", "unknown"),
    "judged_by": ("", ""),
}


def merged(theirs: tuple[SheetCriterion, ...], mine: tuple[SheetCriterion, ...]):
    return merge((BASE.criteria, ""), (theirs, ""), (mine, ""))


@pytest.mark.parametrize(
    ("theirs", "mine"),
    [
        ({"points": 9}, {"tags": ("course",)}),
        ({"points": 9}, {"axis": "completeness"}),
        ({"points": 9}, REWORDED),
        ({"points": 9}, {"points": 9}),
        ({"judged_by": ("fake:judge", "ann")}, {"points": 9}),
    ],
)
def test_changes_of_different_fields_both_stand(theirs: dict, mine: dict) -> None:
    found = merged(changed(BASE, "d2", **theirs), changed(BASE, "d2", **mine))
    result = next(item for item in found.criteria if item.key == "d2")
    assert not found.conflicts
    for name, value in (theirs | mine).items():
        assert getattr(result, name) == value


def test_verdicts_on_two_responses_are_merged_each_with_who_gave_it() -> None:
    theirs = changed(BASE, "d2", verdicts=("unmet", "unmet"), judged_by=("cy", JUDGE))
    mine = changed(BASE, "d2", verdicts=("met", "met"), judged_by=(JUDGE, "di"))
    result = merged(theirs, mine).criteria[1]
    assert (result.verdicts, result.judged_by) == (("unmet", "met"), ("cy", "di"))


@pytest.mark.parametrize(
    ("theirs", "mine", "says"),
    [
        (changed(BASE, "d2", points=9), changed(BASE, "d2", points=2), "both changed the points"),
        (changed(BASE, "d2", criterion="A."), changed(BASE, "d2", criterion="B."), "both changed the text"),
        (changed(BASE, "d2", **REWORDED), changed(BASE, "d2", verdicts=("met", "met")), "one the verdicts"),
        (without(BASE, "d2"), changed(BASE, "d2", points=2), "they removed what you changed"),
        (changed(BASE, "d2", points=2), without(BASE, "d2"), "you removed what they changed"),
        ((*BASE.criteria, NEW), (*BASE.criteria, replace(NEW, key="n2", points=3)), "same criterion, in two rows"),
        ((*BASE.criteria, NEW), (*BASE.criteria, replace(NEW, points=3)), "under one key"),
    ],
)
def test_what_both_changed_differently_is_a_conflict(theirs, mine, says: str) -> None:
    assert says in " ".join(merged(theirs, mine).conflicts)


def test_what_both_added_in_the_same_words_is_there_once() -> None:
    found = merged((*BASE.criteria, NEW), (*BASE.criteria, replace(NEW, key="n2")))
    assert not found.conflicts
    assert [item.criterion for item in found.criteria].count(NEW.criterion) == 1


def test_what_one_removed_stays_removed_and_what_the_other_added_stays() -> None:
    found = merged((*BASE.criteria, NEW), without(BASE, "d3"))
    assert {item.key for item in found.criteria} == {"d1", "d2", "d4", "d5", "d6", "d7", "n1"}
    assert found.taken == (f"added: {NEW.criterion!r}",)


def test_my_order_holds_where_i_changed_it() -> None:
    found = merged((*BASE.criteria, NEW), tuple(reversed(BASE.criteria)))
    assert [item.key for item in found.criteria if item.key != "n1"] == [f"d{n}" for n in range(7, 0, -1)]


def test_two_comments_are_a_conflict_and_one_is_not() -> None:
    sides = (BASE.criteria, ""), (BASE.criteria, "theirs"), (BASE.criteria, "mine")
    assert merge(*sides).conflicts
    assert merge(sides[0], sides[1], sides[0]).comment == "theirs"


_EDITS = st.lists(st.tuples(st.sampled_from([f"d{n}" for n in range(1, 8)]), st.integers(1, 10)), max_size=4)


@given(_EDITS, _EDITS)
def test_without_a_conflict_every_change_of_both_is_there(theirs: list, mine: list) -> None:
    sides = []
    for edits in (theirs, mine):
        sheet: Sheet = BASE
        for key, points in edits:
            sheet = replace(sheet, criteria=changed(sheet, key, points=points))
        sides.append(sheet.criteria)
    found = merged(*sides)
    if not found.conflicts:
        result = {item.key: item.points for item in found.criteria}
        before = {item.key: item.points for item in BASE.criteria}
        for side in sides:
            assert all(result[item.key] == item.points for item in side if item.points != before[item.key])
