"""Leakage: found by id, text, criterion and meaning, also where it hides; what can't be read is refused, never passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from selection_work import saved
from toy_index import WordEmbedder

from agent.errors import InputError
from training.selection.leak_report import report_markdown, report_object, summary
from training.selection.leaks import LeakReport, find_leaks
from training.selection.questions import read_questions
from training.selection.scale import measure_leaks
from training.selection.wordings import RunIndex, runs, words

LONG = (
    "my grandfather has had a dry cough for three weeks since his blood pressure tablets were changed and he sleeps badly "
    "should he see someone about it or wait until his appointment next month"
)
OTHER = "which vaccines does a nurse who moves from a quiet office to an infectious diseases ward need before the first shift"
BENCHMARK = {"prompt_id": "9b4c14e9-c404", "prompt": [{"role": "user", "content": LONG}]}


def leaks(tmp_path: Path, row: dict[str, Any], benchmark: dict[str, Any] | None = None) -> LeakReport:
    train, against = (
        saved(tmp_path / "train.jsonl", [row]),
        saved(tmp_path / "bench.jsonl.gz", [benchmark or BENCHMARK]),
    )
    return find_leaks([train], [against], WordEmbedder())


@pytest.mark.parametrize(
    ("row", "how"),
    [
        ({"id": "9b4c14e9-c404", "question": OTHER}, "id"),
        ({"prompt_id": "9b4c14e9-c404#3", "prompt": [{"role": "user", "content": OTHER}]}, "id"),
        ({"id": "mine-1a", "question": LONG}, "same text"),
        ({"id": "mine-1a", "question": f"  {LONG.upper()}?!"}, "same text"),
        ({"id": "mine-1a", "question": f"{OTHER}. {LONG}"}, "shared runs"),
        ({"id": "mine-1a", "question": LONG[:120]}, "shared runs"),
        ({"id": "m", "conversation": [{"role": "user", "content": LONG}, {"role": "assistant", "content": "Hm."},
                                      {"role": "user", "content": OTHER}]}, "shared runs"),
        ({"id": "m", "prompt": LONG, "chosen": "a", "rejected": "b"}, "same text"),
        ({"custom_id": "m", "body": {"messages": [{"role": "user", "content": LONG}]}}, "same text"),
        ({"id": "m", "conversation": {"messages": [{"role": "user", "content": LONG}]}}, "same text"),
    ],
)  # fmt: skip
def test_a_leak_is_found_in_whatever_form_it_comes(tmp_path: Path, row: dict[str, Any], how: str) -> None:
    (leak,) = leaks(tmp_path, row).faults
    assert (leak.how, leak.benchmark) == (how, "9b4c14e9-c404")


def test_another_question_is_no_leak(tmp_path: Path) -> None:
    report = leaks(tmp_path, {"id": "mine", "question": OTHER})
    assert (report.leaks, report.train_rows, report.benchmark_rows) == ([], 1, 1)
    assert summary(report).endswith("no leak.")


@pytest.mark.parametrize("name", ["row-1", "7", "line 12", "case 3", "q12"])
def test_ids_that_only_count_are_no_evidence(tmp_path: Path, name: str) -> None:
    report = leaks(tmp_path, {"id": name, "question": OTHER}, BENCHMARK | {"prompt_id": name})
    assert report.leaks == []


def test_a_system_message_that_many_share_is_no_leak(tmp_path: Path) -> None:
    system = {"role": "system", "content": LONG}
    row = {"id": "mine", "conversation": [system, {"role": "user", "content": OTHER}]}
    assert leaks(tmp_path, row, BENCHMARK | {"prompt": [system, {"role": "user", "content": "is it gout"}]}).leaks == []


def test_a_short_greeting_in_both_is_worth_a_look_and_no_fault(tmp_path: Path) -> None:
    report = leaks(tmp_path, {"id": "mine", "question": "hello?"}, BENCHMARK | {"prompt": "Hello"})
    assert (report.faults, [leak.how for leak in report.listed]) == ([], ["same text"])


def test_a_question_with_the_same_meaning_is_told_by_its_likeness(tmp_path: Path) -> None:
    shuffled = " ".join(sorted(LONG.split()))
    (leak,) = leaks(tmp_path, {"id": "mine", "question": shuffled}).leaks
    assert (leak.how, leak.value, leak.is_fault) == ("likeness", 1.0, True)


def test_a_criterion_of_the_benchmark_in_a_rubric_is_a_leak(tmp_path: Path) -> None:
    text = "States that a dry cough is a known effect of ACE inhibitors."
    row = {"id": "mine", "question": OTHER, "rubric": [{"criterion": text, "points": 5}]}
    (leak,) = leaks(tmp_path, row, BENCHMARK | {"rubrics": [{"criterion": text, "points": 7, "tags": []}]}).faults
    assert (leak.how, leak.value) == ("same criterion", 1)


def test_the_report_quotes_nothing_of_the_benchmark(tmp_path: Path) -> None:
    report = leaks(tmp_path, {"id": "mine-1a", "question": LONG})
    told = report_markdown(report) + json.dumps(report_object(report)) + summary(report)
    assert "mine-1a" in told
    assert "grandfather" not in told


@pytest.mark.parametrize("row", [{"id": "x"}, {"id": "x", "prompt": []}, {"id": "x", "question": " "}, "text"])
def test_a_row_whose_question_can_t_be_found_is_refused_with_its_line(tmp_path: Path, row: Any) -> None:
    file = saved(tmp_path / "train.jsonl", [{"question": OTHER}, row])
    with pytest.raises(InputError, match=r"train.jsonl: line 2: "):
        list(read_questions(file))


def test_a_row_that_only_says_what_failed_is_passed_over(tmp_path: Path) -> None:
    error = {"id": "x", "error": {"type": "ModelError", "message": "gone"}}
    assert [
        found.name for found in read_questions(saved(tmp_path / "t.jsonl", [error, {"id": "y", "question": OTHER}]))
    ] == ["y"]


def test_the_shipped_rubrics_are_read_as_training_data() -> None:
    from principles_store.rubric_set import SHIPPED

    found = next(read_questions(SHIPPED))
    assert found.asked
    assert found.criteria


def test_runs_are_shared_however_many_texts_there_are() -> None:
    texts = [words(f"case {n} {LONG} and then number {n} of {n * n}") for n in range(50)]
    index = RunIndex(map(runs, texts))
    shares = dict(index.shares(runs(words(LONG)), 0.5))
    assert set(shares) == set(range(50))
    assert set(shares.values()) == {1.0}
    assert list(index.shares(runs(words(OTHER)), 0.01)) == []


def test_every_planted_leak_is_told_as_a_leak_or_as_worth_a_look() -> None:
    found = measure_leaks(90, 30, WordEmbedder())
    assert (found.train_rows, found.benchmark_rows) == (90, 30)
    assert found.planted["in capitals"] == found.planted["inside a longer text"] == {"leak": 20}
    assert found.planted["sentences in another order"].keys() <= {"leak", "listed"}


@pytest.mark.data
@pytest.mark.slow
def test_the_shipped_rubrics_don_t_leak_from_the_development_data(dev_data: Path, embedder: Any) -> None:
    from principles_store.rubric_set import SHIPPED

    against = [dev_data / "healthbench_dev.jsonl.gz", dev_data / "kqa_dev.jsonl.gz"]
    assert find_leaks([SHIPPED], against, embedder).faults == []
