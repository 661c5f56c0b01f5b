"""Reviewed rubrics as files: read again by who needs them, with a card that says what they are worth."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest
from review_records import record

from agent.errors import InputError
from principles_store.rubric_set import load_rubrics
from training.preference_files import read_preferences
from training.review.exporting import export_records, export_seeds
from training.review.store import ReviewStore


@pytest.fixture
def store(tmp_path: Path) -> ReviewStore:
    opened = ReviewStore(str(tmp_path / "reviews.sqlite"))
    opened.add([record("a/cough"), record("cold"), record("flu")])
    for record_id, decision in (("a/cough", "accept"), ("cold", "reject")):
        for reviewer in ("Dr Ann", "Dr Bob"):
            opened.decide(record_id, reviewer, base_version=0, decision=decision, comment=f"{decision}, surely")
    return opened


def test_jsonl_holds_decided_records_as_they_are(store: ReviewStore, tmp_path: Path) -> None:
    assert export_records(store, tmp_path / "out.jsonl").rows == 2
    assert list(read_preferences(tmp_path / "out.jsonl")) == [store.final("a/cough"), store.final("cold")]


def test_undecided_records_come_with_all(store: ReviewStore, tmp_path: Path) -> None:
    done = export_records(store, tmp_path / "out.jsonl", undecided=True)
    assert done.counts.status == {"accepted": 1, "rejected": 1, "drafted": 1}


def test_a_folder_is_a_data_set_with_a_card(store: ReviewStore, tmp_path: Path) -> None:
    export_records(store, tmp_path / "set")
    rows = datasets.load_dataset(str(tmp_path / "set"), split="train", cache_dir=str(tmp_path / "cache"))
    assert rows["id"] == ["a/cough", "cold"]
    assert rows[0]["refined"][0]["points"] == 8
    card = (tmp_path / "set" / "README.md").read_text(encoding="utf-8")
    for said in (
        "no substitute for a clinician",
        "license: name one here",
        "`Dr Ann` (2)",
        "Krippendorff",
        "records, accepted | 1",
    ):
        assert said in card
    assert "chest pain" not in card


def test_parquet_is_read_again_as_the_same_records(store: ReviewStore, tmp_path: Path) -> None:
    export_records(store, tmp_path / "out.parquet")
    assert list(read_preferences(tmp_path / "out.parquet")) == [store.final("a/cough"), store.final("cold")]


@pytest.mark.parametrize("file", ["out.jsonl", "out.parquet"])
def test_who_judged_and_which_rubrics_were_seeds_stay_with_the_record(
    store: ReviewStore, tmp_path: Path, file: str
) -> None:
    unknown = record("sore", provenance={})
    store.add([unknown], reviewers_needed=1)
    store.decide("sore", "Dr Ann", base_version=0, decision="accept")
    export_records(store, tmp_path / file)
    found = [one.provenance for one in read_preferences(tmp_path / file)]
    assert {(one.judged_by, one.rubrics_hash, one.origin) for one in found[:2]} == {("fake:judge", "cd34", "synthetic")}
    assert (found[2].judged_by, found[2].rubrics_hash, found[2].origin) == ("", "", "unknown")
    export_seeds(store, tmp_path / "seeds.jsonl")
    assert load_rubrics(tmp_path / "seeds.jsonl").rubrics[1].origin == "unknown"


def test_reviewers_can_be_numbered(store: ReviewStore, tmp_path: Path) -> None:
    export_records(store, tmp_path / "set", pseudonyms=True)
    export_records(store, tmp_path / "out.jsonl", pseudonyms=True)
    texts = [(tmp_path / "set" / "README.md").read_text(encoding="utf-8"), (tmp_path / "out.jsonl").read_text()]
    assert all("reviewer 1" in text and "Dr Ann" not in text for text in texts)


def test_accepted_rubrics_become_verified_seeds(store: ReviewStore, tmp_path: Path) -> None:
    export_seeds(store, tmp_path / "seeds.jsonl")
    (seed,) = load_rubrics(tmp_path / "seeds.jsonl").rubrics
    assert seed.is_verified
    assert (seed.verified_by, seed.origin, len(seed.rubric)) == (("Dr Ann", "Dr Bob"), "synthetic", 7)


def test_nothing_decided_is_told_and_nothing_written(tmp_path: Path) -> None:
    empty = ReviewStore(str(tmp_path / "reviews.sqlite"))
    empty.add([record()])
    with pytest.raises(InputError, match="none is decided so far; --undecided"):
        export_records(empty, tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def test_what_is_there_is_replaced_only_by_force(store: ReviewStore, tmp_path: Path) -> None:
    for target in (tmp_path / "out.jsonl", tmp_path / "set"):
        export_records(store, target)
        with pytest.raises(InputError, match="exists already"):
            export_records(store, target)
        export_records(store, target, force=True)
