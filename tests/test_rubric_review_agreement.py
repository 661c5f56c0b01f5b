"""Agreement between reviewers: α against published examples, and what of the sheets goes into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from review_records import changed, record, without

from training.review.agreement import Agreement, agreement_of
from training.review.alpha import Ratings, nominal, squared
from training.review.consensus import agreed_criteria, common_sheet, differences
from training.review.sheet import Sheet, SheetCriterion, first_sheet

BASE = first_sheet(record(), "ann")
# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): section C, four observers with missing values ...
FOUR_OBSERVERS = [
    *([1, 1, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4], [4, 4, 4, 4]),
    *([1, 1, 2, 1], [2, 2, 2, 2], [5, 5, 5], [1, 1], [3]),
]
# ... and section A, two observers and a binary value.
TWO_OBSERVERS = [[0, 1], [1, 1], [0, 1], [0, 0], [0, 0], [0, 1], [0, 0], [0, 0], [1, 0], [0, 0]]


def ratings(units: Sequence[Sequence[int]], distance=nominal) -> Ratings:
    found = Ratings(range(6), distance)
    for unit in units:
        found.add([unit])
    return found


@pytest.mark.parametrize(
    ("units", "distance", "published"),
    [(FOUR_OBSERVERS, nominal, 0.743), (FOUR_OBSERVERS, squared, 0.849), (TWO_OBSERVERS, nominal, 0.095)],
)
def test_alpha_is_that_of_the_published_examples(units, distance, published: float) -> None:
    assert ratings(units, distance).alpha().value == pytest.approx(published, abs=6e-4)


def test_alpha_by_hand() -> None:
    # Values 0 0 | 1 1 | 0 1: n = 6, three of each; observed 2/6, expected 2 * 3 * 3 / (6 * 5).
    assert ratings([[0, 0], [1, 1], [0, 1]]).alpha().value == pytest.approx(1 - (2 / 6) / (18 / 30))


@pytest.mark.parametrize("units", [[], [[1]], [[1, 1], [1, 1, 1]]])
def test_there_is_no_alpha_where_nothing_can_differ(units: list) -> None:
    assert ratings(units).alpha().value is None


def test_the_interval_holds_the_value_and_needs_ten_clusters() -> None:
    found = ratings(FOUR_OBSERVERS).alpha()
    assert found.low is not None and found.high is not None and found.low < found.value < found.high
    assert ratings(FOUR_OBSERVERS[:9]).alpha().low is None


def sheets(*of: tuple[str, str, Sequence[SheetCriterion]]) -> list[Sheet]:
    return [replace(BASE, reviewer=name, state=state, criteria=tuple(rows)) for name, state, rows in of]  # type: ignore[arg-type]


def agreement(*groups: list[Sheet]) -> Agreement:
    return agreement_of(groups, seed=0)


def test_kappa_of_a_pair_is_cohens() -> None:
    both = [("accepted", "accepted"), ("accepted", "rejected"), ("rejected", "rejected"), ("rejected", "rejected")]
    found = agreement(*(sheets(("ann", a, BASE.criteria), ("bob", b, BASE.criteria)) for a, b in both))
    (pair,) = found.pairs
    # Alike 3/4; by chance 2/4 * 1/4 + 2/4 * 3/4 = 1/2.
    assert (pair.decision_kappa, pair.records) == (pytest.approx(0.5), 4)


def test_what_is_kept_and_its_points_count_among_those_who_accepted() -> None:
    group = sheets(("ann", "accepted", without(BASE, "d7")), ("bob", "accepted", changed(BASE, "d1", points=9)))
    found = agreement(group, sheets(("ann", "rejected", ()), ("bob", "accepted", BASE.criteria)))
    assert (found.kept.units, found.points.units) == (7, 6)
    assert found.as_drafted == pytest.approx((6 + 6 + 7) / (7 + 7 + 7))


def test_a_verdict_that_nobody_gave_is_no_agreement() -> None:
    own = [changed(BASE, "d1", verdicts=("met", "unknown"), judged_by=(name, "")) for name in ("ann", "bob")]
    found = agreement(sheets(("ann", "accepted", own[0]), ("bob", "accepted", own[1])))
    assert found.verdicts.units == 1


def test_a_verdict_left_as_the_judge_gave_it_is_not_the_reviewers() -> None:
    mixed = changed(BASE, "d1", verdicts=("met", "met"), judged_by=("fake:judge", "ann"))
    left = sheets(("ann", "accepted", mixed), ("bob", "accepted", BASE.criteria))
    both = sheets(("ann", "accepted", mixed), ("bob", "accepted", changed(BASE, "d1", judged_by=("bob", "bob"))))
    assert [agreement(group).verdicts.units for group in (left, both)] == [0, 1]


NEW = SheetCriterion("n1", "Mentions smoke.", 2, "accuracy", verdicts=("met", "unknown"), judged_by=("ann", ""))
OTHER_KEY = replace(NEW, key="n2", criterion="mentions SMOKE", points=3)


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        (BASE.criteria, changed(BASE, "d1", points=9), []),
        (BASE.criteria, changed(BASE, "d1", points=10), ["points"]),
        (changed(BASE, "d1", points=1), changed(BASE, "d1", points=-1), ["points"]),
        (BASE.criteria, changed(BASE, "d1", criterion=BASE.criteria[0].criterion.upper()), []),
        (BASE.criteria, changed(BASE, "d1", criterion="Names chest pain."), ["text"]),
        (BASE.criteria, changed(BASE, "d1", verdicts=("unmet", "unmet"), tags=("course",)), []),
        (BASE.criteria, without(BASE, "d1"), ["kept"]),
        ((*BASE.criteria, NEW), (*BASE.criteria, OTHER_KEY), []),
        ((*BASE.criteria, NEW), BASE.criteria, ["kept"]),
    ],
)
def test_what_counts_as_a_difference(one, other, what: list[str]) -> None:
    found = differences(sheets(("ann", "accepted", one), ("bob", "accepted", other)))
    assert [item.what for item in found] == what


@pytest.mark.parametrize(("points", "mean"), [((4, 5), 5), ((-4, -5), -5), ((4, 4, 5), 4), ((1, 2), 2)])
def test_points_are_averaged_away_from_zero(points: tuple[int, ...], mean: int) -> None:
    group = sheets(*((f"r{n}", "accepted", changed(BASE, "d1", points=value)) for n, value in enumerate(points)))
    assert agreed_criteria(group)[0].points == mean


def test_a_verdict_on_which_they_differ_is_unknown() -> None:
    group = sheets(("a", "accepted", BASE.criteria), ("b", "accepted", changed(BASE, "d1", verdicts=("met", "met"))))
    assert agreed_criteria(group)[0].verdicts == ("met", "unknown")


def test_adjudication_begins_with_what_most_have_kept() -> None:
    group = sheets(
        ("a", "accepted", (*BASE.criteria, NEW)), ("b", "accepted", without(BASE, "d2")), ("c", "rejected", ())
    )
    keys = [item.key for item in common_sheet(record(), group).criteria]
    assert keys == ["d1", "d3", "d4", "d5", "d6", "d7"]
