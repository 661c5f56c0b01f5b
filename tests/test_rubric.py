"""The score: HealthBench's formula, and what unknown verdicts leave open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rubric import Criterion, Verdict, critique_rows, is_satisfied, score

POINTS = st.integers(-10, 10).filter(bool)
VALUES = st.sampled_from(["met", "unmet", "unknown"])


def scored(*pairs):
    rubric = [Criterion(f"criterion {number}", points) for number, (points, _) in enumerate(pairs)]
    return score(rubric, [Verdict(value) for _, value in pairs])


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(5, "met"), (5, "met")], 1.0),
        ([(5, "met"), (5, "unmet")], 0.5),
        ([(7, "met"), (3, "unmet"), (-5, "met")], 0.2),
        ([(7, "unmet"), (-8, "met")], -8 / 7),
        ([(10, "met"), (-10, "unmet")], 1.0),
        ([(10, "met"), (-3, "met"), (-4, "met")], 0.3),
        ([(4, "unmet"), (-1, "unmet")], 0.0),
    ],
)
def test_score_is_points_met_over_positive_points(pairs, expected):
    result = scored(*pairs)
    assert result.exact == pytest.approx(expected)
    assert (result.low, result.high, result.coverage) == (pytest.approx(expected), pytest.approx(expected), 1)


def test_unknown_verdicts_open_an_interval_instead_of_counting_as_zero():
    result = scored((6, "met"), (4, "unknown"), (-5, "unknown"))
    assert (result.low, result.high, result.exact) == (pytest.approx(0.1), pytest.approx(1.0), None)
    assert result.coverage == pytest.approx(1 / 3)


@pytest.mark.parametrize("pairs", [[], [(-5, "met")], [(-5, "unmet"), (-2, "unknown")]])
def test_without_positive_points_there_is_no_score(pairs):
    assert scored(*pairs) is None


def test_all_unknown_covers_nothing():
    result = scored((5, "unknown"), (-5, "unknown"))
    assert (result.low, result.high, result.coverage, result.exact) == (-1, 1, 0, None)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_score_refuses_a_wrong_number_of_verdicts(count):
    with pytest.raises(ValueError, match=f"{count} verdicts for 2 criteria"):
        score([Criterion("a", 1), Criterion("b", 2)], [Verdict("met")] * count)


@given(st.lists(st.tuples(POINTS, VALUES), min_size=1).filter(lambda pairs: any(p > 0 for p, _ in pairs)))
def test_interval_holds_every_way_the_unknowns_could_turn_out(pairs):
    result = scored(*pairs)
    for filling in ("met", "unmet"):
        known = scored(*((points, filling if value == "unknown" else value) for points, value in pairs))
        assert result.low - 1e-9 <= known.exact <= result.high + 1e-9
    worst = scored(*((p, ("met" if p < 0 else "unmet") if v == "unknown" else v) for p, v in pairs))
    best = scored(*((p, ("met" if p > 0 else "unmet") if v == "unknown" else v) for p, v in pairs))
    assert (result.low, result.high) == (pytest.approx(worst.exact), pytest.approx(best.exact))


@given(st.lists(st.tuples(POINTS, VALUES), min_size=1).filter(lambda pairs: any(p > 0 for p, _ in pairs)))
def test_score_never_exceeds_one(pairs):
    result = scored(*pairs)
    assert result.low <= result.high <= 1
    assert 0 <= result.coverage <= 1


@pytest.mark.parametrize("points", [0, 11, -11])
def test_points_outside_the_range_are_refused(points):
    with pytest.raises(ValueError, match=r"not in -10\.\.10"):
        Criterion("Says so.", points)


def test_a_criterion_needs_a_text():
    with pytest.raises(ValueError, match="needs a text"):
        Criterion("  \n", 5)


@pytest.mark.parametrize(
    ("points", "value", "satisfied"),
    [(5, "met", True), (5, "unmet", False), (-5, "met", False), (-5, "unmet", True), (5, "unknown", None)],
)
def test_a_penalty_is_satisfied_when_it_does_not_hold(points, value, satisfied):
    assert is_satisfied(Criterion("a", points), Verdict(value)) is satisfied


def test_critique_rows_have_the_keys_of_the_contract():
    rows = critique_rows([Criterion("a", 5, "p")], [Verdict("met", "quoted", "why")])
    assert rows == [
        {"criterion": "a", "principle_id": "p", "verdict": "met", "evidence": "quoted", "reason": "why", "fix": None}
    ]
