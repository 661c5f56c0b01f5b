"""What principles are distilled from: which rubrics count, what is held out, what is kept on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml
from distilling import rubric_row, rubrics_file, write_rows
from toy_rubrics import toy_entry

from agent.errors import ClinAlignError, InputError
from principles_store.embedding import Vectors
from training.distillation.evidence import read_evidence, split_evidence
from training.distillation.kept_vectors import KeptVectors


class Counting:
    """An embedder that counts what it is asked, and gives random vectors."""

    id = "counting"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        rows = [np.random.default_rng(abs(hash(text))).normal(size=8) for text in texts]
        found = np.array(rows, dtype=np.float32).reshape(len(texts), 8)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("status", "any_status", "is_taken"),
    [
        ("accepted", False, True),
        ("drafted", False, False),
        ("drafted", True, True),
        ("rejected", True, False),
        ("set aside", True, False),
    ],
)
def test_only_accepted_rubrics_count_unless_any_is_asked_for(
    tmp_path: Path, status: str, any_status: bool, is_taken: bool
) -> None:
    file = write_rows(tmp_path / "r.jsonl", [rubric_row(0), rubric_row(1, status=status)])
    evidence = read_evidence([file], any_status=any_status)
    assert [rubric.id for rubric in evidence.rubrics] == ["r0", *(["r1"] if is_taken else [])]
    assert dict(evidence.left_out) == ({} if is_taken else {status: 1})


def test_nothing_to_take_is_told_with_what_would_take_it(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "r.jsonl", [rubric_row(0, status="drafted")])
    with pytest.raises(InputError, match="1 drafted; --any-status takes"):
        read_evidence([file])


def test_the_refined_rubric_counts_not_the_draft(tmp_path: Path) -> None:
    refined = [{"criterion": "Asks for the weight.", "points": 4, "axis": "accuracy"}]
    file = write_rows(tmp_path / "r.jsonl", [rubric_row(0, refined=refined)])
    assert read_evidence([file]).texts == ["Asks for the weight."]


@pytest.mark.parametrize("suffix", ["yaml", "jsonl"])
def test_a_set_of_rubrics_is_read_with_who_verified_it(tmp_path: Path, suffix: str) -> None:
    entry = toy_entry("gout", "Is this gout?", verified_by=["Dr C"])
    file = tmp_path / f"set.{suffix}"
    file.write_text(json.dumps(entry) if suffix == "jsonl" else yaml.safe_dump([entry]), encoding="utf-8")
    evidence = read_evidence([file])
    assert evidence.rubrics[0].reviewers == ("Dr C",)
    assert len(evidence.criteria) == 8


def test_an_id_in_two_files_is_refused(tmp_path: Path) -> None:
    one = write_rows(tmp_path / "one.jsonl", [rubric_row(0)])
    two = write_rows(tmp_path / "two.jsonl", [rubric_row(0)])
    with pytest.raises(InputError, match=r"'r0' stands in .*one.jsonl too"):
        read_evidence([one, two])


def test_a_malformed_row_is_told_by_file_and_line(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "r.jsonl", [rubric_row(0), rubric_row(1, draft=[{"criterion": "No points."}])])
    with pytest.raises(ClinAlignError, match=r"r\.jsonl: line 2: draft.0.points"):
        read_evidence([file])


def test_rubrics_of_one_conversation_are_held_out_together(tmp_path: Path) -> None:
    rows = [rubric_row(n // 2, id=f"x{n}") for n in range(20)]
    evidence = read_evidence([write_rows(tmp_path / "r.jsonl", rows)])
    for seed in range(5):
        split = split_evidence(evidence, 0.3, seed=seed)
        held = {evidence.owner(position).key for position in split.held_out.tolist()}
        inside = {evidence.owner(position).key for position in split.inside.tolist()}
        assert len(held) == 3 and len(inside) == 7 and not held & inside


def test_the_order_of_the_file_doesnt_change_who_is_held_out(tmp_path: Path) -> None:
    rows = [rubric_row(number) for number in range(20)]
    held = []
    for order in (rows, rows[::-1]):
        evidence = read_evidence([write_rows(tmp_path / "r.jsonl", order)])
        split = split_evidence(evidence, 0.25, seed=3)
        held.append({evidence.owner(position).id for position in split.held_out.tolist()})
    assert held[0] == held[1] and len(held[0]) == 5


def test_only_new_texts_are_encoded_again(tmp_path: Path) -> None:
    first = Counting()
    before = KeptVectors(first, tmp_path).encode(["a", "b", "a"])
    second = Counting()
    after = KeptVectors(second, tmp_path).encode(["c", "b", "a"])
    assert (sorted(first.asked), second.asked) == (["a", "b"], ["c"])
    assert np.array_equal(before[[1, 0]], after[[1, 2]])
    assert np.allclose(np.linalg.norm(after, axis=1), 1)


def test_a_damaged_file_of_vectors_costs_only_its_own_texts(tmp_path: Path) -> None:
    KeptVectors(Counting(), tmp_path).encode(["a"])
    KeptVectors(Counting(), tmp_path).encode(["b"])
    damaged = sorted(tmp_path.rglob("*.npz"))[0]
    damaged.write_bytes(damaged.read_bytes()[:50])
    again = Counting()
    KeptVectors(again, tmp_path).encode(["a", "b"])
    assert len(again.asked) == 1


def test_the_vectors_of_another_model_are_not_taken(tmp_path: Path) -> None:
    KeptVectors(Counting(), tmp_path).encode(["a"])
    other = Counting()
    other.id = "another"
    KeptVectors(other, tmp_path).encode(["a"])
    assert other.asked == ["a"]


def test_the_example_file_of_the_tests_is_what_it_says(tmp_path: Path) -> None:
    evidence = read_evidence([rubrics_file(tmp_path)])
    assert (len(evidence.rubrics), len(evidence.criteria), int((evidence.signs < 0).sum())) == (12, 72, 24)
