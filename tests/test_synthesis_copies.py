"""Copies across questions: measured, and bounded in a way that doesn't depend on the order of the rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from selection_work import saved
from synthesis_work import TEMPLATE, rubric
from toy_index import WordEmbedder

from agent.errors import InputError
from training.selection.likeness import near_within
from training.synthesis.bounding import bound_copies
from training.synthesis.copies import measure_copies, told


def test_a_criterion_in_several_rubrics_is_a_copy_however_it_is_spelt(tmp_path: Path) -> None:
    rows = [rubric("gout"), rubric("tick", template="says when to SEE a doctor"), rubric("pulse", template="Says x.")]
    figures = measure_copies(saved(tmp_path / "rubrics.jsonl", rows), None)
    assert (figures.criteria, figures.copied, figures.near) == (24, 2, None)
    assert figures.as_dict()["top_templates"] == [{"criterion": TEMPLATE, "rubrics": 2}]


def test_near_copies_of_other_questions_count_and_those_of_the_same_don_t(tmp_path: Path) -> None:
    nearly = " ".join(f"word{n}" for n in range(40))
    rows = [
        rubric("gout", f"{nearly} gout.", f"{nearly} toe."),
        rubric("tick", "Names a tick."),
        rubric("leg", f"{nearly} leg."),
    ]
    alone = measure_copies(saved(tmp_path / "rubrics.jsonl", rows[:2]), WordEmbedder())
    beside = measure_copies(saved(tmp_path / "rubrics.jsonl", rows), WordEmbedder())
    assert (alone.copied, alone.near) == (2, 2)
    assert (beside.copied, beside.near) == (3, 6)


def test_the_share_of_rubrics_that_pass_and_what_they_rest_on_is_told(tmp_path: Path) -> None:
    error = {"id": "x", "conversation": [], "error": {"type": "ModelError", "message": "no"}}
    rows = [rubric("gout"), rubric("tick", problems=["too long"]), rubric("leg", templated=True), error]
    figures = measure_copies(saved(tmp_path / "rubrics.jsonl", rows), None)
    assert (figures.passed, figures.mended, figures.templated, figures.errors) == (1, 1, 1, 1)
    assert figures.as_dict()["by_principle"] == {"p": 24}
    assert "1 at once, 1 when asked again; 1 templated" in told(figures)[2]


@pytest.mark.parametrize("most", [1, 2, 4])
def test_no_criterion_stands_in_more_rubrics_than_allowed(tmp_path: Path, most: int) -> None:
    file = saved(tmp_path / "rubrics.jsonl", [rubric(f"q{n}") for n in range(9)])
    bounded = bound_copies(file, tmp_path / "out.jsonl", most)
    assert measure_copies(tmp_path / "out.jsonl", None).texts["says when to see a doctor"] == most
    assert (bounded.templates, bounded.taken_out, bounded.kept) == (1, 9 - most, 9)


def test_which_rubrics_keep_a_criterion_depends_on_their_ids_alone(tmp_path: Path) -> None:
    rows = [rubric(f"q{n}") for n in range(9)]
    found = []
    for number, order in enumerate((rows, rows[::-1])):
        bound_copies(saved(tmp_path / f"in{number}.jsonl", order), tmp_path / f"out{number}.jsonl", 3)
        kept = map(json.loads, (tmp_path / f"out{number}.jsonl").read_text().splitlines())
        found.append({row["id"] for row in kept if row["rubric"][0]["criterion"] == TEMPLATE})
    assert found[0] == found[1]
    assert len(found[0]) == 3


def test_a_rubric_of_which_too_little_is_left_goes_out_and_is_named(tmp_path: Path) -> None:
    rows = [rubric("a", "Names x."), rubric("b", "Names y.")]
    bounded = bound_copies(saved(tmp_path / "rubrics.jsonl", rows), tmp_path / "out.jsonl", 1)
    assert len(bounded.too_few) == bounded.kept == 1


def test_a_row_without_rubric_or_error_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 2: no rubric in it"):
        measure_copies(saved(tmp_path / "rubrics.jsonl", [rubric("gout"), {"id": "x", "question": "?"}]), None)


def test_near_pairs_are_found_across_blocks() -> None:
    vectors = np.eye(5_000, 300, dtype=np.float32)[np.arange(5_000) % 4_000]
    pairs = {(first, second) for first, second, _ in near_within(vectors[:4_100], 0.99)}
    assert {(n, n + 4_000) for n in range(100)} == {pair for pair in pairs if pair[0] < 300}
