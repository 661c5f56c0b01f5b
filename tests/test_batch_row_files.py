"""Files of rows: formats told by their first bytes, damage named where it begins, memory that stays flat."""

from __future__ import annotations

import gzip
import json
import os
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.batch.row_files import QUESTION_KEYS
from agent.batch.rows import BadRow, Row, read_rows, survey
from agent.errors import InputError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
FILES = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
LINES = b"".join(json.dumps({"question": os.urandom(500).hex()}).encode() + b"\n" for _ in range(100))


def _questions(count: int) -> Any:
    return pyarrow.Table.from_pylist([{"question": f"number {n}"} for n in range(1, count + 1)])


def _trouble(folder: Path, kind: str) -> Path:
    contents = {
        "empty.jsonl": b"",
        "blank.jsonl": b"\n \r\n",
        "blank.jsonl.gz": gzip.compress(b"\n"),
        "utf16.jsonl": '{"question": "a"}\n'.encode("utf-16"),
        "rows.zip": b"PK\x03\x04rest",
        "rows.jsonl.zst": b"\x28\xb5\x2f\xfdrest",
        "plain.jsonl.gz": b'{"question": "a"}\n',
        "plain.parquet": b'{"question": "a"}\n',
        "cut.parquet": b"PAR1 and nothing more",
    }
    file = folder / kind
    if kind in contents:
        file.write_bytes(contents[kind])
    elif kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "no rows.parquet":
        parquet.write_table(_questions(1).slice(1), file)
    elif kind == "no question.parquet":
        parquet.write_table(pyarrow.Table.from_pylist([{"id": "a", "text": "b"}]), file)
    elif kind == "twins.parquet":
        parquet.write_table(pyarrow.Table.from_arrays([pyarrow.array(["a"])] * 2, ["question"] * 2), file)
    return file


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing.jsonl", "can't be read (No such file or directory)"),
        ("folder", "a folder; name a .jsonl"),
        ("pipe", "no regular file"),
        ("NUL \0 in its name", "can't be read (embedded null byte)"),
        ("empty.jsonl", "empty"),
        ("blank.jsonl", "no rows in it"),
        ("blank.jsonl.gz", "no rows in it"),
        ("utf16.jsonl", "text in UTF-16; give JSONL in UTF-8"),
        ("rows.zip", "a zip archive"),
        ("rows.jsonl.zst", "compressed with zstd"),
        ("plain.jsonl.gz", "no gzip, though its name says so"),
        ("plain.parquet", "no Parquet, though its name says so"),
        ("cut.parquet", "no readable Parquet"),
        ("no rows.parquet", "no rows in it"),
        ("no question.parquet", f"none of the columns {', '.join(QUESTION_KEYS)}"),
        ("twins.parquet", "two columns of one name among question, question"),
    ],
)
@pytest.mark.parametrize("read", [survey, lambda file: list(read_rows(file))], ids=["survey", "rows"])
def test_a_file_that_cannot_be_read_at_all_is_named_in_one_line(
    tmp_path: Path, kind: str, says: str, read: Any
) -> None:
    file = _trouble(tmp_path, kind)
    with pytest.raises(InputError) as caught:
        read(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: ") and says in message and "\n" not in message


def test_without_pyarrow_parquet_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet.write_table(_questions(1), tmp_path / "rows.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"rows.parquet: Parquet needs pyarrow; run pip install 'clinalign\[batch\]'"):
        list(read_rows(tmp_path / "rows.parquet"))


def test_the_bytes_tell_the_format_where_the_name_does_not(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(gzip.compress(b'{"question": "a"}\n'))
    parquet.write_table(_questions(2), tmp_path / "rows.pq")
    assert [survey(tmp_path / name).rows for name in ("rows.jsonl", "rows.pq")] == [1, 2]


def test_gzip_files_that_were_joined_are_read_to_the_end(tmp_path: Path) -> None:
    (tmp_path / "rows.gz").write_bytes(gzip.compress(b'{"question": "a"}\n') + gzip.compress(b'{"question": "b"}\n'))
    assert survey(tmp_path / "rows.gz").rows == 2


@pytest.mark.parametrize(
    ("damage", "says", "least"),
    [
        (lambda whole: whole[: len(whole) // 2], "end-of-stream", 40),
        (lambda whole: whole[:-4], "end-of-stream", 100),
        (lambda whole: whole[:-8] + b"\0" * 8, "CRC", 100),
        (lambda whole: whole[:40_000] + b"\xff" * 900 + whole[40_900:], "", 40),
        (lambda whole: whole + b"garbage", "Not a gzipped file", 100),
    ],
    ids=["cut in the middle", "cut at the end", "wrong checksum", "spoilt", "followed by garbage"],
)
def test_damaged_gzip_is_a_last_bad_row_after_all_that_came_before(
    tmp_path: Path, damage: Any, says: str, least: int
) -> None:
    file = tmp_path / "rows.jsonl.gz"
    file.write_bytes(damage(gzip.compress(LINES)))
    *rows, last = read_rows(file)
    good = [row for row in rows if isinstance(row, Row)]
    assert least <= len(good) <= 100 and [row.id for row in good] == [f"row-{n}" for n in range(1, len(good) + 1)]
    assert isinstance(last, BadRow) and last.message.startswith(f"{file}: line {len(rows) + 1}: the gzip stream is")
    assert says in last.message


def test_a_cell_that_is_not_utf8_spoils_its_own_row_only(tmp_path: Path) -> None:
    cells = pyarrow.array([b"fine", b"\xff\xfe", b"fine too"], pyarrow.binary())
    text = pyarrow.StringArray.from_buffers(3, *cells.buffers()[1:])
    parquet.write_table(pyarrow.table({"question": text, "id": ["a", "b", "c"]}), tmp_path / "rows.parquet")
    first, bad, third = read_rows(tmp_path / "rows.parquet")
    assert isinstance(first, Row) and isinstance(third, Row) and third.id == "c"
    assert isinstance(bad, BadRow) and bad.message.startswith(f"{tmp_path / 'rows.parquet'}: row 2: ")
    assert "utf-8" in bad.message


def test_damage_in_a_row_group_costs_that_group(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    options = {"row_group_size": 10, "compression": "none", "use_dictionary": False, "write_page_checksum": True}
    parquet.write_table(_questions(30), file, **options)
    file.write_bytes(file.read_bytes().replace(b"number 15", b"NUMBER 15", 1))
    rows = list(read_rows(file))
    good = [row.id for row in rows if isinstance(row, Row)]
    (bad,) = [row for row in rows if isinstance(row, BadRow)]
    assert good == [f"row-{n}" for n in (*range(1, 11), *range(21, 31))]
    assert bad.message.startswith(f"{file}: row 11: rows 11 to 20 can't be read: the file is damaged")


@pytest.mark.parametrize(
    "kind", [pyarrow.large_string(), pyarrow.dictionary(pyarrow.int32(), pyarrow.string())], ids=str
)
def test_other_ways_to_keep_text_in_parquet_are_read(tmp_path: Path, kind: Any) -> None:
    table = pyarrow.table({"question": pyarrow.array(["a", None]).cast(kind), "id": pyarrow.array([7, 8])})
    parquet.write_table(table, tmp_path / "rows.parquet")
    first, bad = read_rows(tmp_path / "rows.parquet")
    assert isinstance(first, Row) and first.id == "7" and isinstance(bad, BadRow) and bad.id == "8"


def test_a_name_that_is_not_utf8_still_gives_a_message_that_is(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"r\xe9sum\xe9.jsonl")
    file.write_bytes(b"{")
    (bad,) = read_rows(file)
    assert isinstance(bad, BadRow) and b"sum" in bad.message.encode()


SOME_PARQUET = pyarrow.BufferOutputStream()
parquet.write_table(_questions(20), SOME_PARQUET, row_group_size=5)
SOME = {"jsonl": LINES[:3000], "gzip": gzip.compress(LINES[:3000]), "parquet": SOME_PARQUET.getvalue().to_pybytes()}


@FILES
@given(
    kind=st.sampled_from(sorted(SOME)),
    at=st.floats(0, 1),
    junk=st.binary(max_size=40),
    keep=st.booleans(),
)
def test_whatever_the_bytes_rows_come_with_ids_that_differ_or_one_error(
    tmp_path: Path, kind: str, at: float, junk: bytes, keep: bool
) -> None:
    whole = SOME[kind]
    place = int(at * len(whole))
    (tmp_path / "rows").write_bytes(whole[:place] + junk + (whole[place + len(junk) :] if keep else b""))
    try:
        rows = list(read_rows(tmp_path / "rows"))
    except InputError as error:
        assert str(error).startswith(f"{tmp_path / 'rows'}: ")
        return
    assert rows and len({row.id for row in rows}) == len(rows)


def test_a_line_of_any_length_is_read_past_in_flat_memory(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "rows.gz", "wb", compresslevel=1) as file:
        for _ in range(50):
            file.write(b"x" * 1_000_000)
        file.write(b'\n{"question": "a"}\n')
    tracemalloc.start()
    long, fine = read_rows(tmp_path / "rows.gz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(long, BadRow) and isinstance(fine, Row) and fine.id == "row-2"
    assert peak < 10_000_000


def test_one_row_group_of_many_rows_is_read_in_flat_memory(tmp_path: Path) -> None:
    table = pyarrow.table({"question": [os.urandom(5_000).hex() for _ in range(3_000)]})  # 30 MB
    parquet.write_table(table, tmp_path / "rows.parquet", use_dictionary=False)
    held = pyarrow.total_allocated_bytes()
    most = max(pyarrow.total_allocated_bytes() for _ in read_rows(tmp_path / "rows.parquet"))
    assert most - held < table.nbytes // 2
