"""Answers to learn from come with the conversation they belong to, whatever kind of file they lie in; the rest is named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from batch_output import DRAFT, answer, failed, revised, written

from agent.errors import ConfigError, InputError
from training.alignment.config import AlignmentConfig
from training.alignment.warm_rows import read_answers
from training.alignment.warm_start import answers

REVISED = f"{DRAFT} Ring 112 if it spreads."
TURNS = [
    {"role": "user", "content": "My chest hurts."},
    {"role": "assistant", "content": "Since when?"},
    {"role": "user", "content": "An hour."},
]
ASKED = [{"role": "user", "content": "What now?"}]


def lines(folder: Path, rows: Sequence[Any]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path, *, accepted_only: bool = True) -> list[tuple[list[Any], str]]:
    return [(list(conversation), told) for conversation, told in read_answers(path, accepted_only=accepted_only)]


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as refused:
        read(path)
    return str(refused.value)


@pytest.mark.parametrize(
    ("row", "conversation"),
    [
        ({"question": "What now?", "answer": "Rest."}, ASKED),
        ({"conversation": TURNS, "answer": "Rest."}, TURNS),
        ({"prompt_id": "a", "prompt": TURNS, "response": "Rest."}, TURNS),
        ({"prompt": TURNS, "completion": "Rest."}, TURNS),
        ({"id": "a", "prompt": "What now?", "chosen": "Rest.", "rejected": "Run."}, ASKED),
        ({"prompt": "What now?", "response_a": "Run.", "response_b": "Rest.", "preferred": "b"}, ASKED),
    ],
    ids=["question", "conversation", "graded row", "prompt and completion", "chosen and rejected", "vote"],
)
def test_every_form_gives_the_conversation_and_its_answer(tmp_path: Path, row: Any, conversation: Any) -> None:
    assert read(lines(tmp_path, [row])) == [(conversation, "Rest.")]


def test_a_batchs_answers_come_with_the_conversations_of_its_input(tmp_path: Path) -> None:
    asked = [{"id": "a", "question": "What now?"}, {"id": "b", "conversation": TURNS}, {"id": "c", "question": "So?"}]
    output = written(tmp_path, [revised("b"), answer("a"), failed("c")], asked=asked)
    assert read(output) == [(TURNS, REVISED)]
    assert read(output, accepted_only=False) == [(ASKED, DRAFT), (TURNS, REVISED)]


def test_a_batch_whose_input_has_changed_is_refused_with_another_way(tmp_path: Path) -> None:
    output = written(tmp_path, [revised("a")])
    (tmp_path / "asked.jsonl").write_text('{"id": "a", "question": "Another?"}\n')
    assert "clinalign export --preferences" in refusal(output)


def test_ties_are_passed_over(tmp_path: Path) -> None:
    pair = {"prompt": "What now?", "response_a": "Run.", "response_b": "Rest."}
    rows = [{**pair, "id": "a", "preferred": "tie"}, {**pair, "id": "b", "preferred": "a"}]
    assert read(lines(tmp_path, rows)) == [(ASKED, "Run.")]


def test_errors_and_revisions_that_were_not_accepted_are_passed_over(tmp_path: Path) -> None:
    row = {"question": "What now?", "answer": "Rest."}
    path = lines(tmp_path, [row, {"error": {"message": "no"}}, {**row, "accepted": False, "answer": "Run."}])
    assert [told for _, told in read(path)] == ["Rest."]
    assert [told for _, told in read(path, accepted_only=False)] == ["Rest.", "Run."]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"question": "What now?", "answer": " "}, "answer must be a text that isn't empty"),
        ({"question": "What now?", "answer": ["Rest."]}, "answer must be a text"),
        ({"question": "What now?", "prompt": "So?", "answer": "Rest."}, "found question and prompt"),
        ({"question": "What now?", "answer": "Rest.", "response": "Run."}, "found answer and response"),
        ({"answer": "Rest."}, "needs one of conversation, question, prompt"),
        ({"question": "", "answer": "Rest."}, "the last user turn is empty"),
        (["What now?"], "expected an object, found list"),
    ],
)
def test_a_row_that_cannot_be_learnt_is_refused_by_its_line(tmp_path: Path, row: Any, told: str) -> None:
    path = lines(tmp_path, [{"question": "What now?", "answer": "Rest."}, row])
    refused = refusal(path)
    assert f"{path}: line 2: " in refused
    assert told in refused


@pytest.mark.parametrize("rows", [[{"question": "So?", "answer": "Rest.", "accepted": False}], [], ["a"]])
def test_a_file_that_leaves_nothing_is_refused(tmp_path: Path, rows: Any) -> None:
    path = lines(tmp_path, rows)
    assert refusal(path).startswith(f"{path}: ")


@pytest.mark.parametrize("system", [None, "Be brief."])
def test_answers_to_held_out_questions_are_not_learnt(tmp_path: Path, system: str | None) -> None:
    path = lines(tmp_path, [{"question": "What now?", "answer": "Rest."}, {"conversation": TURNS, "answer": "112."}])
    sections: dict[str, Any] = {"run": {"output": "run"}, "data": {"files": ["x"], "system": system}}
    config = AlignmentConfig(source=Path("x.toml"), model={"path": "m"}, warm_start={"files": [str(path)]}, **sections)
    told = [{"role": "system", "content": system}] if system else []
    held_out = [[*told, *TURNS]]
    assert [answer["content"] for _, answer in answers(config)] == ["Rest.", "112."]
    assert [answer["content"] for _, answer in answers(config, held_out)] == ["Rest."]
    with pytest.raises(ConfigError, match="held-out questions alone"):
        list(answers(config, [*held_out, [*told, *ASKED]]))
