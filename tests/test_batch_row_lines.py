"""Which rows a file holds is read from the beginning of each line, exactly."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_rows import row, written

from agent.batch.row_lines import Head, head_of, read_contents, row_digest

ANY_ID = st.one_of(
    st.text(st.characters(), max_size=60), st.sampled_from(['"', "\\", 'a\n"id": "b"', "\ud83d", "", "\0"])
)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


@given(id=ANY_ID, is_error=st.booleans(), ascii_only=st.booleans(), is_compact=st.booleans())
def test_any_id_is_read_exactly(id: str, is_error: bool, ascii_only: bool, is_compact: bool) -> None:
    data: dict[str, Any] = {"id": id, "error": {"id": "x"}} if is_error else {"id": id, "answer": '"error": 1'}
    text = json.dumps(data, ensure_ascii=ascii_only, separators=(",", ":") if is_compact else None)
    line = text.encode("utf-8", "backslashreplace")
    assert head_of(line) == head_of(line + b"\n") == Head(id, is_error)


@pytest.mark.parametrize(
    ("line", "head"),
    [
        (b'{"answer": "x", "id": "a"}', Head("a", False)),  # sorted by somebody's jq
        (b'{"error": {}, "id": "a"}', Head("a", True)),
        (b' \t{ "id" :\t"a" , "error" : {} } \r\n', Head("a", True)),
        (b'{"\\u0069d": "a"}', Head("a", False)),
        (b'{"id": "a"}', Head("a", False)),
        (b'{"id": "a\\"}', None),
        (b'{"id": "\xff"}', None),
        (b'{"id": "a", "answer": "cut', None),
        (b'{"id": "a" "b"}', None),
        (b'{"id": ["a"]}', None),
        (b'["id", "a"]', None),
        (b"[" * 100_000, None),
    ],
)
def test_a_line_is_a_row_only_if_it_says_so(line: bytes, head: Head | None) -> None:
    assert head_of(line) == head


def test_ids_that_differ_a_little_have_digests_that_differ() -> None:
    ids = ["", " ", "a", "a ", "A", "\u00e9", "e\u0301", "\ud83d", "\ude00", "1", "01", *map(str, range(10, 5000))]
    assert len({row_digest(id) for id in ids}) == len(ids)
    assert all(0 <= row_digest(id) < 2**64 for id in ids)


def test_lines_of_any_length_are_read(output: Path) -> None:
    written(output, row("a", 3_000_000), row("b", 1), row("c", 2_500_000))
    contents = read_contents(output)
    assert contents.done == {row_digest(id) for id in "abc"}
    assert contents.end == output.stat().st_size


def test_memory_does_not_grow_with_the_rows(output: Path) -> None:
    with output.open("wb") as file:
        file.writelines(row(f"row-{number}", 15_000) + b"\n" for number in range(1000))
    tracemalloc.start()
    contents = read_contents(output)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(contents.done) == 1000
    assert peak < 1_500_000  # of 17 MB: a buffer, a line, and 0.1 kB per row
