"""What form of answer was asked for."""

import pytest

from agent.request import BARE_WORDS, asked_form


def form(text):
    return asked_form([{"role": "user", "content": text}])


@pytest.mark.parametrize(
    ("text", "max_words"),
    [
        ("In two words: is it safe?", 2),
        ("Answer in a single word.", 1),
        ("Just a word, please: safe or not?", 1),
        ("Max 20 words please.", 20),
        ("What is it, in under 100 words?", 100),
        ("Give me a 50-word answer on gout", 50),
        ("Explain in two short sentences.", 50),
        ("A one-sentence summary, please", 25),
        ("Yes or no: can I take both?", BARE_WORDS),
        ("I just need the dose", BARE_WORDS),
        ("Only give the dose.", BARE_WORDS),
        ("Just the name of the drug, nothing else", BARE_WORDS),
        ("Keep it short", BARE_WORDS),
        ("Tell me briefly what gout is", BARE_WORDS),
        ("tl;dr on statins?", BARE_WORDS),
    ],
)
def test_asked_brevity_is_noticed(text, max_words):
    asked = form(text)
    assert asked.max_words == max_words
    assert asked.quote in text


@pytest.mark.parametrize(
    "text",
    [
        "My stomach hurts, what should I do?",
        "It's just a rash on my arm, for 3 days.",
        "I only have a headache. Should I worry?",
        "I just want to feel better",
        "He has only the one kidney",
        "It lasted only a day",
        "Can I take 2 tablets in one day?",
        "Other words for angina?",
        "",
    ],
)
def test_everyday_words_ask_for_no_brevity(text):
    assert form(text).max_words is None


@pytest.mark.parametrize(
    "text",
    [
        "Translate into Spanish: take one tablet daily",
        "Please rewrite this discharge note.",
        "Can you help me proofread my letter?",
        "Write a referral letter to cardiology",
        "Draft an email to my patient about her results",
        "Summarize the following visit",
        "Improve the wording of this message: come on Monday",
        "Please correct: He are ill",
        "Hi, could you kindly paraphrase what my doctor wrote",
    ],
)
def test_work_on_a_text_is_noticed(text):
    assert form(text).is_text_work


@pytest.mark.parametrize(
    "text",
    [
        "Please help me improve my diet",
        "How do I improve my sleep?",
        "Should I make a note of my symptoms?",
        "My doctor wrote a report, what does it mean?",
        "Is it correct to take it with food?",
        "Is it correct that this is the dose: 5 mg?",
        "What does the note on the box say?",
    ],
)
def test_asking_for_advice_is_no_work_on_a_text(text):
    assert not form(text).is_text_work


def test_only_the_last_turn_counts():
    turns = [("user", "In two words?"), ("assistant", "Yes."), ("user", "And why is that?")]
    conversation = [{"role": role, "content": content} for role, content in turns]
    assert asked_form(conversation).max_words is None
