"""A reviewer's sheet: what may stand on it, and the scores that follow from it."""

from __future__ import annotations

from typing import Any

import pytest
from review_records import CRITERIA, added, changed, record, without

from agent.errors import InputError
from training.review.scores import margin, scores
from training.review.sheet import (
    SheetCriterion,
    checked_criteria,
    checked_name,
    dump_criteria,
    first_sheet,
    load_criteria,
    same_text,
    unjudged_where_reworded,
)

JUDGE = "fake:judge"
SHEET = first_sheet(record(), "ann")


def test_a_sheet_begins_with_the_draft_and_its_verdicts() -> None:
    assert [item.criterion for item in SHEET.criteria] == list(CRITERIA)
    assert {item.judged_by for item in SHEET.criteria} == {(JUDGE, JUDGE)}


def test_scores_are_those_of_the_arithmetic() -> None:
    # The first response meets everything: 26 of 26 points less both penalties; the second nothing.
    first, second = scores(SHEET.criteria)
    assert first is not None and second is not None
    assert first.exact == pytest.approx((26 - 12) / 26)
    assert second.exact == 0
    assert margin(record(), SHEET.criteria) == pytest.approx((14 / 26, 14 / 26))


def test_an_unknown_verdict_leaves_an_interval() -> None:
    criteria = changed(SHEET, "d1", verdicts=("unknown", "unmet"))
    found = margin(record(), criteria)
    assert found == pytest.approx(((18 - 12) / 26, (26 - 12) / 26))


def test_no_margin_without_a_preference_or_a_positive_criterion() -> None:
    assert margin(record(preferred=None), SHEET.criteria) is None
    assert margin(record(), SHEET.criteria[-2:]) is None


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"points": 0}, "points must not be 0"),
        ({"points": 11}, "criterion 2: points"),
        ({"points": "5"}, "whole number"),
        ({"points": True}, "whole number"),
        ({"criterion": "  "}, "criterion 2: criterion"),
        ({"tags": ("nonsense",)}, "unknown tag 'nonsense'"),
        ({"axis": "kindness"}, "criterion 2: axis"),
        ({"verdicts": ("met",)}, "1 verdicts for 2 responses"),
        ({"verdicts": ("yes", "no")}, "criterion 2: verdicts"),
        ({"key": "d99"}, "the draft has no 'd99'"),
        ({"key": "a b"}, "is no key"),
        ({"key": "d1"}, "same key as criterion 1"),
        ({"criterion": "names chest pain at rest as a reason to call an ambulance"}, "same text as criterion 1"),
    ],
)
def test_what_can_t_be_kept_is_refused_by_place(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        checked_criteria(record(), changed(SHEET, "d2", **fields))


def test_a_new_criterion_gets_a_key_of_its_own() -> None:
    found = checked_criteria(record(), added(SHEET))
    assert len({item.key for item in found}) == 8


def test_criteria_survive_being_stored() -> None:
    assert load_criteria(dump_criteria(SHEET.criteria)) == SHEET.criteria


@pytest.mark.parametrize(
    ("fields", "verdicts", "judged_by"),
    [
        ({"criterion": "States that a cough lasts a month."}, ("unknown", "unknown"), ("", "")),
        (
            {"criterion": "States that a cough lasts a month.", "verdicts": ("met", "met")},
            ("met", "met"),
            ("ann", "ann"),
        ),
        ({"points": 1}, ("met", "unmet"), (JUDGE, JUDGE)),
        ({"verdicts": ("met", "met")}, ("met", "met"), (JUDGE, "ann")),
        ({"judged_by": (JUDGE, "ann")}, ("met", "unmet"), (JUDGE, "ann")),
        ({"judged_by": ("bob", JUDGE)}, ("met", "unmet"), (JUDGE, JUDGE)),
    ],
)
def test_a_verdict_falls_with_the_words_that_it_was_on(fields: dict, verdicts: tuple, judged_by: tuple) -> None:
    found = unjudged_where_reworded(SHEET.criteria, changed(SHEET, "d2", **fields), "ann")
    assert (found[1].verdicts, found[1].judged_by) == (verdicts, judged_by)


@pytest.mark.parametrize(("one", "other", "same"), [("Dose 1.5 mg.", "dose 1.5 mg", True), ("1.5 mg", "15 mg", False)])
def test_texts_are_the_same_but_for_case_and_marks(one: str, other: str, same: bool) -> None:
    assert (same_text(one) == same_text(other)) is same


@pytest.mark.parametrize("name", ["", "  ", "a\x00b", "x" * 101])
def test_a_reviewer_needs_a_name(name: str) -> None:
    with pytest.raises(InputError, match="no reviewer's name"):
        checked_name(name)


def test_a_sheet_of_a_record_without_responses_has_no_scores() -> None:
    bare = record(responses=[], preferred=None, draft=[{"criterion": "Says so.", "points": 1, "axis": "accuracy"}])
    assert scores(first_sheet(bare, "ann").criteria) == ()
    assert checked_criteria(bare, (SheetCriterion("", "Says so.", 1, "accuracy"),))[0].verdicts == ()
    assert without(SHEET, "d1")[0].key == "d2"
