"""Which verdicts a small judge learns from, and how the conversations are divided."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_bert import graded_rows, write_rows

from agent.errors import ClinAlignError, InputError
from agent.small_judge.reading import Layout, PairReader
from principles_store.embedding import Embedder
from training.judge_distillation.base import open_base
from training.judge_distillation.checks import check_labels, check_split, warnings
from training.judge_distillation.rows import Labels, Skipped, conversation_key, read_labels
from training.judge_distillation.samples import make_samples, read_pairs
from training.judge_distillation.splits import split

Rows = list[dict[str, Any]]


def labels_of(folder: Path, rows: Rows) -> Labels:
    return read_labels([write_rows(folder / "rows.jsonl", rows)])


def test_labels_are_all_verdicts_that_are_known(tmp_path: Path) -> None:
    rows = graded_rows(2)
    rows[0]["verdicts"][1] = {"criteria_met": None}
    labels = labels_of(tmp_path, rows)
    assert (len(labels.answers), labels.verdicts, labels.conversations) == (4, 19, 2)
    assert labels.skipped == Skipped(unknown=1)
    assert labels.judges == {"openai:a": 19}


def test_rows_without_a_verdict_are_counted_and_passed_over(tmp_path: Path) -> None:
    rows = graded_rows(2)
    rows[0]["verdicts"] = [{"criteria_met": None}] * 5
    rows[1] |= {"verdicts": None, "error": {"kind": "timeout", "message": "no reply"}}
    labels = labels_of(tmp_path, rows)
    assert labels.skipped == Skipped(failed=1, unjudged=1)
    assert len(labels.answers) == 2


def test_several_files_of_several_judges_are_one_set_of_labels(tmp_path: Path) -> None:
    first, second = graded_rows(2), graded_rows(3, seed=1)
    for row in second:
        row["judge"] = "openai:b"
    plain = write_rows(tmp_path / "a.jsonl", first)
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in second).encode()))
    assert read_labels([plain, packed]).judges == {"openai:a": 20, "openai:b": 30}


@pytest.mark.parametrize(
    "judge,judges,kept",
    [
        ("small:x@1", None, 0),
        ("cascade(small:x@1, openai:a)", None, 0),
        ("cascade(small:x@1, openai:a)", {"small:x@1": [True, None, None, None, False]}, 3),
        ("panel(small:x@1, openai:a)", {"small:x@1": [True] * 5, "openai:a": [True] * 5}, 0),
        ("ollama:mistral-small:24b", None, 5),
        ("panel(openai:b, openai:a)", {"openai:b": [True] * 5, "openai:a": [True] * 5}, 5),
    ],
)
def test_a_verdict_in_which_a_small_judge_had_a_voice_is_no_label(
    tmp_path: Path, judge: str, judges: dict[str, list[bool | None]] | None, kept: int
) -> None:
    row, other = graded_rows(2, answers=1)
    voices = {name: [{"criteria_met": met} for met in mets] for name, mets in (judges or {}).items()}
    own = write_rows(tmp_path / "own.jsonl", [row | {"judge": judge, "judges": voices or None}])
    labels = read_labels([own, write_rows(tmp_path / "other.jsonl", [other])])
    assert labels.verdicts == 5 + kept
    assert labels.skipped.own == 5 - kept


def test_the_order_of_rows_and_files_changes_nothing(tmp_path: Path) -> None:
    rows = graded_rows(4)
    ahead, behind = write_rows(tmp_path / "1.jsonl", rows[:3]), write_rows(tmp_path / "2.jsonl", rows[3:])
    turned = write_rows(tmp_path / "3.jsonl", rows[::-1])
    one, other = read_labels([behind, ahead]), read_labels([turned])
    assert one.digest == other.digest
    assert [answer.id for answer in one.answers] == [answer.id for answer in other.answers]


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row.update(response="Rest."),
        lambda row: row["prompt"][0].update(content="What else?"),
        lambda row: row["rubrics"][0].update(points=9),
        lambda row: row["rubrics"][0].update(criterion="Names a dose."),
        lambda row: row["verdicts"][0].update(criteria_met=not row["verdicts"][0]["criteria_met"]),
    ],
    ids=["answer", "conversation", "points", "criterion", "verdict"],
)
def test_the_digest_is_another_where_anything_that_is_learned_is(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    before = labels_of(tmp_path, graded_rows(2)).digest
    rows = graded_rows(2)
    change(rows[1])
    assert labels_of(tmp_path, rows).digest != before


def test_what_is_not_learned_leaves_the_digest_as_it_is(tmp_path: Path) -> None:
    rows = graded_rows(2)
    before = labels_of(tmp_path, rows).digest
    for row in rows:
        row.update(
            id=f"other {row['id']}", model="m", verdicts=[item | {"explanation": "so"} for item in row["verdicts"]]
        )
    assert labels_of(tmp_path, rows).digest == before


def test_an_answer_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    rows = graded_rows(2)
    files = [write_rows(tmp_path / f"{name}.jsonl", rows) for name in "ab"]
    labels = read_labels(files)
    assert (len(labels.answers), labels.skipped.repeated) == (4, 4)


def test_missing_verdicts_are_refused_with_what_is_missing(tmp_path: Path) -> None:
    rows = graded_rows(2)
    for row in rows:
        row["verdicts"] = [{"criteria_met": None}] * 5
    with pytest.raises(InputError, match="missing verdicts: 4 answers without a verdict; grade"):
        labels_of(tmp_path, rows)


def test_a_malformed_row_is_refused_with_file_and_line(tmp_path: Path) -> None:
    rows = graded_rows(2)
    del rows[2]["verdicts"][0]
    with pytest.raises(ClinAlignError, match=r"rows.jsonl: line 3: 4 verdicts for 5 criteria"):
        labels_of(tmp_path, rows)


def test_no_file_is_refused() -> None:
    with pytest.raises(InputError, match="no graded rows"):
        read_labels([])


def only_met(rows: Rows) -> None:
    for row in rows:
        row["verdicts"] = [{"criteria_met": True}] * 5


def one_question(rows: Rows) -> None:
    for row in rows:
        row["prompt"] = rows[0]["prompt"]


def one_verdict_each(rows: Rows) -> None:
    for row in rows:
        row["verdicts"][1:] = [{"criteria_met": None}] * 4


@pytest.mark.parametrize(
    "change,told",
    [
        (only_met, "one class only: all 120 verdicts say met"),
        (one_question, "too few conversations: 1 conversation with verdicts, and 10 are needed"),
        (one_verdict_each, "too few verdicts: 24, and 100 are needed"),
    ],
)
def test_labels_that_no_judge_can_be_made_of_are_refused(
    tmp_path: Path, change: Callable[[Rows], None], told: str
) -> None:
    rows = graded_rows(12)
    change(rows)
    with pytest.raises(InputError, match=told):
        check_labels(labels_of(tmp_path, rows))


def test_a_split_with_one_class_on_a_side_or_one_conversation_is_refused(tmp_path: Path) -> None:
    labels = labels_of(tmp_path, graded_rows(12))
    train, held = split(labels.answers, share=0.1, seed=0)
    with pytest.raises(InputError, match="too few conversations held out: 1"):
        check_split(train, held)
    rows = graded_rows(12)
    keys = {conversation_key(answer) for answer in split(labels.answers, share=0.25, seed=0)[1]}
    ids = {answer.id for answer in labels.answers if conversation_key(answer) in keys}
    only_met([row for row in rows if row["id"] in ids])
    with pytest.raises(InputError, match="one class only: all verdicts of the conversations held out say met"):
        check_split(*split(labels_of(tmp_path, rows).answers, share=0.25, seed=0))


def test_a_polarity_of_one_class_is_told_not_refused(tmp_path: Path) -> None:
    rows = graded_rows(12)
    for row in rows:
        for verdict, criterion in zip(row["verdicts"], row["rubrics"], strict=True):
            verdict["criteria_met"] = verdict["criteria_met"] and criterion["points"] > 0
    labels = labels_of(tmp_path, rows)
    check_labels(labels)
    told = list(warnings(labels, *split(labels.answers, share=0.25, seed=0)))
    about = [line.split(" in the")[0] for line in told if not line.startswith("only 3")]
    assert about == ["all verdicts on criteria with points below 0"] * 2


@pytest.mark.parametrize(("conversations", "is_told"), [(22, True), (24, False)])
def test_bounds_of_few_conversations_are_warned_of(tmp_path: Path, conversations: int, is_told: bool) -> None:
    labels = labels_of(tmp_path, graded_rows(conversations))
    told = list(warnings(labels, *split(labels.answers, share=0.5, seed=0)))
    assert [line.split(":")[0] for line in told] == ["only 11 conversations are held out"] * is_told


@given(seed=st.integers(0, 9), share=st.sampled_from([0.1, 0.2, 0.5]))
def test_a_conversation_is_never_on_both_sides(
    tmp_path_factory: pytest.TempPathFactory, seed: int, share: float
) -> None:
    rows = graded_rows(12)
    rows[5]["prompt"] = rows[0]["prompt"]  # the same conversation under another id
    answers = labels_of(tmp_path_factory.mktemp("rows"), rows).answers
    train, held = split(answers, share=share, seed=seed)
    keys = [{conversation_key(answer) for answer in side} for side in (train, held)]
    assert not keys[0] & keys[1]
    assert len(train) + len(held) == len(answers)
    assert len(keys[1]) == round(share * 12)


def test_few_conversations_change_sides_when_others_are_added(tmp_path: Path) -> None:
    sides = []
    for count in (12, 14):
        answers = labels_of(tmp_path, graded_rows(count)).answers
        held = split(answers, share=0.25, seed=3)[1]
        sides.append({answer.prompt_id for answer in held})
    assert len(sides[0] - sides[1]) <= 2


def test_the_seed_holds_out_others(tmp_path: Path) -> None:
    answers = labels_of(tmp_path, graded_rows(12)).answers
    found = {tuple(sorted(answer.id for answer in split(answers, share=0.25, seed=seed)[1])) for seed in range(5)}
    assert len(found) > 1


def test_samples_are_the_labelled_criteria_in_order(tmp_path: Path, embedder: Embedder) -> None:
    rows = graded_rows(1)
    rows[0]["verdicts"][2] = {"criteria_met": None}
    layout = Layout()
    answers = labels_of(tmp_path, rows).answers
    heard: list[tuple[int, int]] = []
    reader = PairReader(open_base(None, layout).tokenizer(), embedder, layout)
    samples = make_samples(answers, read_pairs(answers, reader, lambda done, total: heard.append((done, total))))
    expected = [
        (grade.met, "positive" if criterion.points > 0 else "negative")
        for answer in answers
        for criterion, grade in zip(answer.rubric, answer.grades, strict=True)
        if grade.met is not None
    ]
    assert [(sample.met, sample.side) for sample in samples] == expected
    assert {sample.axis for sample in samples} == {"accuracy", "completeness"}
    assert heard == [(1, 2), (2, 2)]
