"""Limits and what counts against them."""

import pytest

from agent.ledger import Ledger, Limits, Usage


@pytest.mark.parametrize(
    ("limits", "spent", "exceeded"),
    [
        (Limits(max_calls=2), Usage(calls=1), None),
        (Limits(max_calls=2), Usage(calls=2), "calls"),
        (Limits(max_tokens=10), Usage(input_tokens=6, output_tokens=3), None),
        (Limits(max_tokens=10), Usage(input_tokens=6, output_tokens=4), "tokens"),
        (Limits(max_cost=0.5), Usage(cost=0.6), "cost"),
        (Limits(max_calls=None, max_tokens=None, max_cost=None), Usage(10**6, 10**9, 10**9, 1e9), None),
    ],
)
def test_a_limit_is_reached_when_it_is_used_up(limits, spent, exceeded):
    assert Ledger(limits, spent).exceeded() == exceeded


@pytest.mark.parametrize(("now", "exceeded"), [(104.9, None), (105.0, "seconds"), (999.0, "seconds")])
def test_seconds_count_from_the_start_of_the_run(now, exceeded):
    assert Ledger(Limits(max_seconds=5), clock=lambda: now, started_at=100.0).exceeded() == exceeded


def test_a_run_that_began_at_zero_on_the_clock_is_timed_too():
    assert Ledger(Limits(max_seconds=5), clock=lambda: 7.0, started_at=0.0).seconds == 7.0


def test_charges_add_up():
    ledger = Ledger()
    ledger.charge(Usage(1, 20, 3, 0.5))
    ledger.charge(Usage(2, 30, 4, 0.25))
    assert ledger.spent == Usage(3, 50, 7, 0.75)


@pytest.mark.parametrize(("words", "budget"), [(0, 60), (10, 70), (400, 460), (1000, 1150)])
def test_word_budget_is_the_larger_of_ratio_and_extra_words(words, budget):
    assert Limits().word_budget(words) == budget


@pytest.mark.parametrize("name", list(Limits.__dataclass_fields__))
def test_negative_limits_are_refused(name):
    with pytest.raises(ValueError, match=name):
        Limits(**{name: -1})
