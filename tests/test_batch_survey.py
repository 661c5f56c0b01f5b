"""What a survey tells of a batch's input before anything is paid for."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.batch.rows import read_rows, survey
from agent.errors import InputError

ASKED = [{"role": "user", "content": "my chest hurts"}]


def _gzip(file: Path, rows: Sequence[Any]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    file.write_bytes(gzip.compress("\n".join(lines).encode()))
    return file


def test_a_survey_counts_and_hashes_the_files_bytes(tmp_path: Path) -> None:
    file = _gzip(tmp_path / "rows.jsonl.gz", [{"question": "a"}, "{", {"question": ""}])
    found = survey(file)
    assert (found.rows, found.bad, found.warnings) == (3, 2, ())
    assert found.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_forms_that_mix_are_told_once_with_both_lines(tmp_path: Path) -> None:
    rows = ["", "{", {"question": "a"}, {"prompt": ASKED}, {"conversation": ASKED}, {"question": "b"}]
    file = _gzip(tmp_path / "rows", rows)
    (warning,) = survey(file).warnings
    assert warning.startswith(f"{file}: ") and "question (line 3) and prompt (line 4)" in warning


def test_the_hash_of_a_sequence_is_of_what_is_read_of_it() -> None:
    first = survey([{"id": 1, "question": "my chest hurts"}, {"draft": "a"}]).sha256
    assert survey([{"other": 2, "conversation": ASKED, "id": "1"}, {"draft": "b"}]).sha256 == first
    assert len({first, survey(["my chest hurts"]).sha256, survey(["my arm hurts"]).sha256, survey([]).sha256}) == 4


@pytest.mark.parametrize("source", ["rows.jsonl", b"rows", {"question": "a"}, iter(["a"]), None])
def test_what_is_neither_a_path_nor_a_list_is_refused(source: Any) -> None:
    with pytest.raises(InputError, match=r"pathlib.Path or a list"):
        list(read_rows(source))


def test_an_empty_list_has_no_rows() -> None:
    assert (survey([]).rows, list(read_rows([]))) == (0, [])
