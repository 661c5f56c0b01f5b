"""The smoke run's questions can be judged without a model, and its warm start says nothing but shipped sentences."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from agent.embedded_judge import EmbeddedJudge
from agent.state import AgentContext
from principles_store.library import Library
from principles_store.rubric_set import load_rubrics
from training.alignment.rows import Row
from training.alignment.shipped import shipped_rows
from training.alignment.splits import is_gold
from training.alignment.warm_rows import HELD_OUT, SENTENCES, Answered, shipped_answers

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _store(built_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let what opens the index find one that is there."""
    folder = tmp_path_factory.mktemp("store") / "chroma"
    with FileLock(built_store.parent / ".lock"):
        shutil.copytree(built_store, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLINALIGN_STORE", str(folder))
        yield


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(shipped_rows())


@pytest.fixture(scope="module")
def answers() -> list[Answered]:
    return list(shipped_answers(seed=1))


def covered(answer: str, sentences: list[str]) -> bool:
    """Tell whether an answer is some of the sentences, one after the other, at most as many as there may be."""
    ways = {answer}
    for _ in range(SENTENCES):
        ways |= {way.removeprefix(text).lstrip() for way in ways for text in sentences if way.startswith(text)}
    return "" in ways


def test_there_are_questions_enough_to_train_and_to_hold_out(rows: list[Row]) -> None:
    held_out = sum(is_gold(row.id, HELD_OUT) for row in rows)
    assert held_out >= 32
    assert len(rows) - held_out >= 128


def test_each_question_is_a_starter_rubrics_and_stands_once(rows: list[Row]) -> None:
    shipped = {entry.id: list(entry.conversation) for entry in load_rubrics()}
    assert all(row.conversation == shipped[row.id] for row in rows)
    assert len({row.id for row in rows}) == len(rows)


def test_there_is_something_to_earn_at_each(rows: list[Row]) -> None:
    assert all(any(item.points > 0 for item in row.rubric) for row in rows)


def test_no_criterion_stands_twice_in_a_rubric(rows: list[Row]) -> None:
    assert all(len({item.text for item in row.rubric}) == len(row.rubric) for row in rows)


def test_every_criterion_is_one_that_the_embedded_judge_decides(rows: list[Row], context: AgentContext) -> None:
    judge = context.engine.judge
    assert isinstance(judge, EmbeddedJudge)
    for row in rows:
        keys = judge.library_criteria(row.conversation, [item.criterion for item in row.rubric])
        found = [context.index.library.by_id[key[0]].criteria[key[1]] for key in keys if key]
        assert [item.text for item in found if item.detect] == [item.text for item in row.rubric]


def test_a_library_of_the_users_own_changes_nothing(rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINALIGN_LIBRARY", "/there/is/none")
    monkeypatch.setenv("CLINALIGN_MODEL", "openai:gpt-4.1")
    assert list(shipped_rows()) == rows


def test_the_same_seed_gives_the_same_answers_and_another_others(answers: list[Answered]) -> None:
    assert list(shipped_answers(seed=1)) == answers
    assert list(shipped_answers(seed=2)) != answers


def test_answers_are_made_of_shipped_sentences(answers: list[Answered], library: Library) -> None:
    known = {text for one in library for item in one.criteria for text in (*item.meets, *item.breaks)}
    for _, answer in answers:
        assert covered(answer, [text for text in known if text in answer])


def test_questions_held_out_are_not_answered(rows: list[Row], answers: list[Answered]) -> None:
    held_out = [row.conversation for row in rows if is_gold(row.id, HELD_OUT)]
    assert not any(conversation in held_out for conversation, _ in answers)


def test_sentences_that_meet_and_that_break_are_about_as_many(answers: list[Answered], library: Library) -> None:
    meets = {text for one in library for item in one.criteria for text in item.meets}
    breaks = {text for one in library for item in one.criteria for text in item.breaks}
    told = " ".join(answer for _, answer in answers)
    met, broken = (sum(told.count(text) for text in side) for side in (meets - breaks, breaks - meets))
    assert 0.4 < met / (met + broken) < 0.6
