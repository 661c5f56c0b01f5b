"""Reading preferences: every form gives the same record, and what is wrong with a row is told by file, row and field."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agent.batch.rows import BadRow
from agent.errors import InputError
from training.preference_files import read_preferences, read_rows, survey_preferences, write_records
from training.preferences import HealthRubric

Q, A, B = "Is it safe?", "Yes, at that dose.", "No, never."
USER, GOOD, POOR = ({"role": role, "content": text} for role, text in (("user", Q), ("assistant", A), ("assistant", B)))
CRITERION = {"criterion": "Says yes.", "points": 5, "tags": ["level:example", "axis:accuracy", "medicine"]}
FORMS: dict[str, dict[str, Any]] = {
    "TRL, explicit": {"prompt": Q, "chosen": A, "rejected": B},
    "TRL, conversational": {"prompt": [USER], "chosen": [GOOD], "rejected": [POOR]},
    "TRL, implicit": {"chosen": [USER, GOOD], "rejected": [USER, POOR]},
    "prompt repeated": {"prompt": Q, "chosen": [USER, GOOD], "rejected": [USER, POOR]},
    "one message": {"prompt": [USER], "chosen": GOOD, "rejected": POOR},
    "hh-rlhf": {
        "chosen": f"\n\nHuman: {Q}\n\nAssistant: {A}",
        "rejected": f"\n\nHuman: {Q}\n\nAssistant: {B}",
    },
    "a and b": {"question": Q, "response_a": A, "response_b": B, "preferred": "a"},
    "a list": {"conversation": [USER], "responses": [A, {"text": B}], "preferred": 0},
    "winner": {"prompt": Q, "response_a": A, "response_b": B, "winner": "model_a"},
}


def written(rows: list[Any], file: Path) -> Path:
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())
    return file


def read_one(row: Any, folder: Path) -> HealthRubric:
    return next(read_preferences(written([row], folder / "rows.jsonl")))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_record(form: str, tmp_path: Path) -> None:
    record = read_one(FORMS[form], tmp_path)
    assert list(record.conversation) == [USER]
    assert [response.text for response in record.responses] == [A, B]
    assert (record.preferred, record.status, record.provenance.source) == (0, "new", "rows.jsonl")


def test_the_same_preference_has_the_same_id_in_any_form(tmp_path: Path) -> None:
    ids = {read_one(row, tmp_path).id for row in FORMS.values()}
    assert len(ids) == 1 and ids.pop().startswith("pref-")


@pytest.mark.parametrize(
    ("told", "position"),
    [("a", 0), ("B", 1), (" b ", 1), ("tie", None), ("", None), (None, None), ("second", 1), (0, 0), ("2", 1)],
)
def test_a_vote_names_a_response_or_neither(told: Any, position: int | None, tmp_path: Path) -> None:
    assert read_one(FORMS["a and b"] | {"preferred": told}, tmp_path).preferred == position


@pytest.mark.parametrize(("others", "position"), [(["0"], 1), ([2], 0), (["2", "b"], 0)])
def test_what_1_means_is_told_by_the_other_rows(others: list[Any], position: int, tmp_path: Path) -> None:
    rows = [FORMS["a and b"] | {"id": str(n), "preferred": told} for n, told in enumerate([1, *others])]
    assert next(read_preferences(written(rows, tmp_path / "rows.jsonl"))).preferred == position


@pytest.mark.parametrize("others", [[], [0, 2], ["b"]])
def test_what_1_means_is_never_guessed(others: list[Any], tmp_path: Path) -> None:
    rows = [FORMS["a and b"] | {"id": str(n), "preferred": told} for n, told in enumerate([1, *others])]
    with pytest.raises(InputError, match=r"line 1: preferred: 1 may be .*write a, b or tie"):
        list(read_preferences(written(rows, tmp_path / "rows.jsonl")))


def test_a_rubric_of_healthbench_s_form_becomes_a_draft_with_axes_and_known_tags(tmp_path: Path) -> None:
    second = {"criterion": "Says no.", "points": -3.0, "tags": ["axis:completeness"]}
    record = read_one({"prompt_id": "p1", "prompt": [USER], "rubrics": [CRITERION, second]}, tmp_path)
    told = [(item.criterion, item.points, item.axis, item.tags) for item in record.rubric]
    assert told == [("Says yes.", 5, "accuracy", ("medicine",)), ("Says no.", -3, "completeness", ())]
    assert (record.id, record.status, record.responses) == ("p1", "drafted", ())


def test_a_criterion_that_stands_there_twice_is_kept_once_and_told(tmp_path: Path) -> None:
    record = read_one({"prompt": Q, "rubrics": [CRITERION, CRITERION]}, tmp_path)
    assert len(record.rubric) == 1 and record.status_reason == "1 of its criteria stood there twice"


def test_a_review_from_the_chat_names_its_reviewer_and_what_they_said(tmp_path: Path) -> None:
    decisions = [{"edit": 0, "decision": "reject", "comment": "That dose is wrong.", "at": "2026-01-01"}]
    record = read_one(FORMS["TRL, conversational"] | {"reviewer": "Dr Adeyemi", "decisions": decisions}, tmp_path)
    assert (record.preferred_by, record.preference_reason) == ("Dr Adeyemi", "That dose is wrong.")


@pytest.mark.parametrize(
    ("told", "origin"),
    [
        ({}, "unknown"),
        ({"origin": "synthetic"}, "synthetic"),
        ({"provenance": {"licence": "CC BY 4.0"}}, "unknown"),
        ({"provenance": {"origin": "clinician"}}, "clinician"),
    ],
)
def test_where_a_row_comes_from_is_unknown_unless_it_says_so(told: dict[str, Any], origin: str, tmp_path: Path) -> None:
    provenance = read_one(FORMS["a and b"] | told, tmp_path).provenance
    assert (provenance.origin, provenance.judged_by, provenance.rubrics_hash) == (origin, "", "")


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_what_is_written_reads_back_the_same_with_its_id_first(name: str, tmp_path: Path) -> None:
    rows = [row | {"id": f"r{number}", "theme": "skin"} for number, row in enumerate(FORMS.values())]
    records = list(read_preferences(written(rows, tmp_path / "rows.jsonl.gz")))
    write_records(records, tmp_path / name)
    assert list(read_preferences(tmp_path / name)) == records
    first = (gzip.open if name.endswith(".gz") else open)(tmp_path / name, "rt").readline()
    assert first.startswith('{"id": "r0", "schema_version": 1,')


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    file = written([FORMS["a and b"], {"prompt": Q}], tmp_path / "rows.jsonl")
    before = file.read_bytes()
    with pytest.raises(InputError):
        write_records(read_preferences(file), file)
    assert file.read_bytes() == before and [found.name for found in tmp_path.iterdir()] == ["rows.jsonl"]


def test_parquet_is_read(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([FORMS["TRL, implicit"]]), tmp_path / "rows.parquet")
    record = next(read_preferences(tmp_path / "rows.parquet"))
    assert record.chosen is not None and record.chosen.text == A


WRONG: dict[str, tuple[Any, str]] = {
    "no object": ([], "expected an object, found list"),
    "no form": ({"text": Q}, r"no preference in it|no question in it"),
    "a question only": ({"prompt": Q}, "no preference in it; give a HealthRubrics record"),
    "one response": ({"prompt": Q, "chosen": A}, "rejected is missing"),
    "three responses": ({"prompt": Q, "responses": [A, B, A]}, "responses: 3 of them"),
    "the same twice": ({"prompt": Q, "chosen": A, "rejected": A}, "both responses are the same"),
    "an empty one": ({"prompt": Q, "chosen": " ", "rejected": B}, "chosen is empty"),
    "no text": ({"prompt": Q, "chosen": 3, "rejected": B}, "chosen must be a text or a list of messages, found int"),
    "two turns": ({"prompt": [USER], "chosen": [GOOD, USER, GOOD], "rejected": [POOR]}, "chosen: after the prompt one"),
    "no prompt": ({"chosen": A, "rejected": B}, "add prompt"),
    "ends with an answer": ({"prompt": [USER, GOOD], "chosen": A, "rejected": B}, "prompt: .*must end with the user"),
    "two questions": ({"prompt": Q, "question": Q, "chosen": A, "rejected": B}, "prompt and question in one row"),
    "a strange vote": (FORMS["a and b"] | {"preferred": "yes"}, "preferred: 'yes' names no response"),
    "a position of none": (FORMS["a list"] | {"preferred": 2}, "preferred: 2 names no response"),
    "a vote that is true": (FORMS["a and b"] | {"preferred": True}, "preferred: True names no response"),
    "no axis": ({"prompt": Q, "rubrics": [CRITERION | {"tags": []}]}, "rubrics.0: no axis"),
    "points of 0": ({"prompt": Q, "rubrics": [CRITERION | {"points": 0}]}, "draft.0.points: points must not be 0"),
    "points of 4.5": ({"prompt": Q, "rubrics": [CRITERION | {"points": 4.5}]}, "draft.0.points: "),
    "an earlier error": ({"id": "x", "error": {"type": "ModelError"}}, "an error of an earlier step"),
    "a later version": ({"id": "x", "schema_version": 2, "conversation": [USER]}, "newer clinalign; update"),
    "an unknown field": ({"id": "x", "schema_version": 1, "conversation": [USER], "best": 1}, "best: Extra inputs"),
    "an empty id": ({"id": " ", "prompt": Q, "chosen": A, "rejected": B}, "id must be a text that isn't empty"),
    "half a character": ({"prompt": Q, "chosen": "\ud800", "rejected": B}, "."),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_row_is_told_by_file_row_and_field(case: str, tmp_path: Path) -> None:
    row, message = WRONG[case]
    file = written([FORMS["TRL, explicit"], row], tmp_path / "rows.jsonl")
    with pytest.raises(InputError, match=rf"rows\.jsonl: line 2: .*{message}"):
        list(read_preferences(file))


def test_wrong_rows_stop_nobody_else_and_all_ids_differ(tmp_path: Path) -> None:
    rows = [
        FORMS["TRL, explicit"],
        "nonsense",
        FORMS["a and b"],
        FORMS["TRL, explicit"] | {"id": "row-2"},
        {"id": "row-2"},
    ]
    found = list(read_rows(written(rows, tmp_path / "rows.jsonl")))
    assert [isinstance(row, BadRow) for row in found] == [False, True, True, True, True]
    assert len({row.id for row in found}) == 5
    assert "line 1 has the same conversation and responses" in found[2].message  # type: ignore[union-attr]
    survey = survey_preferences(tmp_path / "rows.jsonl")
    assert (survey.rows, survey.bad) == (5, 4)


@pytest.mark.parametrize("name", ["no.jsonl", "no.csv", "no.parquet", "no.csv.gz"])
def test_a_file_that_is_not_there_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        list(read_preferences(tmp_path / name))


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    row = FORMS["TRL, explicit"] | {"chosen": A * 200}
    file = written([row | {"id": f"r{number}"} for number in range(4_000)], tmp_path / "rows.jsonl")
    tracemalloc.start()
    assert sum(1 for _ in read_preferences(file)) == 4_000
    assert tracemalloc.get_traced_memory()[1] < file.stat().st_size / 4
    tracemalloc.stop()
