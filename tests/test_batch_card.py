"""The card of an exported folder: read by programs, careful in what it claims, and without a patient's word in it."""

import pytest
import yaml
from batch_output import answer, failed, recorded, revised, written

from agent.batch.exports.answers import export_answers
from agent.batch.exports.preferences import export_preferences
from agent.batch.rows import survey
from agent.state import DISCLAIMER

ROWS = [
    revised("a"),
    answer("b"),
    answer("c"),
    answer("d", stopped_because="revision lost a fact"),
    failed("e"),
    failed("f", "InputError"),
]
EXPORTS = [export_answers, export_preferences]


def card(export, output, name="set", **options):
    export(output, output.parent / name, **options)
    return (output.parent / name / "README.md").read_text(encoding="utf-8")


def head(text):
    _, between, _ = text.split("---\n", 2)
    return yaml.safe_load(between)


def cells(text):
    """Return the tables of a card as a mapping from the first cell of each row to its second."""
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    assert {len(row) for row in rows} == {2}
    return {name.strip(): value.strip() for name, value in rows}


@pytest.mark.parametrize("export", EXPORTS)
def test_the_head_names_the_files_and_leaves_the_licence_to_the_user(tmp_path, export):
    told = card(export, written(tmp_path, ROWS))
    assert head(told)["configs"][0] == {
        "config_name": "default",
        "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
    }
    assert "license" not in head(told)
    assert "# license: name one here" in told


def test_failed_rows_are_a_configuration_of_answers_only(tmp_path):
    output = written(tmp_path, ROWS)
    assert [config["config_name"] for config in head(card(export_answers, output))["configs"]] == ["default", "errors"]
    assert len(head(card(export_preferences, output, "pairs"))["configs"]) == 1
    assert len(head(card(export_answers, written(tmp_path, ROWS[:4]), "whole"))["configs"]) == 1


def test_preferences_are_found_by_their_tags(tmp_path):
    output = written(tmp_path, ROWS)
    assert {"trl", "preference"} <= set(head(card(export_preferences, output))["tags"])
    assert not {"trl", "preference"} & set(head(card(export_answers, output, "answers"))["tags"])


@pytest.mark.parametrize("export", EXPORTS)
def test_every_row_of_the_input_is_accounted_for(tmp_path, export):
    asked = [{"id": id, "question": "What now?"} for id in "abcdefgh"]
    told = cells(card(export, written(tmp_path, ROWS, asked=asked)))
    assert [told[name] for name in ("rows of the input", "not done when this was made")] == ["8", "2"]
    assert told["failed: ModelError"] == told["failed: InputError"] == "1"
    assert told["draft kept: nothing to improve"] == "2"
    assert told["draft kept: revision lost a fact"] == "1"
    assert told["revised, and the revision accepted"] == "1"


@pytest.mark.parametrize("export", EXPORTS)
def test_library_models_and_input_are_named(tmp_path, export):
    models = {"writer": "openai:small", "judge": "openai:large"}
    output = written(tmp_path, [revised("a", models=models, engine="llm")])
    told = cells(card(export, output))
    assert told["library of principles, content hash"] == f"`{'5e' * 32}`"
    assert told["engine"] == "`llm`"
    assert (told["model that wrote"], told["model that judged"]) == ("`openai:small`", "`openai:large`")
    assert told["input, SHA-256"] == f"`{survey(tmp_path / 'asked.jsonl').sha256}`"


def test_an_input_that_is_not_at_hand_is_not_guessed_at(tmp_path):
    output = written(tmp_path, ROWS)
    (tmp_path / "asked.jsonl").write_text('{"question": "Something else?"}\n')
    told = cells(card(export_answers, output))
    assert told["rows of the input"].startswith("not counted")
    assert told["not done when this was made"] == "not known"
    assert "input, SHA-256" not in told


@pytest.mark.parametrize("export", EXPORTS)
def test_a_card_says_what_must_be_said(tmp_path, export):
    told = card(export, written(tmp_path, ROWS))
    assert DISCLAIMER in told
    assert "**Before you publish this:**" in told
    assert "may be a patient's" in told


def test_preferences_are_not_passed_off_as_clinicians(tmp_path):
    told = card(export_preferences, written(tmp_path, ROWS))
    assert "**The preferences are not clinicians'.**" in told
    assert "never-worse check" in told
    assert "No clinician has written or\nchecked them" in card(export_answers, written(tmp_path, ROWS), "answers")


@pytest.mark.parametrize("export", EXPORTS)
def test_no_text_of_a_row_is_in_the_card(tmp_path, export):
    row = revised("patient-0042", answer="Dear Mrs Quux, ring 112.", warnings=["seen by Quux"])
    rows = [row, failed("Quux", message="what Quux asked is too long")]
    asked = [{"id": row["id"], "question": "I am Mrs Quux. What now?"} for row in rows]
    told = card(export, written(tmp_path, rows, asked=asked))
    assert "Quux" not in told
    assert "0042" not in told


def test_names_from_outside_stay_in_their_place(tmp_path):
    odd = "x|y`z\n## Licence: none\nof it"
    output = written(tmp_path, [revised("a", models={"writer": odd, "judge": odd}, stopped_because=odd)])
    output = output.rename(tmp_path / "a: 'b'\n---\n# c|`d`.jsonl")
    recorded(output, source=tmp_path / "asked.jsonl")
    told = card(export_answers, output)
    assert head(told)["pretty_name"] == "Revised answers of a: 'b' --- # c/'d'"
    assert cells(told)["model that wrote"] == "`x/y'z ## Licence: none of it`"
    assert "\n## Licence" not in told


def test_datasets_reads_the_head(tmp_path):
    import datasets

    card(export_answers, written(tmp_path, ROWS))
    assert datasets.get_dataset_config_names(str(tmp_path / "set")) == ["default", "errors"]
    assert datasets.get_dataset_default_config_name(str(tmp_path / "set")) == "default"
