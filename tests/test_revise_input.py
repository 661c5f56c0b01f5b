"""What `clinalign revise` reads, and how it says that it can't."""

import io
import json
from pathlib import Path

import pytest

from agent.errors import InputError
from agent.revise_input import MAX_BYTES, read_request


def _read(**given: object) -> dict[str, object]:
    stdin = io.BytesIO(given.pop("stdin", b""))  # type: ignore[arg-type]
    none = {"question": None, "draft": None, "draft_file": None, "file": None}
    return read_request(**{**none, **given}, stdin=stdin)  # type: ignore[arg-type]


def test_a_question_and_a_draft_from_the_command_line() -> None:
    assert _read(question="Why?", draft="Because.") == {"conversation": "Why?", "draft": "Because."}


@pytest.mark.parametrize("question", [None, "-"])
def test_standard_input_is_read_where_no_question_is_given(question: str | None) -> None:
    assert _read(question=question, stdin=b"Wie viel?\n") == {"conversation": "Wie viel?"}


def test_a_conversation_from_a_json_file(tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    file.write_text(json.dumps([{"role": "user", "content": "Hi"}]), encoding="utf-8")
    assert _read(file=file) == {"conversation": [{"role": "user", "content": "Hi"}]}


def test_a_draft_from_a_file_joins_the_question(tmp_path: Path) -> None:
    file = tmp_path / "draft.txt"
    file.write_text("An answer.", encoding="utf-8")
    assert _read(question="Q", draft_file=file) == {"conversation": "Q", "draft": "An answer."}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"[1, 2", "malformed JSON at line 1"),
        (b"\xff\xfe\x00", "not UTF-8 at byte 0"),
        (b"x" * (MAX_BYTES + 1), "more than"),
    ],
)
def test_bad_standard_input_is_named(content: bytes, says: str) -> None:
    with pytest.raises(InputError, match="standard input") as caught:
        _read(stdin=content)
    assert says in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.json: can't be read"):
        _read(file=tmp_path / "missing.json")


@pytest.mark.parametrize(
    "given", [{"draft": "a", "draft_file": Path("b")}, {"question": "a", "file": Path("b")}], ids=["draft", "question"]
)
def test_two_of_a_kind_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(InputError, match="exclude each other"):
        _read(**given)
