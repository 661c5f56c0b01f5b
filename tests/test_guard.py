"""Nothing protected vanishes unnamed, and nothing else raises the alarm.

Texts are put together from sentences whose facts are written beside them by hand, so that the extractor isn't its own judge.
"""

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.edit import Edit
from agent.guard import facts, unnamed_losses

PROTECTED = [
    ("Adults may take {} every morning.", ["500 mg", "1,000 mg", "20 units", "2-4 tablets", "5 mg/kg", ".5 mg", "two tablets"]),
    ("The usual medicine here is {} and it works well.", ["ibuprofen", "amoxicillin", "warfarin", "Tylenol", "atorvastatin"]),
    ("Come back if it lasts longer than {} at home.", ["48 hours", "3 days", "two weeks", "10-14 days", "six months"]),
    ("With it, people {} on weekdays.", ["never mix tablets", "cannot combine drinks", "don’t drink alcohol", "avoid heavy meals"]),
    ("Please ring {} if the swelling grows.", ["911", "emergency services", "poison control"]),
    ("A warning sign is {} at rest.", ["chest pain", "trouble breathing", "seizures", "slurred speech", "sepsis"]),
    ("Normal readings are about {} for most adults.", ["120/80 mmHg", "37.5 °C", "98%", "70 bpm", "5.6 mmol/L"]),
]  # fmt: skip
"""Template, and the words of its fact, each of which matters."""
FILLER = [
    "Thanks for asking about this.",
    "Many people find that gentle movement helps.",
    "Fresh air and plenty of sleep are good for you.",
    "Your pharmacist is glad to explain the label.",
    "Most of this settles by itself.",
    "I hope that helps!",
]
NEUTRAL_WORDS = ["kindly", "usually", "garden", "blue", "people", "often"]


@st.composite
def documents(draw):
    """Return sentences in order, each with the words of its fact; filler has none."""
    chosen = draw(st.lists(st.sampled_from(range(len(PROTECTED))), min_size=1, unique=True))
    sentences = []
    for number in chosen:
        template, values = PROTECTED[number]
        value = draw(st.sampled_from(values))
        sentences.append((template.format(value), value))
    sentences += [(text, "") for text in draw(st.lists(st.sampled_from(FILLER), unique=True))]
    return draw(st.permutations(sentences))


def joined(sentences):
    return " ".join(text for text, _ in sentences)


@given(documents(), st.data())
def test_a_fact_that_is_cut_out_is_reported(sentences, data):
    text, value = data.draw(st.sampled_from([pair for pair in sentences if pair[1]]))
    words = value.split()
    at = data.draw(st.integers(0, len(words) - 1))
    replacement = data.draw(st.sampled_from(["", *NEUTRAL_WORDS]))
    mangled = text.replace(value, " ".join([*words[:at], replacement, *words[at + 1 :]]))
    draft = joined(sentences)
    assert unnamed_losses(draft, draft.replace(text, mangled), ())


@given(documents(), st.randoms(use_true_random=False))
def test_random_cuts_never_take_a_fact_along_in_silence(sentences, random: Random):
    draft = joined(sentences)
    kept = [text for text, _ in sentences if random.random() < 0.6]
    words = [word for word in " ".join(kept).split() if random.random() < 0.9]
    revision = " ".join(words)
    gone = [value for _, value in sentences if value and value.lower() not in revision.lower()]
    assert len(unnamed_losses(draft, revision, ())) >= len(gone)


@given(documents(), st.randoms(use_true_random=False))
def test_changes_that_touch_no_fact_are_let_pass(sentences, random: Random):
    kept = [pair for pair in sentences if pair[1] or random.random() < 0.5]
    random.shuffle(kept)
    reworded = [
        text if value else re.sub(r"\w+", lambda m: random.choice([m.group(), "kindly"]), text) for text, value in kept
    ]
    reworded.insert(random.randrange(len(reworded) + 1), "You may also take 250 mg of naproxen.")
    assert unnamed_losses(joined(sentences), "\n\n".join(reworded), ()) == []


@given(documents(), st.data())
def test_a_named_edit_may_take_its_fact_away_and_no_other(sentences, data):
    at = data.draw(st.integers(0, len(sentences) - 1))
    text = sentences[at][0]
    others = [pair for number, pair in enumerate(sentences) if number != at]
    edit = Edit("REMOVE", text, "", "some-principle", "criterion", "reason")
    assert unnamed_losses(joined(sentences), joined(others), [edit]) == []
    for number, (_, value) in enumerate(others):
        if value:
            fewer = joined([*others[:number], *others[number + 1 :]])
            assert unnamed_losses(joined(sentences), fewer, [edit])


LONG = " ".join(f"Step {n}: take {n} mg of aspirin and then rest for a good while." for n in range(1, 21))


