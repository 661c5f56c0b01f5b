"""Rows of a batch's input: every form and file, each bad one named by file and line, and the rest goes on."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.batch.row_files import COLUMNS
from agent.batch.rows import BadRow, Row, read_rows
from agent.draft import check_draft
from agent.revise_input import MAX_BYTES
from principles_store.conversation import MAX_CHARACTERS, parse_conversation

ASKED: list[Any] = [{"role": "user", "content": "my chest hurts"}]
TALK = [*ASKED, {"role": "assistant", "content": "Since when?"}, {"role": "user", "content": "An hour."}]
FILES = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _written(file: Path, rows: Sequence[Any]) -> Path:
    if file.suffix == ".parquet":
        pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.Table.from_pylist(list(rows)), file, row_group_size=3)
        return file
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    content = b"".join(line + b"\n" for line in lines)
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    return file


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "rows.parquet", "rows", "a sequence"])
@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"question": "my chest hurts"}, Row("row-1", ASKED, None)),
        ({"id": "a", "question": "my chest hurts", "draft": "Rest."}, Row("a", ASKED, "Rest.")),
        ({"id": None, "conversation": TALK, "draft": None}, Row("row-1", TALK, None)),
        ({"prompt_id": "p-1", "prompt": TALK, "rubrics": ["ignored"]}, Row("p-1", TALK, None)),
        ({"custom_id": "c-1", "method": "POST", "body": {"model": "m", "messages": TALK}}, Row("c-1", TALK, None)),
        ({"question": "my chest hurts", "conversation": None, "body": "of a post"}, Row("row-1", ASKED, None)),
    ],
)
def test_every_form_is_read_from_every_kind_of_source(
    tmp_path: Path, name: str, row: dict[str, Any], expected: Row
) -> None:
    source = [row] if name == "a sequence" else _written(tmp_path / name, [row])
    assert list(read_rows(source)) == [expected]


def test_a_text_in_a_sequence_is_a_question() -> None:
    assert list(read_rows(["my chest hurts"])) == [Row("row-1", ASKED, None)]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(str.strip)
TURNS = st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": TEXT}), max_size=3)
CONVERSATIONS = st.tuples(TURNS, TEXT).map(lambda parts: [*parts[0], {"role": "user", "content": parts[1]}])
VALID = st.lists(
    st.builds(Row, TEXT, CONVERSATIONS, st.none() | TEXT), min_size=1, max_size=8, unique_by=lambda row: row.id
)


@FILES
@given(rows=VALID, name=st.sampled_from(["rows.jsonl", "rows.jsonl.gz", "rows.parquet"]))
def test_valid_rows_read_back_as_they_were_written(tmp_path: Path, rows: list[Row], name: str) -> None:
    written = [{"id": row.id, "conversation": row.conversation, "draft": row.draft} for row in rows]
    assert list(read_rows(_written(tmp_path / name, written))) == rows
    assert list(read_rows(written)) == rows


@pytest.mark.parametrize(
    ("row", "id"),
    [
        ({"id": 0}, "0"),
        ({"id": 12345678901234567890}, "12345678901234567890"),
        ({"id": 1.5}, "1.5"),
        ({"id": Decimal("17")}, "17"),
        ({"id": "a", "prompt_id": "b", "custom_id": "c"}, "a"),
        ({"id": None, "prompt_id": "b", "custom_id": "c"}, "b"),
        ({"custom_id": "two\nlines"}, "two\nlines"),
        ({}, "row-1"),
    ],
)
def test_the_first_id_counts_and_a_number_becomes_text(row: dict[str, Any], id: str) -> None:
    assert list(read_rows([row | {"question": "my chest hurts"}])) == [Row(id, ASKED, None)]


@pytest.mark.parametrize(
    ("id", "says"),
    [
        (True, "id must be text or a number, found true"),
        (float("nan"), "found nan"),
        (float("inf"), "found inf"),
        (10**400, "found int"),
        ([1], "found a list"),
        ("", "id is empty"),
        (" \n", "id is empty"),
        ("x" * 1001, "id has 1,001 characters"),
        ("\ud83d", "half a character"),
    ],
)
def test_an_id_that_is_none_is_a_bad_row_of_its_number(id: object, says: str) -> None:
    (row,) = read_rows([{"id": id, "question": "Why?"}])
    assert isinstance(row, BadRow) and row.id == "row-1" and row.message.startswith("row 1: ") and says in row.message


BAD_LINES = [
    (b"{not json", "InputError", "malformed JSON at column 2"),
    (b'{"question": "Why?', "InputError", "malformed JSON at column 14: Unterminated string"),
    (b'[{"question": "Why?"},', "InputError", "one object per line, not a list"),
    (b"\0\0\0\0", "InputError", "NUL bytes"),
    (b'{"question": "\xe9"}', "InputError", "not UTF-8 at byte 14"),
    (b'{"question": "\xed\xa0\xbd"}', "InputError", "not UTF-8 at byte 14"),
    (b"[" * 100_000, "InputError", "nested too deep"),
    (b'{"a":' * 100_000, "InputError", "nested too deep"),
    (b'{"question": %s}' % (b"9" * 5000), "InputError", "thousands of digits"),
    (b'{"question": "a", "question": "b"}', "InputError", "key 'question' is there twice"),
    (b'{"question": "' + b"x" * MAX_BYTES + b'"}', "InputError", f"more than {MAX_BYTES:,} bytes"),
    (b"[1]", "InputError", "expected an object, found a list"),
    (b'"Why?"', "InputError", "expected an object, found text"),
    (b"null", "InputError", "expected an object, found null"),
    (b"NaN", "InputError", "expected an object, found nan"),
    (b"{}", "InputError", "no question in it"),
    (b'{"answer": "x"}', "InputError", "its keys are 'answer'"),
    (b'{"body": {"input": "x"}}', "InputError", "body.messages"),
    (b'{"question": "a", "prompt": []}', "InputError", "question and prompt in one row"),
    (b'{"question": ["a"]}', "InputError", "question must be text, found a list"),
    (b'{"conversation": "[{}]"}', "InputError", "conversation must be a list of messages, found text"),
    (b'{"body": {"messages": {}}}', "InputError", "body.messages must be a list of messages, found an object"),
    (b'{"question": " "}', "ConversationError", "the last user turn is empty"),
    (b'{"question": "\\ud83d"}', "ConversationError", "half a character"),
    (b'{"conversation": []}', "ConversationError", "non-empty list"),
    (b'{"conversation": [7]}', "ConversationError", "message 1"),
    (b'{"prompt": [{"role": "assistant", "content": "x"}]}', "ConversationError", "must end with the user's question"),
    (b'{"question": "' + b"x" * (MAX_CHARACTERS + 1) + b'"}', "ConversationError", "200,001 characters"),
    (b'{"conversation": [{"role": "' + b"x" * 9000 + b'"}]}', "ConversationError", "role 'xxx"),
    (b'{"question": "a", "draft": ""}', "InputError", "the draft is empty"),
    (b'{"question": "a", "draft": 7}', "InputError", "the draft must be text, found int"),
    (b'{"question": "a", "draft": NaN}', "InputError", "the draft must be text, found float"),
    (b'{"question": "a", "draft": "\\udc00"}', "InputError", "the draft has half a character"),
]


@pytest.mark.parametrize(("line", "type_", "says"), BAD_LINES, ids=[says for *_, says in BAD_LINES])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_a_bad_line_is_named_and_the_rest_goes_on(
    tmp_path: Path, name: str, line: bytes, type_: str, says: str
) -> None:
    file = _written(tmp_path / name, [{"question": "before"}, line, {"question": "after"}])
    before, bad, after = read_rows(file)
    assert isinstance(before, Row) and isinstance(after, Row) and after.id == "row-3"
    assert isinstance(bad, BadRow) and (bad.id, bad.type) == ("row-2", type_)
    assert bad.message.startswith(f"{file}: line 2: ") and says in bad.message
    assert "\n" not in bad.message and len(bad.message) < 800


def test_nesting_that_only_a_message_about_it_cannot_bear_is_a_bad_row() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    (bad,) = read_rows([{"conversation": [{"role": deep, "content": "x"}]}])
    assert isinstance(bad, BadRow) and "nested too deep" in bad.message


def test_a_bad_row_keeps_the_id_that_could_be_read() -> None:
    (bad,) = read_rows([{"id": "q-7", "question": ""}])
    assert isinstance(bad, BadRow) and bad.id == "q-7"


@pytest.mark.parametrize(
    "content",
    [
        b'\xef\xbb\xbf{"question": "a"}\n{"question": "b"}\n',
        b'{"question": "a"}\r\n{"question": "b"}\r\n',
        b'{"question": "a"}\n{"question": "b"}',
        b'{"question": "a", "score": NaN}\n{"question": "b"}\n',
        b'{"question": "a"}\n\xef\xbb\xbf{"question": "b"}\n',
    ],
    ids=["BOM", "CRLF", "no last newline", "NaN in a key that is ignored", "joined files"],
)
def test_harmless_ways_to_write_a_file_are_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows").write_bytes(content)
    asked = [row.conversation[0]["content"] for row in read_rows(tmp_path / "rows") if isinstance(row, Row)]
    assert asked == ["a", "b"]


def test_blank_lines_count_and_a_unicode_line_separator_ends_none(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes('\n{"question": "a\u2028b\u0085c"}\n \t\r\n{"question": "d"}\n\n'.encode())
    first, second = read_rows(tmp_path / "rows")
    assert (first.id, second.id) == ("row-2", "row-4")
    assert isinstance(first, Row) and first.conversation[0]["content"] == "a\u2028b\u0085c"


@pytest.mark.parametrize("last", [b'{"question": "wh', '{"question": "é'.encode()[:-1], b"{"])
def test_a_truncated_last_line_says_that_the_file_may_be_cut_off(tmp_path: Path, last: bytes) -> None:
    (tmp_path / "rows").write_bytes(b'{"question": "a"}\n' + last)
    first, bad = read_rows(tmp_path / "rows")
    assert isinstance(first, Row) and isinstance(bad, BadRow)
    assert f"{tmp_path / 'rows'}: line 2: " in bad.message and "the file may be cut off" in bad.message


def test_an_id_that_is_there_twice_names_both_lines() -> None:
    rows = read_rows([{"id": id, "question": "Why?"} for id in ("a", "b", "a", "a")])
    *_, third, fourth = rows
    assert isinstance(third, BadRow) and third.id == "a (row 3)" and fourth.id == "a (row 4)"
    assert third.message == "row 3: row 1 has the same id; give each row its own: 'a'"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["row-2", None], ["row-2", "row-2 (row 2)"]),
        ([None, "row-1"], ["row-1", "row-1 (row 2)"]),
        (["a (row 3)", "a", "a"], ["a (row 3)", "a", "a (row 3) (row 3)"]),
        (["1", 1], ["1", "1 (row 2)"]),
    ],
)
def test_ids_differ_even_where_the_input_takes_the_names_that_are_made_up(given: list[Any], found: list[str]) -> None:
    rows = read_rows([{"id": id, "question": "Why?"} for id in given])
    assert [row.id for row in rows] == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["user", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "messages", "type", "text"]), inner, max_size=3)
    ),
    max_leaves=8,
)
LIKELY = st.just(TALK) | st.just({"messages": TALK}) | st.sampled_from(["a", "row-1", "a (row 2)"])


@given(st.lists(st.dictionaries(st.sampled_from(COLUMNS), JSON | LIKELY, max_size=3), max_size=6))
def test_whatever_rows_hold_each_is_valid_for_the_agent_or_named(given: list[dict[str, Any]]) -> None:
    rows = list(read_rows(given))
    assert len(rows) == len({row.id for row in rows}) == len(given)
    for number, row in enumerate(rows, start=1):
        if isinstance(row, BadRow):
            assert row.message.startswith(f"row {number}: ") and json.dumps(row.message).isascii()
            continue
        assert parse_conversation(row.conversation) == row.conversation
        assert row.draft is None or check_draft(row.draft)
