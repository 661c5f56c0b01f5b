"""The row that the scenario classifier sees: meaning of the user's turns, and telling words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_index import WordEmbedder

from principles_store.conversation import Message, parse_conversation
from principles_store.scenario_features import (
    _COMPILED,
    CONTEXT_WEIGHT,
    WORDS_WEIGHT,
    _word_features,
    scenario_features,
)

SHAPES = 6
"""Columns before the word counts."""


def _row(data: str | list[Message]) -> np.ndarray:
    return scenario_features(parse_conversation(data), WordEmbedder())


def test_a_row_holds_last_turn_all_turns_and_words() -> None:
    conversation = parse_conversation([("user", "hello there"), ("assistant", "hi"), ("user", "chest pain")])
    last, everything = WordEmbedder().encode(["chest pain", "hello there chest pain"])
    expected = [last, CONTEXT_WEIGHT * everything, WORDS_WEIGHT * _word_features(conversation)]
    np.testing.assert_allclose(scenario_features(conversation, WordEmbedder()), np.concatenate(expected), atol=1e-6)


def test_one_turn_counts_as_last_and_as_all() -> None:
    row = _row("chest pain")
    np.testing.assert_array_equal(row[:4096], row[4096 : 2 * 4096])


def test_what_the_assistant_said_changes_nothing_but_the_length() -> None:
    turns = [("user", "hello"), ("assistant", "chest pain! call 911 now"), ("user", "thanks")]
    other = [turns[0], ("assistant", "fine"), turns[2]]
    np.testing.assert_array_equal(_row(turns), _row(other))  # type: ignore[arg-type]


@given(st.text(min_size=1, max_size=300).filter(str.strip))
def test_word_features_stay_between_nought_and_one(text: str) -> None:
    features = _word_features(parse_conversation(text))
    assert features.shape == (SHAPES + len(_COMPILED),)
    assert np.isfinite(features).all() and features.min() >= 0 and features.max() <= 1


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("56yo with COPD, BP 90/60", "clinician"),
        ("I am a nurse on a night shift", "clinician_role"),
        ("please rewrite this letter", "document"),
        ("my leg", "self"),
        ("her son", "other"),
        ("he collapsed, unresponsive", "alarm"),
        ("it began 20 minutes ago", "now"),
        ("a mild cough for weeks", "mild"),
        ("what are the signs of it in general", "hypothetical"),
        ("will it definitely be cured", "guarantee"),
        ("I live in Kenya", "place"),
        ("see the attached report", "attachment"),
        ("compare the options", "asks_detail"),
        ("yes or no", "asks_short"),
    ],
)
def test_telling_words_are_counted(text: str, feature: str) -> None:
    position = SHAPES + list(_COMPILED).index(feature)
    assert _word_features(parse_conversation(text))[position] > 0
    assert _word_features(parse_conversation("..."))[position] == 0


@pytest.mark.parametrize(("text", "column"), [("a b c", 0), ("really?", 1), ("38.6", 2), ("a\nb", 3), ("é", 5)])
def test_the_shape_of_the_text_is_seen(text: str, column: int) -> None:
    assert _word_features(parse_conversation(text))[column] > _word_features(parse_conversation("."))[column]


def test_a_place_begins_with_a_capital() -> None:
    position = SHAPES + list(_COMPILED).index("place")
    assert _word_features(parse_conversation("pain in Bed"))[position] > 0
    assert _word_features(parse_conversation("pain in bed"))[position] == 0
