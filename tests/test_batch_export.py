"""The answers of a batch as Parquet and as a Hugging Face folder: every value as it was, and nothing that is no answer."""

import json
from dataclasses import fields

import pytest
from batch_output import answer, failed, loaded, refusal, revised, written
from pyarrow import parquet
from scripted_model import ScriptedModel, criterion, critique, edit, edits, judged_by

from agent.api import invoke
from agent.batch.exports import tables
from agent.batch.exports.answers import export_answers
from agent.batch.exports.row_shapes import ANSWER, fault_of
from agent.batch.task import json_line
from agent.config import load_settings
from agent.context import load_context
from agent.edit import Edit
from agent.ledger import CallRecord
from agent.state import AgentOutput
from agent.testing import FakeServer

MIXED = [
    answer("plain"),
    revised("revised"),
    failed("failed"),
    answer("odd", warnings=['a\u2028b "c"\n\x00', "Grüße 🩺"], principles=[], usage=None),
]
ANSWERED = [row for row in MIXED if "error" not in row]


def model_answer(context_of, monkeypatch):
    """Return the row of an answer that a model has revised, opened by settings as `clinalign batch` opens it."""
    model = ScriptedModel(
        critique=critique(criterion("The answer says AMBULANCE")),
        revise=edits(edit("ADD", 1, "Call an AMBULANCE.")),
        judge=lambda prompt: judged_by("AMBULANCE", prompt),
    )
    with FakeServer(model) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        context = context_of(load_settings(model="openai:fake", temperature=0.2, seed=7))
        return {"id": "real", **invoke("I have chest pain. What now?", draft="Rest a while. Drink.", context=context)}


@pytest.fixture
def real_row(data_dir, monkeypatch):
    load_context.cache_clear()
    yield model_answer(load_context, monkeypatch)
    load_context.cache_clear()


