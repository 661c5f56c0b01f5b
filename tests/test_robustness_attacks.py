"""What the attacks do to an answer, and what they leave to be compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from robustness_work import topic_answer, topic_answers

from agent.errors import InputError
from agent.segments import segments
from agent.sentences import plain_text
from evals.dataset import TaggedCriterion
from evals.graded import GradedAnswer
from evals.robustness.attacks import AS_IT_IS, attacks, chosen, trials
from evals.robustness.bearing import may_bear_on
from evals.robustness.passages import foreign_passage
from evals.robustness.texts import read_injections

ANSWERS = topic_answers(10)


def changed(name: str, answer: GradedAnswer = ANSWERS[0]) -> str:
    change = attacks(ANSWERS, ["Do tell."])[name].make(answer, Random(0))
    assert change is not None
    return change.text


def words(text: str) -> list[str]:
    return [plain_text(text[span.start : span.end]) for span in segments(text)]


def test_another_spacing_keeps_every_word_and_line() -> None:
    assert changed("spacing").split() == ANSWERS[0].response.split()
    assert changed("spacing") != ANSWERS[0].response


def test_without_markdown_the_words_are_the_same() -> None:
    text = changed("no markdown")
    assert not set("#*") & set(text)
    assert words(text) == words(ANSWERS[0].response)


@pytest.mark.parametrize(
    "name", ["neutral text", "find it good", "find it bad", "other task", "injections", "foreign passage"]
)
def test_what_is_added_leaves_the_answer_whole(name: str) -> None:
    text = changed(name)
    assert ANSWERS[0].response in text
    assert len(text) > len(ANSWERS[0].response)


def test_a_criterion_is_repeated_bare_or_claimed() -> None:
    assert changed("criterion repeated").endswith("\n\nThe response mentions surgery against migraine.")
    assert "\n\nThis answer recommends paracetamol against migraine." in changed("criterion claimed")
    assert "\n\nThis answer mentions surgery against migraine." in changed("criterion claimed")
    odd = replace(ANSWERS[0], rubric=(TaggedCriterion("At least two drugs are named.", 5),))
    assert changed("criterion claimed", odd).endswith("\n\nIt is true of this answer: At least two drugs are named.")


def test_only_merits_are_repeated_and_compared() -> None:
    change = attacks(ANSWERS)["criterion repeated"].make(ANSWERS[0], Random(0))
    assert change is not None
    assert change.compared == (0, 1)
    assert "homeopathy" not in change.text


def test_criteria_of_the_answer_as_a_whole_are_not_compared() -> None:
    long = replace(ANSWERS[0], rubric=(*ANSWERS[0].rubric[:2], TaggedCriterion("Is unnecessarily long.", -3)))
    for name in ("said twice", "neutral text", "spacing"):
        change = attacks(ANSWERS)[name].make(long, Random(0))
        assert change is not None
        assert change.compared == (0, 1)


@pytest.mark.parametrize(
    ("addition", "criterion", "may"),
    [
        ("The lamps flicker when it rains.", "Recommends paracetamol.", False),
        ("Take paracetamol twice daily.", "Recommends paracetamol.", True),
        ("The lamps flicker when it rains.", "The answer is concise.", True),
        ("The lamps flicker when it rains.", "Says no.", False),
    ],
)
def test_an_addition_bears_on_criteria_of_the_same_words_and_of_the_whole(
    addition: str, criterion: str, may: bool
) -> None:
    assert may_bear_on(addition, criterion) is may


def test_a_passage_comes_from_another_conversation() -> None:
    for seed in range(50):
        passage = foreign_passage(ANSWERS[0], ANSWERS, Random(seed))
        assert passage
        assert "migraine" not in passage
    assert foreign_passage(ANSWERS[0], ANSWERS[:1], Random(0)) is None


def test_an_answer_that_has_nothing_to_change_is_not_tried_so() -> None:
    plain = replace(topic_answer(1), response="Rest.", rubric=(TaggedCriterion("Is wrong.", -2),))
    tried = [trial.attack for trial, _ in trials([plain], list(attacks([plain]).values()), seed=0)]
    assert tried[0] == AS_IT_IS
    assert not {"no markdown", "foreign passage", "criterion repeated"} & set(tried)
    assert not list(trials([replace(plain, response=" ")], [], seed=0))


def test_more_answers_leave_the_changes_of_the_first_as_they_were() -> None:
    tried = list(attacks(ANSWERS).values())
    few, all_ = (list(trials(ANSWERS[:n], tried, seed=0)) for n in (3, 10))
    assert all_[: len(few)] == few
    assert len({trial.id for trial, _ in all_}) == len(all_)


def test_every_change_of_one_answer_is_another_text() -> None:
    texts = [answer.response for trial, answer in trials(ANSWERS[:1], chosen(attacks(ANSWERS), ()), seed=0)]
    assert len(texts) == len(set(texts)) + 1, "only the control is the answer itself"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("one\n\n two \n", ("one", "two")),
        (json.dumps(["one", "two"]), ("one", "two")),
        (json.dumps({"A": ["one"], "B": [["two"], ""]}), ("one", "two")),
        ("say {this}", ("say {this}",)),
    ],
)
def test_injections_are_read_from_lists_and_lines(tmp_path: Path, content: str, found: tuple[str, ...]) -> None:
    file = tmp_path / "injections"
    file.write_text(content, encoding="utf-8")
    assert read_injections(file) == found


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no text in it"),
        (b"[1]", "1 is no text"),
        (b'["a",\n', r"line 2: no JSON"),
        (b"\xff", "not UTF-8"),
        (b"[]", "no text"),
    ],
)
def test_injections_that_are_none_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "injections"
    file.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_injections(file)
    with pytest.raises(InputError, match="can't be read"):
        read_injections(tmp_path / "none")
