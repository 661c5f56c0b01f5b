"""Preference rows for TRL: only what was accepted, each with the conversation it belongs to, and never another's."""

import json

import pytest
import typer
from batch_output import DRAFT, answer, failed, loaded, recorded, refusal, revised, rows_of, written
from pyarrow import parquet
from typer.testing import CliRunner

from agent.batch.exports.cli import export
from agent.batch.exports.preferences import export_preferences
from agent.batch.rows import survey

app = typer.Typer()
app.command()(export)
REVISED = f"{DRAFT} Ring 112 if it spreads."
TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "My chest hurts."},
    {"role": "assistant", "content": "Since when?"},
    {"role": "user", "content": "An hour. 🩺\u2028"},
]


def exported(output, name="pairs.jsonl", **options):
    export_preferences(output, output.parent / name, **options)
    return rows_of(output.parent / name)


def refused(output, name="pairs.jsonl", **options):
    return refusal(export_preferences, output, output.parent / name, **options)


def test_a_row_is_trls_conversational_preference_with_an_explicit_prompt(tmp_path):
    output = written(tmp_path, [revised("a")], asked=[{"id": "a", "conversation": TURNS}])
    assert exported(output) == [
        {
            "id": "a",
            "prompt": TURNS,
            "chosen": [{"role": "assistant", "content": REVISED}],
            "rejected": [{"role": "assistant", "content": DRAFT}],
            "principle_ids": ["red-flags"],
        }
    ]


@pytest.mark.parametrize(
    "asked",
    [
        {"id": "a", "question": "What now?"},
        {"prompt_id": "a", "prompt": [{"role": "user", "content": "What now?"}]},
        {"custom_id": "a", "body": {"messages": [{"role": "user", "content": "What now?"}]}},
    ],
    ids=["question", "HealthBench", "OpenAI"],
)
def test_the_prompt_is_the_same_from_every_form_of_input(tmp_path, asked):
    (row,) = exported(written(tmp_path, [revised("a")], asked=[asked]))
    assert row["prompt"] == [{"role": "user", "content": "What now?"}]


def test_only_accepted_revisions_that_changed_the_draft_are_preferences(tmp_path):
    refused = answer("refused", answer="Other text.", accepted=False, stopped_because="revision lost a fact")
    rows = [answer("kept"), revised("yes"), failed("failed"), refused, answer("same", accepted=True)]
    assert [row["id"] for row in exported(written(tmp_path, rows))] == ["yes"]


def test_rows_come_in_the_order_of_the_input_each_with_its_own_answer(tmp_path):
    rows = [revised(id, answer=f"{DRAFT} For {id}.") for id in ("c", "a", "d", "b")]
    asked = [{"id": id, "question": f"About {id}?"} for id in ("a", "b", "c", "d")]
    pairs = exported(written(tmp_path, rows, asked=asked))
    assert [(pair["id"], pair["prompt"][0]["content"], pair["chosen"][0]["content"]) for pair in pairs] == [
        (id, f"About {id}?", f"{DRAFT} For {id}.") for id in ("a", "b", "c", "d")
    ]


def test_a_row_names_the_principles_of_its_edits_once_each(tmp_path):
    ids = ["b", "model", "b", "a"]
    (row,) = exported(written(tmp_path, [revised("x", edits=[{"principle_id": id} for id in ids])]))
    assert row["principle_ids"] == ["b", "model", "a"]


def test_json_lines_parquet_and_folder_hold_the_same_rows(tmp_path):
    asked = [{"id": "a", "conversation": TURNS}, {"id": "b", "question": "And now?"}]
    output = written(tmp_path, [revised("a"), revised("b", edits=[])], asked=asked)
    for name in ("pairs.parquet", "set"):
        export_preferences(output, tmp_path / name)
    assert loaded(tmp_path / "set") == parquet.read_table(tmp_path / "pairs.parquet").to_pylist() == exported(output)


def test_without_an_accepted_revision_there_is_no_file_but_the_reason(tmp_path):
    rows = [answer("a"), answer("b"), answer("c", stopped_because="revision too long"), failed("d")]
    assert refused(written(tmp_path, rows)).endswith(
        "no preference rows in it, since no revision was accepted: 4 rows, 0 revised, "
        "3 kept as they were (nothing to improve: 2, revision too long: 1), 1 failed (ModelError: 1)"
    )