def keys_of(value):
    """Return the keys of a value and of all in it; a list stands for its items."""
    if isinstance(value, dict):
        return {key: keys_of(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return keys_of(value[0]) if value else None
    return None


def test_every_key_of_an_answer_has_a_column_and_every_column_a_key(real_row):
    assert real_row["accepted"]
    assert real_row["calls"]
    assert keys_of(json.loads(json_line(real_row))) == keys_of(ANSWER)
    assert fault_of(real_row) is None


def test_the_columns_are_those_of_the_types():
    assert set(ANSWER) == {"id", *AgentOutput.__annotations__}
    assert set(ANSWER["calls"][0]) == {field.name for field in fields(CallRecord)}
    assert set(ANSWER["edits"][0]) == {field.name for field in fields(Edit)}


def test_a_real_answer_comes_back_from_parquet_as_it_was(tmp_path, real_row):
    export_answers(written(tmp_path, [real_row]), tmp_path / "a.parquet")
    assert parquet.read_table(tmp_path / "a.parquet").to_pylist() == [json.loads(json_line(real_row))]


@pytest.mark.parametrize("group_bytes", [1, 10**9], ids=["each row a group", "one group"])
def test_empty_lists_and_nulls_come_back_from_parquet(tmp_path, monkeypatch, group_bytes):
    monkeypatch.setattr(tables, "_ROW_GROUP_BYTES", group_bytes)
    done = export_answers(written(tmp_path, MIXED), tmp_path / "a.parquet")
    file = parquet.ParquetFile(tmp_path / "a.parquet")
    assert file.read().to_pylist() == ANSWERED
    assert done.rows == len(ANSWERED)
    assert file.num_row_groups == (len(ANSWERED) if group_bytes == 1 else 1)


def test_a_folder_is_what_load_dataset_reads_with_failed_rows_apart(tmp_path):
    export_answers(written(tmp_path, MIXED), tmp_path / "set")
    assert loaded(tmp_path / "set") == ANSWERED
    assert loaded(tmp_path / "set", "errors") == [failed("failed")]


def test_without_failed_rows_there_is_one_configuration(tmp_path):
    export_answers(written(tmp_path, ANSWERED), tmp_path / "set")
    assert loaded(tmp_path / "set") == ANSWERED
    assert sorted(file.name for file in (tmp_path / "set").iterdir()) == ["README.md", "data"]
    with pytest.raises(ValueError, match="errors"):
        loaded(tmp_path / "set", "errors")


def test_a_large_folder_is_cut_into_files_that_know_their_number(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_SHARD_BYTES", 1)
    export_answers(written(tmp_path, ANSWERED), tmp_path / "set")
    assert [file.name for file in sorted((tmp_path / "set" / "data").iterdir())] == [
        f"train-0000{number}-of-00003.parquet" for number in range(3)
    ]
    assert loaded(tmp_path / "set") == ANSWERED


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (b'{"x": 1}', "it has no id"),
        (b"[1]", "it has no id"),
        (b'{"id": 2, "answer": ""}', "it has no id"),
        (b'{"id": "b"}', "it has no answer"),
        (b'{"id": "b", "error": null}', "it has no error"),
        (b"not JSON", "not a row of `clinalign batch`"),
        (b"\xff\xfe", "not a row of `clinalign batch`"),
        (b"[" * 100_000, "not a row of `clinalign batch`"),
        (json_line(answer("b", accepted="yes")), "accepted: must be true or false, found text"),
        (json_line(answer("b", rounds=True)), "rounds: must be a whole number, found true or false"),
        (json_line(answer("b", rounds=1.5)), "rounds: must be a whole number, found a number"),
        (json_line(answer("b", rounds=2**63)), "rounds: must be a whole number"),
        (json_line(answer("b", principles={})), "principles: must be a list, found an object"),
        (json_line(answer("b", scenario=[])), "scenario: must be an object, found a list"),
        (json_line(answer("b", watts=3)), "watts: a key that this version doesn't write"),
        (json_line(answer("b", usage={"calls": 1, "watts": 3})), "usage.watts: a key that this version doesn't write"),
        (json_line(answer("b", critiques=[[{"mood": ""}]])), "critiques.mood: a key that this version doesn't write"),
        (json_line(answer("a")), "the id 'a' is there twice"),
    ],
)
def test_what_is_no_row_is_named_by_file_and_line(tmp_path, second, message):
    output = written(tmp_path, [answer("a")])
    output.write_bytes(json_line(answer("a")) + b"\n" + second + b"\n" + json_line(answer("c")) + b"\n")
    told = refusal(export_answers, output, tmp_path / "a.parquet")
    assert told.startswith(f"{output}, line 2: ")
    assert message in told


def test_a_key_that_an_earlier_version_did_not_write_is_null(tmp_path):
    row = answer("a")
    del row["warnings"], row["scenario"]["confidence"]
    export_answers(written(tmp_path, [row]), tmp_path / "a.parquet")
    (read,) = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert read["warnings"] is None
    assert read["scenario"]["confidence"] is None


@pytest.mark.parametrize("tail", [b'{"id": "b", "ans', b'{"id": "b"', b"\0\0\0", json_line(answer("b"))[:-1], b"\n"])
def test_a_torn_last_line_is_no_row_yet(tmp_path, tail):
    asked = [{"id": id, "question": "What now?"} for id in "abc"]
    done = export_answers(written(tmp_path, [answer("a")], asked=asked, tail=tail), tmp_path / "a.parquet")
    assert done.rows == 1
    assert done.made.unfinished == 2


def test_a_last_line_that_somebody_else_has_written_is_named(tmp_path):
    output = written(tmp_path, [answer("a")], tail=b"a note of mine")
    assert refusal(export_answers, output, tmp_path / "a.parquet").startswith(f"{output}, line 2: not a row")


def test_a_last_line_that_lacks_only_its_end_is_a_row(tmp_path):
    output = written(tmp_path, [answer("a")], tail=json_line(answer("b")))
    assert export_answers(output, tmp_path / "a.parquet").rows == 2


def test_half_a_character_becomes_the_sign_for_what_is_unreadable(tmp_path):
    output = written(tmp_path, [answer("a", draft="half \ud83e", answer="whole 🩺, half \ud83e")])
    assert b"\\ud83e" in output.read_bytes()
    export_answers(output, tmp_path / "a.parquet")
    (read,) = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert (read["draft"], read["answer"]) == ("half \ufffd", "whole 🩺, half \ufffd")


def test_the_input_need_not_be_there_to_export_answers(tmp_path):
    output = written(tmp_path, [answer("a")])
    (tmp_path / "asked.jsonl").unlink()
    assert export_answers(output, tmp_path / "a.parquet").made.unfinished is None


def test_an_input_that_is_named_must_be_the_right_one(tmp_path):
    output = written(tmp_path, [answer("a")])
    other = tmp_path / "other.jsonl"
    other.write_text('{"id": "a", "question": "Another?"}\n')
    assert f"{other}: not what {output} was made from" in refusal(
        export_answers, output, tmp_path / "a.parquet", source=other
    )


def test_an_output_without_an_answer_is_refused_with_the_reason(tmp_path):
    told = refusal(export_answers, written(tmp_path, [failed("a"), failed("b", "InputError")]), tmp_path / "a.parquet")
    assert told.endswith("no answers in it: 2 rows, 0 revised, 2 failed (ModelError: 1, InputError: 1)")


@pytest.mark.parametrize(("name", "reason"), [("none", "No such file"), (".", "Is a directory")])
def test_an_output_that_cannot_be_read_is_told(tmp_path, name, reason):
    told = refusal(export_answers, tmp_path / name, tmp_path / "a.parquet")
    assert reason in told
    assert "clinalign batch" in told
