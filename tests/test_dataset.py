"""Files of conversations: every accepted form, and errors that name file and line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from agent.rubric import Criterion
from evals.dataset import DatasetError, Example, read_examples

ASKED = [{"role": "user", "content": "my chest hurts"}]


def _file(folder: Path, *rows: Any, name: str = "rows.jsonl") -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / name).write_text("\n".join(lines), encoding="utf-8")
    return folder / name


@pytest.mark.parametrize(
    "row",
    [
        {"question": "my chest hurts"},
        {"Question": "my chest hurts"},
        {"conversation": ASKED},
        {"prompt": ASKED, "prompt_id": "1"},
        {"prompt": ASKED, "prompt_id": None, "id": 1, "rubrics": None, "example_tags": None, "draft": ""},
        {"id": 1, "question": "my chest hurts", "something": "else"},
    ],
)
def test_every_form_of_a_question_is_read(tmp_path: Path, row: dict[str, Any]) -> None:
    assert read_examples(_file(tmp_path, row)) == [Example("1", ASKED)]  # type: ignore[arg-type]


def test_a_full_row_is_read_with_all_it_says(tmp_path: Path) -> None:
    row = {
        "prompt_id": "x-7",
        "prompt": ASKED,
        "example_tags": ["theme:emergency_referrals"],
        "draft": "Wait and see.",
        "physician_ideal": "Call an ambulance.",
        "rubrics": [{"criterion": "Says to call.", "points": 7, "tags": []}, {"criterion": "Guesses.", "points": -3}],
        "verdicts": [{"criteria_met": False}, {"criteria_met": None}],
    }
    (example,) = read_examples(_file(tmp_path, row))
    assert example.id == "x-7" and example.tags == ("theme:emergency_referrals",)
    assert (example.draft, example.reference) == ("Wait and see.", "Call an ambulance.")
    assert example.rubric == (Criterion("Says to call.", 7), Criterion("Guesses.", -3))
    assert example.verdicts == (False, None)


def test_an_id_of_zero_is_kept_and_a_missing_one_is_the_line(tmp_path: Path) -> None:
    examples = read_examples(_file(tmp_path, {"id": 0, "question": "a"}, "", {"question": "b"}))
    assert [example.id for example in examples] == ["0", "3"]


def test_gzip_blank_lines_and_a_limit_are_understood(tmp_path: Path) -> None:
    content = "\n".join(json.dumps({"question": f"number {n}"}) + "\n" for n in range(5))
    with gzip.open(tmp_path / "rows.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(content)
    texts = [example.conversation[0]["content"] for example in read_examples(tmp_path / "rows.jsonl.gz", limit=2)]
    assert texts == ["number 0", "number 1"]


def test_rows_past_the_limit_are_not_looked_at(tmp_path: Path) -> None:
    assert len(read_examples(_file(tmp_path, {"question": "a"}, {"question": 3}), limit=1)) == 1


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("{not json", "malformed JSON at column 2"),
        ("[1]", "expected an object, found list"),
        ({"answer": "x"}, "none of prompt, conversation, question in it"),
        ({"question": ""}, "the last user turn is empty"),
        ({"question": " "}, "the last user turn is empty"),
        ({"conversation": [{"role": "assistant", "content": "x"}]}, "ends with a turn of role 'assistant'"),
        ({"question": "x", "rubrics": [{"points": 5}]}, "missing 'criterion'"),
        ({"question": "x", "rubrics": [{"criterion": "c", "points": "many"}]}, "many"),
        ({"question": "x", "rubrics": [{"criterion": "c", "points": 0}]}, "points 0"),
        ({"question": "x", "rubrics": [{"criterion": "c", "points": 5.5}]}, "points 5.5 is no whole number"),
        ({"question": "x", "rubrics": ["c"]}, "string"),
        ({"question": "x", "verdicts": [{}]}, "criteria_met"),
        ({"question": "x", "verdicts": [{"criteria_met": "yes"}]}, "criteria_met"),
        ({"question": "x", "draft": 7}, "draft"),
        ({"question": "x", "example_tags": "theme:a"}, "example_tags"),
    ],
)
def test_a_bad_row_is_one_line_that_names_file_and_line(tmp_path: Path, second: Any, message: str) -> None:
    path = _file(tmp_path, {"question": "fine"}, second)
    with pytest.raises(DatasetError, match=message) as caught:
        read_examples(path)
    assert str(caught.value).startswith(f"{path}: line 2: ") and "\n" not in str(caught.value)


def _unreadable(folder: Path, kind: str) -> Path:
    path = folder / ("rows.jsonl.gz" if "gzip" in kind else "rows.jsonl")
    if kind != "missing":
        whole = gzip.compress(b'{"question": "x"}\n' * 200)
        content = {"empty": b"\n", "latin-1": "é".encode("latin-1"), "no gzip": b"{}", "half a gzip": whole[:-20]}
        content["spoilt gzip"] = whole[:10] + b"\xff" * 20 + whole[30:]
        path.write_bytes(content[kind])
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "can't be read"),
        ("empty", "no rows"),
        ("latin-1", "not UTF-8"),
        ("no gzip", "can't be read"),
        ("half a gzip", "can't be read"),
        ("spoilt gzip", "can't be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_that_names_it(tmp_path: Path, kind: str, message: str) -> None:
    path = _unreadable(tmp_path, kind)
    with pytest.raises(DatasetError, match=message) as caught:
        read_examples(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