@pytest.mark.parametrize(
    ("before", "principle_id"),
    [
        ("", "p"),
        ("Take 500 mg of paracetamol.", "p"),
        ("step 1: take 1 mg of aspirin", "p"),
        (LONG, "p"),
        (LONG[: len(LONG) * 6 // 10], "p"),
        ("Step 1: take 1 mg of aspirin and then rest for a good while.", ""),
    ],
    ids=["nothing", "not in the draft", "other case", "the whole draft", "most of the draft", "no principle"],
)
def test_an_edit_that_lies_names_nothing(before, principle_id):
    revision = LONG.replace("Step 1: take 1 mg of aspirin and then rest for a good while.", "Rest.")
    edit = Edit("MODIFY", before, "", principle_id, "criterion", "reason")
    assert "1 mg" in str(unnamed_losses(LONG, revision, [edit]))


def test_an_edit_excuses_only_what_it_names_even_where_the_same_dose_stands_twice():
    draft = "In the morning take 5 mg at breakfast. In the evening take 5 mg at supper."
    edit = Edit("REMOVE", "In the evening take 5 mg at supper.", "", "p", "criterion", "reason")
    assert unnamed_losses(draft, "In the morning take 5 mg at breakfast.", [edit]) == []
    assert unnamed_losses(draft, "In the morning eat.", [edit]) != []
    assert unnamed_losses(draft, "In the morning eat.", [edit, edit]) != []


def test_a_short_draft_may_be_replaced_whole_by_a_named_edit():
    edit = Edit("MODIFY", "Take 500 mg.", "See a doctor.", "p", "criterion", "reason")
    assert unnamed_losses("Take 500 mg.", "See a doctor.", [edit]) == []


def test_an_edit_whose_span_still_stands_names_nothing():
    draft = "In the morning take 5 mg at breakfast. In the evening take 5 mg at supper."
    edit = Edit("REMOVE", "In the evening take 5 mg at supper.", "", "p", "criterion", "reason")
    assert unnamed_losses(draft, "In the morning eat. In the evening take 5 mg at supper.", [edit]) != []


def test_what_an_edit_says_it_adds_must_be_there():
    edit = Edit("MODIFY", "Take 500 mg of it.", "Take 500 mg of it with food.", "p", "criterion", "reason")
    assert unnamed_losses("Take 500 mg of it. Rest.", "Take it with food. Rest.", [edit]) != []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("500mg", "500 mg"),
        ("1,000 mg", "1000 mg"),
        ("5–10 mg", "5 to 10 mg"),
        ("50 mcg", "50 µg"),
        ("**500 mg**", "500 mg"),
        ("Do NOT take aspirin", "do not take aspirin"),
        ("don't take aspirin", "never take aspirin"),
        ("10,000 units", "10000 units"),
        (".5 mg", "0.5 mg"),
        ("two tablets", "2 tablets"),
        ("half an hour", "half-hour"),
        ("500 mg a day", "500 mg daily"),
        ("twice a day", "twice daily"),
    ],
)
def test_spelling_is_not_a_fact(one, other):
    assert unnamed_losses(f"Well, {one} today.", f"Well, {other} today.", ()) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5 mg", "50 mg"),
        ("5 mg", "5 g"),
        ("0.5 mg", "5 mg"),
        (".5 mg", "5 mg"),
        ("2 hours", "2 days"),
        ("5-10 mg", "5-100 mg"),
        ("do not take aspirin", "do take aspirin"),
        ("can't drive", "can drive"),
        ("prednisone", "prednisolone"),
        ("chest pain", "pain"),
        ("112", "999"),
        ("two tablets", "four tablets"),
        ("within an hour", "within a week"),
        ("twice a day", "every day"),
    ],
)
def test_a_change_of_meaning_is_a_loss(one, other):
    assert unnamed_losses(f"Well, {one} it is.", f"Well, {other} it is.", ())


@pytest.mark.parametrize(
    "word", ["avoidance", "thyroid", "April", "steroids", "person", "abdominal", "nose", "another"]
)
def test_ordinary_words_are_no_facts(word):
    assert not facts(f"The {word} was fine.")


@pytest.mark.parametrize("text", ["1. Rest\n2) Drink", "### 3. Rest", "**4.** Rest", "- 5. Rest", "> 6. Rest"])
def test_the_numbers_of_a_list_are_no_facts(text):
    assert [fact for fact in facts(text) if fact.kind == "quantity"] == []


@pytest.mark.parametrize("text", ["38.5 is a fever", "5 mg", "Take\n2.5 ml", "Give 2. Then rest", "3) 4 tablets"])
def test_a_number_at_the_start_of_a_line_is_still_a_fact(text):
    assert len([fact for fact in facts(text) if fact.kind == "quantity"]) == 1
