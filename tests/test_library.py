"""Loading, hashing and comparing libraries: the shipped one, and small ones with each fault of form."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from library_entry import changed, entry, library_of, write_library

from principles_store.errors import LibraryError
from principles_store.library import SHIPPED, Library, diff_libraries, load_library, read_library
from principles_store.principle import SCENARIO_VALUES


def test_the_shipped_library_is_complete(library: Library) -> None:
    assert len(library) == 119
    assert {principle.dimension for principle in library} == set(SCENARIO_VALUES)
    assert [library.by_id[p.id] for p in library] == list(library)


def test_a_library_knows_the_file_of_each_principle(library: Library) -> None:
    assert set(library.files) == set(library.by_id)
    for principle in library:
        assert library.files[principle.id] == str(SHIPPED / f"{principle.dimension}.yaml")


def test_a_single_file_is_a_library(library: Library) -> None:
    urgency = load_library(SHIPPED / "urgency.yaml")
    assert list(urgency.by_id) == [principle.id for principle in library if principle.dimension == "urgency"]


def test_files_of_a_folder_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    write_library(tmp_path / "b.yaml", entry(id="second"))
    write_library(tmp_path / "a.yml", entry(id="first"))
    (tmp_path / "README.md").write_text("not a principle", encoding="utf-8")
    assert [principle.id for principle in load_library(tmp_path)] == ["first", "second"]


def test_the_hash_is_independent_of_order_and_file_layout(library: Library, tmp_path: Path) -> None:
    entries = [principle.model_dump(mode="json") for principle in library]
    random.Random(7).shuffle(entries)
    write_library(tmp_path / "a.yaml", *entries[:50])
    write_library(tmp_path / "b.yaml", *entries[50:])
    assert load_library(tmp_path).content_hash == library.content_hash


@pytest.mark.parametrize(
    ("path", "value"),
    [("title", "Other"), ("criteria.0.points", 7), ("criteria.0.meets.1", "Other."), ("sources.0.year", 2019)],
)
def test_the_hash_changes_with_any_field(path: str, value: Any, tmp_path: Path) -> None:
    assert library_of(tmp_path, changed(path, value)).content_hash != library_of(tmp_path, entry()).content_hash


def test_a_default_left_out_or_written_out_gives_one_hash(tmp_path: Path) -> None:
    spelt_out = changed("guidance.place", "end")
    assert library_of(tmp_path, spelt_out).content_hash == library_of(tmp_path, entry()).content_hash


def test_the_principles_may_stand_under_a_key(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump({"principles": [entry()]}), encoding="utf-8")
    assert [principle.id for principle in load_library(file)] == ["tick-bite"]


def test_an_unknown_id_is_answered_with_the_nearest_ones(library: Library) -> None:
    with pytest.raises(LibraryError, match=r"'urg-stroke-sign' .*did you mean urg-stroke-signs"):
        library.get("urg-stroke-sign")
    with pytest.raises(LibraryError, match="principles list"):
        library.get("####")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("own.yaml", b"- id: [unclosed\n- x", r"own\.yaml: malformed YAML at line \d"),
        ("own.yaml", b"- !!python/object:os.system {}", "malformed YAML"),
        ("own.yaml", b"- title: caf\xe9", "not UTF-8 at byte 12; save the file as UTF-8"),
        ("own.yaml", b"", "expected a list of principles, found NoneType"),
        ("own.yaml", b"just text", "expected a list of principles, found str"),
        ("own.yaml", b"[]", "no principles in it"),
        ("own.yaml", b"- 7", r"entry 1 \(\?\): field \(whole entry\)"),
        ("own.json", b'[{"id": 1,]', r"own\.json: malformed JSON at line 1"),
        ("own.json", b'{"id": "x"}', "expected a list of principles, found dict"),
        ("own.json", b"\xff\xfe[\x00]\x00", "not UTF-8 at byte 0"),
    ],
)
def test_an_unreadable_file_is_named_with_its_fault(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LibraryError, match=message):
        load_library(tmp_path / name)


def test_a_missing_file_and_an_empty_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"none\.yaml: can't be read \(No such file or directory\)"):
        load_library(tmp_path / "none.yaml")
    with pytest.raises(LibraryError, match=r"no \*\.yaml files in this folder"):
        load_library(tmp_path)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("scenarios", ["emergent", "urgent"], r"field \(whole entry\): unknown scenario value 'urgent'"),
        ("applies_when.unless", "*", r"field applies_when\.unless: not a regular expression"),
        ("criteria.0.points", 0, r"field criteria\.0: points must not be 0"),
    ],
)
def test_a_fault_of_form_names_file_entry_and_field(tmp_path: Path, path: str, value: Any, message: str) -> None:
    file = write_library(tmp_path / "own.yaml", entry(id="good"), changed(path, value))
    with pytest.raises(LibraryError, match=r"own\.yaml: entry 2 \(tick-bite\): " + message):
        load_library(file)


def test_an_id_used_twice_is_told_with_both_places(tmp_path: Path) -> None:
    write_library(tmp_path / "a.yaml", entry())
    write_library(tmp_path / "b.yaml", entry(id="other"), entry())
    with pytest.raises(LibraryError, match=r"b\.yaml: entry 2 .*field id: already used by .*a\.yaml: entry 1"):
        load_library(tmp_path)


def test_all_faults_are_kept_and_the_message_counts_them(tmp_path: Path) -> None:
    file = write_library(tmp_path / "own.yaml", entry(axis="tone", polarity="x"), entry(id="B"))
    with pytest.raises(LibraryError, match=r"field axis: .* \(and 2 more\)") as caught:
        load_library(file)
    assert [fault.split(": ")[2] for fault in caught.value.faults] == ["field axis", "field polarity", "field id"]


def test_reading_keeps_the_good_entries_beside_the_faults(tmp_path: Path) -> None:
    file = write_library(tmp_path / "own.yaml", entry(axis="tone"), entry(id="good"))
    library, [fault] = read_library(file)
    assert [principle.id for principle in library] == ["good"]
    assert (fault.file, fault.entry, fault.field, fault.level) == (str(file), "1 (tick-bite)", "axis", "fault")


def test_a_difference_names_what_came_what_went_and_which_fields_changed(tmp_path: Path) -> None:
    old = library_of(tmp_path, entry(id="goes"), entry(id="stays"), entry(id="changes"))
    new = library_of(
        tmp_path, entry(id="comes"), entry(id="changes", title="Other", severity="minor"), entry(id="stays")
    )
    found = diff_libraries(old, new)
    assert (found.added, found.removed) == (("comes",), ("goes",))
    assert found.changed == {"changes": ("severity", "title")}


def test_a_library_does_not_differ_from_itself(library: Library, tmp_path: Path) -> None:
    file = tmp_path / "same.json"
    file.write_text(json.dumps([p.model_dump(mode="json") for p in library]), encoding="utf-8")
    found = diff_libraries(library, load_library(file))
    assert not (found.added or found.removed or found.changed)


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "twice.yaml"
    file.write_text("- id: a\n  title: one\n  title: two\n", encoding="utf-8")
    with pytest.raises(LibraryError, match="line 3: key 'title' is given twice"):
        load_library(file)


def test_bottomless_json_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "deep.json"
    file.write_text("[" * 200_000, encoding="utf-8")
    with pytest.raises(LibraryError, match=r"deep\.json"):
        load_library(file)
