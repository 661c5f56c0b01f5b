"""Preferences in CSV, as spreadsheets write it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from agent.batch.rows import BadRow
from agent.errors import InputError
from training.preference_files import read_preferences, read_rows

HEADER = "question,chosen,rejected"


def written(text: str | bytes, folder: Path, name: str = "rows.csv") -> Path:
    content = text.encode() if isinstance(text, str) else text
    file = folder / name
    file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return file


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\nIs it safe?,Yes.,No.\n",
        f"\ufeff{HEADER}\r\nIs it safe?,Yes.,No.\r\n",
        "Question ; CHOSEN;rejected\nIs it safe?;Yes.;No.",
        "question\tchosen\trejected\nIs it safe?\tYes.\tNo.\n\n",
        f'{HEADER},\n"Is it safe?","Yes.","No.",\n',
        "prompt,response_a,response_b,preferred\nIs it safe?,No.,Yes.,b\n",
    ],
)
def test_spreadsheets_of_all_kinds_give_the_preference(text: str, tmp_path: Path) -> None:
    (record,) = read_preferences(written(text, tmp_path))
    assert record.conversation[-1]["content"] == "Is it safe?"
    assert record.chosen is not None and record.chosen.text == "Yes."


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "ROWS.CSV"])
def test_a_cell_keeps_its_quotes_commas_and_line_ends(name: str, tmp_path: Path) -> None:
    text = f'{HEADER},preference_reason\n"Is ""it"", safe?\r\n\r\nPlease","Yes,\nat 5 mg.",No.,Right\n'
    (record,) = read_preferences(written(text, tmp_path, name))
    assert record.conversation[-1]["content"] == 'Is "it", safe?\r\n\r\nPlease'
    assert [response.text for response in record.responses] == ["Yes,\nat 5 mg.", "No."]
    assert record.preference_reason == "Right"


def test_a_long_cell_is_read(tmp_path: Path) -> None:
    (record,) = read_preferences(written(f"{HEADER}\nIs it?,{'yes ' * 50_000},No.\n", tmp_path))
    assert record.chosen is not None and len(record.chosen.text) == 200_000


def test_what_is_wrong_with_a_row_names_its_first_line_and_stops_no_other(tmp_path: Path) -> None:
    rows = f'{HEADER}\n"two\nlines",a,b\nshort,a\n'.encode() + b"caf\xe9,a,b\nlast,a,b\n"
    found = list(read_rows(written(rows, tmp_path)))
    assert [isinstance(row, BadRow) for row in found] == [False, True, True, False]
    assert "line 4: 2 cells under 3 columns" in found[1].message  # type: ignore[union-attr]
    assert "line 5: question: not UTF-8" in found[2].message  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no header"),
        (b"question,chosen,question\na,b,c\n", "the column 'question' is there twice"),
        (HEADER.encode("utf-16"), "text in UTF-16"),
        (f"{HEADER}\n".encode(), "no rows in it"),
        (f'{HEADER}\n"never closed,a,b\n'.encode(), "line 2: malformed CSV"),
        (b"name,age\nx,3\n", "line 2: no question in it; .*its keys are 'name', 'age'"),
    ],
)
def test_a_file_that_holds_no_preferences_is_told(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"rows\.csv.*{message}"):
        list(read_preferences(written(content, tmp_path)))


def test_a_gzip_stream_that_is_cut_off_is_told(tmp_path: Path) -> None:
    whole = gzip.compress("\n".join([HEADER, *(f"q{number},a,b" for number in range(999))]).encode())
    (tmp_path / "rows.csv.gz").write_bytes(whole[:-9])
    with pytest.raises(InputError, match="cut off or damaged"):
        list(read_preferences(tmp_path / "rows.csv.gz"))
