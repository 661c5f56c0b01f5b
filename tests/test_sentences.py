"""Sentences keep their place in the text."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sentences import count_words, plain_text, split


def plain(text):
    return [sentence.plain for sentence in split(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rest. Drink water.", ["Rest.", "Drink water."]),
        ("Take 2.5 mg of it. Not 25 mg.", ["Take 2.5 mg of it.", "Not 25 mg."]),
        ("Ask Dr. Smith about it. He knows.", ["Ask Dr. Smith about it.", "He knows."]),
        ("Use a painkiller, e.g. Tylenol. Rest.", ["Use a painkiller, e.g. Tylenol.", "Rest."]),
        ("- Rest\n- Drink water", ["Rest", "Drink water"]),
        ("1. Rest\n2) Drink", ["Rest", "Drink"]),
        ("## When to worry\nCall if it bleeds.", ["When to worry", "Call if it bleeds."]),
        ("**Call 911 now.** Then wait!", ["Call 911 now.", "Then wait!"]),
        ('She said "Stop." Then she left.', ['She said "Stop."', "Then she left."]),
        ("Is it safe? Yes.", ["Is it safe?", "Yes."]),
        ("Tome agua. ¿Tiene fiebre?", ["Tome agua.", "¿Tiene fiebre?"]),
        ("Try this:\n```\nBMI = kg / m2. Done.\n```\nGood.", ["Try this:", "Good."]),
        ("| Drug | Dose |", ["Drug | Dose"]),
        ("", []),
        ("…\n---\n***", []),
    ],
)
def test_text_is_split_into_sentences(text, expected):
    assert plain(text) == expected


def test_markup_of_the_line_is_noticed_and_left_outside():
    heading, item, prose = split("# Advice\n* Rest well\nThat is all.")
    assert (heading.is_heading, item.is_list_item, prose.is_list_item) == (True, True, False)
    assert "# Advice\n* Rest well\n"[item.start :].startswith("Rest")


@given(st.text(alphabet=st.sampled_from("ab A.!?\n-*#`1)“ é"), max_size=120))
def test_sentences_are_spans_in_order_that_do_not_overlap(text):
    sentences = split(text)
    assert all(a.end <= b.start for a, b in pairwise(sentences))
    for sentence in sentences:
        assert text[sentence.start : sentence.end].strip() == text[sentence.start : sentence.end] != ""
        assert plain_text(text[sentence.start : sentence.end]) == sentence.plain


@given(st.lists(st.sampled_from(["Rest now.", "Drink 2.5 l of water!", "Is it red?"]), min_size=1, max_size=8))
def test_every_sentence_is_found(sentences):
    assert plain(" ".join(sentences)) == sentences
    assert plain("\n".join(f"- {sentence}" for sentence in sentences)) == sentences


def test_plain_text_drops_emphasis_but_not_arithmetic():
    assert plain_text("**Take** _one_ `tablet` at 2 * 3 = 6 snake_case") == "Take one tablet at 2 * 3 = 6 snake_case"


def test_words_are_separated_by_space():
    assert count_words("  one two\nthree-four ") == 3
