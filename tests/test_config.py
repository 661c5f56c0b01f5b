"""Settings: from the environment, an argument wins, and what is unknown is refused."""

from pathlib import Path

import pytest

from agent.config import PREFIX, Settings, load_settings
from agent.errors import ConfigError
from agent.ledger import Limits


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def test_without_settings_the_limits_are_the_defaults():
    assert load_settings().limits() == Limits()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("library", "principles.json", Path("principles.json")),
        ("store", "http://chroma:8000", "http://chroma:8000"),
        ("k", "5", 5),
        ("seed", "-3", -3),
        ("max_rounds", "3", 3),
        ("max_cost", "0.5", 0.5),
        ("length_ratio", "1.3", 1.3),
    ],
)
def test_the_environment_sets_every_field(monkeypatch, name, text, value):
    monkeypatch.setenv(PREFIX + name.upper(), text)
    assert getattr(load_settings(), name) == value


def test_an_argument_wins_over_the_environment_unless_it_is_none(monkeypatch):
    monkeypatch.setenv("CLINALIGN_K", "5")
    assert load_settings(k=7).k == 7
    assert load_settings(k=None).k == 5


@pytest.mark.parametrize("name", ["CLINALIGN_MAX_ROUND", "CLINALIGN_", "clinalign_kk"])
def test_an_unknown_variable_is_refused_and_the_known_are_told(monkeypatch, name):
    monkeypatch.setenv(name, "2")
    with pytest.raises(ConfigError, match=f"unknown setting {name} .*CLINALIGN_MAX_ROUNDS"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("K", "many"),
        ("K", "0"),
        ("K", "51"),
        ("K", ""),
        ("MAX_ROUNDS", "-1"),
        ("MAX_ROUNDS", "11"),
        ("MAX_CALLS", "1.5"),
        ("MAX_SECONDS", "nan"),
        ("LENGTH_RATIO", "inf"),
        ("LENGTH_RATIO", "-0.1"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_variable(monkeypatch, name, text):
    monkeypatch.setenv(PREFIX + name, text)
    with pytest.raises(ConfigError, match=rf"{PREFIX}{name}\b.*{text}"):
        load_settings()


def test_an_unknown_argument_is_refused():
    with pytest.raises(ConfigError, match="max_round"):
        load_settings(max_round=2)


def test_settings_are_hashable_so_that_a_context_is_opened_once():
    assert hash(load_settings(k=5)) == hash(load_settings(k=5))