def test_rows_that_are_not_done_are_counted(tmp_path):
    asked = [{"id": id, "question": "What now?"} for id in "abc"]
    output = written(tmp_path, [revised("b")], asked=asked, tail=b'{"id": "c", "answ')
    assert export_preferences(output, tmp_path / "pairs.jsonl").made.unfinished == 2


def test_an_input_that_has_moved_can_be_named(tmp_path):
    output = written(tmp_path, [revised("a")])
    moved = (tmp_path / "asked.jsonl").rename(tmp_path / "moved.jsonl")
    told = refused(output)
    assert f"the input {tmp_path / 'asked.jsonl'} of {output} is not there" in told
    assert "--input" in told
    assert len(exported(output, source=moved)) == 1


def test_an_input_that_has_changed_is_not_taken(tmp_path):
    output = written(tmp_path, [revised("a")])
    (tmp_path / "asked.jsonl").write_text('{"id": "a", "question": "Something else?"}\n')
    told = refused(output)
    assert f"{tmp_path / 'asked.jsonl'}: not what {output} was made from" in told
    assert "give the input as it was with --input" in told


def test_rows_that_were_given_in_python_are_given_again(tmp_path):
    rows = ["What now?", {"id": "a", "question": "And now?"}]
    output = written(tmp_path, [revised("a"), revised("row-1")])
    recorded(output, source=None, sha256=survey(rows).sha256)
    assert "given in Python" in refused(output)
    assert "the rows given: not what" in refused(output, source=rows[:1])
    assert [row["prompt"][0]["content"] for row in exported(output, source=rows)] == ["What now?", "And now?"]


def test_without_the_record_of_the_run_the_input_cannot_be_told(tmp_path):
    output = written(tmp_path, [revised("a")])
    (tmp_path / "out.jsonl.run" / "run.json").unlink()
    assert f"{tmp_path / 'out.jsonl.run' / 'run.json'} is missing" in refused(output)


def test_the_record_of_the_run_is_found_through_a_link(tmp_path):
    output = written(tmp_path, [revised("a")])
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.jsonl"
    link.symlink_to(output)
    assert len(exported(link)) == 1


def test_an_answer_to_no_row_of_the_input_is_named(tmp_path):
    asked = [{"id": "a", "question": "What now?"}]
    assert "row 'b' is not one of the input's" in refused(written(tmp_path, [revised("a"), revised("b")], asked=asked))


def test_bad_rows_of_the_input_give_no_pair(tmp_path):
    asked = [{"id": "a", "question": ""}, {"id": "b", "question": "What now?"}]
    output = written(tmp_path, [failed("a", "ConversationError"), revised("b")], asked=asked)
    assert [row["id"] for row in exported(output)] == ["b"]


@pytest.mark.parametrize("name", ["asked.jsonl", "out.jsonl"])
def test_neither_input_nor_output_is_written_over(tmp_path, name):
    output = written(tmp_path, [revised("a")])
    assert "is what is read" in refused(output, name, force=True)


def test_half_a_character_does_not_reach_a_training_file(tmp_path):
    (row,) = exported(written(tmp_path, [revised("a", answer="Ring 112 \ud83e")]))
    assert row["chosen"][0]["content"] == "Ring 112 \ufffd"


def test_every_row_stands_on_one_line_for_any_reader(tmp_path):
    output = written(tmp_path, [revised("a", answer="One\u2028two\x85three\nfour")])
    export_preferences(output, tmp_path / "pairs.jsonl")
    lines = (tmp_path / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["a"]


def test_the_command_writes_preferences(tmp_path):
    output, target = written(tmp_path, [revised("a"), answer("b")]), tmp_path / "pairs.jsonl"
    done = CliRunner().invoke(app, [str(output), str(target), "--preferences"])
    assert done.output.splitlines() == [
        f"1 preference row in {target}",
        "from 2 rows, 1 revised, 1 kept as they were (nothing to improve: 1)",
        "the texts may be a patient's: have them checked before you publish any of this",
    ]
    assert len(rows_of(target)) == 1
