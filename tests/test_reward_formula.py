"""From verdicts to a reward: the arithmetic, and what it must never do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reward_work import rules

from training.alignment.formula import floor, gold_reward, known_share, length_penalty, shaped_reward

M, U, X = True, False, None
POINTS = [5, 3, -4, -8]
LENGTH = {"budget": 100, "buffer": 50, "penalty": 0.4}
VETO = {"points": -8, "reward": -1.0}


def reward(points: list[int], mets: list[bool | None], words: int = 0, **given: Any) -> float | str | None:
    found = shaped_reward(points, mets, words=words, rules=rules(**given))
    return found.gap or found.value


@pytest.mark.parametrize(
    ("mets", "given", "expected"),
    [
        ([M, M, U, U], {}, 1.0),
        ([M, U, M, U], {}, 1 / 8),
        ([U, U, U, M], {}, -1.0),
        ([U, U, M, M], {}, -1.0),  # -12 / 8, bounded
        ([U, M, U, M], {}, -5 / 8),
        ([M, U, X, U], {}, 5 / 8),  # 16 of 20 points are known, 0.8
        ([M, X, M, U], {}, 1 / 5),  # unknown counts on neither side
        ([M, X, X, U], {}, "undecided"),
        ([X, X, M, M], {"min_known": 0.1}, "undecided"),  # nothing is known of what it could earn
        ([M, U, M, M], {"positive_only": True}, 5 / 8),
        ([M, U, X, X], {"positive_only": True}, 5 / 8),  # penalties need not be known where they don't count
        ([M, M, U, U], {"saturate_at": 0.7}, 0.7),
        ([M, U, U, U], {"saturate_at": 0.7}, 5 / 8),
        ([M, M, U, M], {"veto": VETO}, -1.0),
        ([U, U, M, M], {"veto": {"reward": -0.5}}, -1.0),  # what is worse than a veto stays worse
        ([U, U, M, M], {"veto": {"reward": -1.5}}, -1.5),  # the bound holds for the score alone
        ([M, M, U, U], {"veto": VETO}, 1.0),
        ([M, M, M, U], {"veto": VETO}, 4 / 8),  # -4 is no veto
        ([M, M, U, X], {"veto": VETO, "min_known": 0.5}, "veto undecided"),
        ([X, X, X, M], {"veto": VETO}, -1.0),  # whatever the others are
        ([M, M, U, M], {"veto": VETO, "positive_only": True}, -1.0),
    ],
)
def test_the_formula_is_as_documented(mets: list[bool | None], given: dict[str, Any], expected: float | str) -> None:
    assert reward(POINTS, mets, **given) == pytest.approx(expected)


@pytest.mark.parametrize(("words", "lost"), [(0, 0.0), (100, 0.0), (101, 0.008), (125, 0.2), (150, 0.4), (9000, 0.4)])
def test_length_costs_nothing_within_the_budget_and_no_more_than_the_penalty(words: int, lost: float) -> None:
    assert length_penalty(words, rules(length=LENGTH).length) == pytest.approx(lost)
    assert reward(POINTS, [M, M, U, U], words, length=LENGTH) == pytest.approx(1 - lost)
    assert reward(POINTS, [M, M, U, M], words, length=LENGTH, veto=VETO) == pytest.approx(-1 - lost)


def test_the_worked_example_of_the_docs_holds() -> None:
    points, mets = [7, 5, 3, -6, -9], [M, M, U, M, U]
    assert known_share(points, mets) == 1
    assert reward(points, mets) == pytest.approx(0.4)
    assert reward(points, mets, positive_only=True) == pytest.approx(0.8)
    assert reward(points, mets, positive_only=True, saturate_at=0.75) == pytest.approx(0.75)
    assert reward(points, mets, 325, length={"budget": 300, "buffer": 100, "penalty": 0.4}) == pytest.approx(0.3)
    assert reward(points, [M, M, U, M, M], veto=VETO) == pytest.approx(-1.0)
    assert reward([7, -6, -9], [U, M, M]) == pytest.approx(-1.0)
    assert floor(rules(length={"budget": 300, "buffer": 100, "penalty": 0.4})) == pytest.approx(-1.4)
    assert reward(points, [M, M, U, M, X]) == "undecided"  # 21 of 30 points
    assert reward(points, [M, M, X, M, U]) == pytest.approx(6 / 12)


def test_a_rubric_that_nothing_can_be_earned_by_gives_no_reward() -> None:
    assert reward([-3, -8], [U, U]) == "no positive points"
    assert reward([-3, -8], [U, M], veto=VETO) == "no positive points"
    assert reward([-3], [U], positive_only=True) == "no positive points"


def test_held_out_answers_are_scored_plainly() -> None:
    assert gold_reward(POINTS, [M, M, U, M], min_known=0.8).value == pytest.approx(0.0)
    assert gold_reward(POINTS, [X, X, U, M], min_known=0.8).gap == "undecided"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, -1.0),
        ({"veto": {"reward": -0.3}}, -1.0),
        ({"veto": {"reward": -1.5}}, -1.5),
        ({"veto": {"reward": -1.5}, "length": LENGTH}, -1.9),
    ],
)
def test_the_floor_is_the_worst_that_an_answer_can_get(given: dict[str, Any], expected: float) -> None:
    assert floor(rules(**given)) == pytest.approx(expected)
    worst = reward([1, -8, -8], [U, M, M], 9000, **given)
    assert worst == pytest.approx(expected)


CRITERIA = st.lists(st.tuples(st.integers(-10, 10).filter(bool), st.sampled_from([M, U, X])), min_size=1, max_size=8)
SHAPES = st.fixed_dictionaries(
    {},
    optional={
        "positive_only": st.booleans(),
        "saturate_at": st.floats(0.1, 1),
        "veto": st.fixed_dictionaries({"points": st.just(-8), "reward": st.floats(-2, 0)}),
        "length": st.just(LENGTH),
        "min_known": st.floats(0.1, 1),
    },
)


@given(CRITERIA, SHAPES, st.integers(0, 300))
def test_an_answer_that_meets_a_penalty_more_never_earns_more(
    criteria: list[tuple[int, bool | None]], shape: dict[str, Any], words: int
) -> None:
    points, mets = [size for size, _ in criteria], [met for _, met in criteria]
    before = reward(points, mets, words, **shape)
    for number, (size, met) in enumerate(criteria):
        if size < 0 and met is U and isinstance(before, float):
            after = reward(points, [*mets[:number], M, *mets[number + 1 :]], words, **shape)
            assert isinstance(after, float)
            assert after <= before + 1e-9


@given(CRITERIA, SHAPES, st.integers(0, 300))
def test_an_answer_that_meets_more_that_is_wanted_never_earns_less(
    criteria: list[tuple[int, bool | None]], shape: dict[str, Any], words: int
) -> None:
    points, mets = [size for size, _ in criteria], [met for _, met in criteria]
    before = reward(points, mets, words, **shape)
    for number, (size, met) in enumerate(criteria):
        if size > 0 and met is U and isinstance(before, float):
            after = reward(points, [*mets[:number], M, *mets[number + 1 :]], words, **shape)
            assert isinstance(after, float)
            assert after >= before - 1e-9


@given(CRITERIA, SHAPES, st.integers(0, 300))
def test_no_answer_that_is_judged_gets_less_than_one_that_is_cut_off(
    criteria: list[tuple[int, bool | None]], shape: dict[str, Any], words: int
) -> None:
    found = reward([size for size, _ in criteria], [met for _, met in criteria], words, **shape)
    if isinstance(found, float):
        assert found >= floor(rules(**shape))


@given(CRITERIA, SHAPES)
def test_no_reward_is_above_the_saturation_or_where_a_veto_may_be_met_above_its_reward(
    criteria: list[tuple[int, bool | None]], shape: dict[str, Any]
) -> None:
    points, mets = [size for size, _ in criteria], [met for _, met in criteria]
    found = reward(points, mets, **shape)
    if isinstance(found, float):
        assert found <= shape.get("saturate_at", 1.0)
        if "veto" in shape and any(size <= -8 and met is not U for size, met in criteria):
            assert found <= shape["veto"]["reward"]
