"""Kept rubrics: read from files, hashed, linted; and the shipped set as a whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from toy_rubrics import GOUT, PULSE, TICK, toy_entry, toy_rubrics

from principles_store.errors import LibraryError
from principles_store.rubric_lint import lint_criteria, lint_rubrics
from principles_store.rubric_set import load_rubrics, read_rubrics


def written(file: Path, *entries: object) -> Path:
    file.write_text(
        "".join(json.dumps(entry) + "\n" for entry in entries)
        if file.suffix == ".jsonl"
        else yaml.safe_dump(list(entries)),
        encoding="utf-8",
    )
    return file


def messages(rubrics):
    return [fault.message for fault in lint_rubrics(rubrics) if fault.level == "fault"]


@pytest.mark.parametrize("name", ["a.yaml", "a.jsonl"])
def test_a_set_is_read_from_yaml_and_jsonl_with_the_same_hash(tmp_path, name):
    entries = [toy_entry("gout", GOUT), toy_entry("tick", TICK)]
    assert load_rubrics(written(tmp_path / name, *entries)).content_hash == toy_rubrics(*entries[::-1]).content_hash


def test_the_hash_changes_with_every_criterion():
    entry, changed = toy_entry("gout", GOUT), toy_entry("gout", GOUT)
    changed["rubric"][0]["points"] += 1
    assert toy_rubrics(entry).content_hash != toy_rubrics(changed).content_hash


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"question": ""}, "the last user turn is empty"),
        ({"conversation": [{"role": "user", "content": "x"}]}, "give either question or conversation"),
        ({"rubric": []}, "field rubric"),
        ({"origin": "guess"}, "field origin"),
        ({"id": "a b"}, "field id"),
        ({"verified": True}, "field verified"),
        ({"rubric": [{"criterion": "A.", "points": 0, "axis": "accuracy"}]}, "points must not be 0"),
        ({"rubric": [{"criterion": "A.", "points": 1, "axis": "accuracy", "tags": ["x"]}]}, "unknown tag 'x'"),
        ({"rubric": [{"criterion": "A.", "points": 1, "axis": "accuracy"}] * 2}, "'A.' is given twice"),
    ],
)
def test_a_fault_of_form_names_file_entry_and_field(tmp_path, change, told):
    file = written(tmp_path / "mine.yaml", toy_entry("gout", GOUT) | change)
    with pytest.raises(LibraryError, match=r"mine.yaml: entry 1 \(") as error:
        load_rubrics(file)
    assert told in str(error.value)


def test_good_rubrics_are_read_beside_bad_ones(tmp_path):
    read, faults = read_rubrics(
        written(tmp_path / "a.jsonl", toy_entry("gout", GOUT), toy_entry("gout", TICK), {"id": 3})
    )
    assert [rubric.id for rubric in read] == ["gout"]
    assert any("already used by" in fault.message for fault in faults)
    assert any("2" in fault.entry or "3" in fault.entry for fault in faults)


def test_a_broken_line_is_told_by_its_number(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(toy_entry("gout", GOUT)) + "\n{broken\n", encoding="utf-8")
    with pytest.raises(LibraryError, match="malformed JSON at line 2"):
        load_rubrics(file)


@pytest.mark.parametrize(
    ("text", "points", "told"),
    [
        ("Fails to name the dose.", -5, "not what is missing"),
        ("Does not ask her age.", -5, "not what is missing"),
        ("Names the dose; says when to take it.", 5, "more than one thing"),
        ("names the dose.", 5, "capital and a full stop"),
        ("Says " + "very " * 45 + "much.", 5, "47 words"),
    ],
)
def test_a_criterion_that_cannot_be_judged_is_a_fault(text, points, told):
    entry = toy_entry("gout", GOUT)
    entry["rubric"][0] |= {"criterion": text, "points": points}
    (rubric,) = toy_rubrics(entry)
    assert any(told in message for _, message in lint_criteria(rubric.rubric))


def test_a_mistake_that_can_be_seen_is_no_fault():
    (rubric,) = toy_rubrics(toy_entry("gout", GOUT))
    assert not list(lint_criteria(rubric.rubric))


def test_a_sentence_in_many_rubrics_is_a_fault():
    entries = [toy_entry(name, GOUT) for name in "abcd"]
    for entry in entries:
        entry["rubric"][0]["criterion"] = "Says to see a doctor."
    assert any("stands in 4 rubrics" in message for message in messages(toy_rubrics(*entries)))


def test_criteria_and_conversations_that_are_alike_are_faults(embedder):
    twice = toy_entry("gout", GOUT)
    twice["rubric"][0]["criterion"] = "Says that this is most likely gout."
    twice["rubric"][1]["criterion"] = "Says that this most likely is gout."
    found = [
        fault.message
        for fault in lint_rubrics(toy_rubrics(twice, toy_entry("again", GOUT), toy_entry("p", PULSE)), embedder)
    ]
    assert any("asks for the same as criterion 0" in message for message in found)
    assert any("is like that of 'gout'" in message for message in found)


@pytest.mark.slow
def test_the_shipped_set_has_no_fault_and_says_what_it_is(embedder):
    shipped = load_rubrics()
    assert [str(fault) for fault in lint_rubrics(shipped, embedder)] == []
    assert len(shipped) >= 300
    assert all(rubric.origin == "synthetic" and not rubric.is_verified for rubric in shipped)


def test_the_datasheet_counts_what_is_there():
    shipped = load_rubrics()
    datasheet = (Path(shipped.source) / "README.md").read_text(encoding="utf-8")
    themes = len({rubric.theme for rubric in shipped})
    assert f"{len(shipped)} rubrics for invented conversations on {themes} themes" in datasheet
