"""The measurement of the server: three real processes, and figures that add up."""

import math

import pytest

from evals.serving import Serving, measure_serving


@pytest.mark.slow
def test_a_small_burst_is_answered_without_error(built_store, monkeypatch):
    monkeypatch.setenv("CLINALIGN_STORE", str(built_store))
    found = measure_serving([("Is a pulse of 58 normal?", "Yes. Rest.")], requests=4, in_flight=2, call_seconds=0.05)
    assert (found.errors, len(found.first_event_seconds)) == (0, 4)
    assert found.seconds > found.ideal_seconds == pytest.approx(0.3)


def test_the_ideal_is_rounds_of_three_calls():
    found = Serving(200, 64, 1.0, seconds=13.0, errors=0, first_event_seconds=tuple(n / 1000 for n in range(200)))
    assert found.ideal_seconds == 12.0
    assert found.share_of_ideal == pytest.approx(12 / 13)
    assert [round(found.first_event_ms(share)) for share in (0.5, 0.95, 1)] == [100, 190, 199]


def test_an_error_is_never_a_fast_answer():
    found = Serving(2, 2, 1.0, seconds=3.0, errors=1, first_event_seconds=(0.01, math.inf))
    assert found.first_event_ms(1) == math.inf
