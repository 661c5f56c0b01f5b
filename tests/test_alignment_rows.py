"""Rows for training: every form that the project writes is read as the same question, and what can't be trained on is refused."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from alignment_rows import CRITERIA, question, saved
from hypothesis import given
from hypothesis import strategies as st
from review_records import record
from selection_work import answers
from toy_index import WordEmbedder

from agent.errors import InputError
from training.alignment.rows import RewardCriterion, read_rows
from training.alignment.splits import is_gold, rank
from training.preference_files import as_row
from training.selection.selecting import select
from training.selection.teaching import Bounds

ASKED = [{"role": "user", "content": "How much?"}]
TAGGED = [
    {
        "criterion": "Names the dose.",
        "points": 6.0,
        "tags": ["level:example", "axis:accuracy"],
        "principle_id": "dose-first",
    },
    {"criterion": "Invents a lab value.", "points": -8, "tags": ["axis:accuracy"]},
]


@pytest.mark.parametrize(
    "row",
    [
        {"id": "a", "conversation": ASKED, "rubric": CRITERIA},
        {"id": "a", "question": "How much?", "rubric": CRITERIA},
        {"prompt_id": "a", "prompt": ASKED, "rubrics": TAGGED},
        {"id": "a (gpt, 2)", "prompt_id": "a", "prompt": ASKED, "rubrics": TAGGED, "verdicts": [], "response": "4 g"},
        {"id": "a", "prompt": ASKED, "rubrics": TAGGED, "error": {"type": "ModelError", "message": "no answer"}},
        {"id": "a", "question": "How much?", "draft": "A text.", "rubric": CRITERIA},
    ],
)
def test_every_form_is_read_as_the_same_question(tmp_path: Path, row: dict[str, Any]) -> None:
    (found,) = read_rows(saved(tmp_path / "rows.jsonl", [row]))

    assert (found.id, found.conversation) == ("a", ASKED)
    assert found.rubric == (
        RewardCriterion("Names the dose.", 6, "accuracy", "dose-first"),
        RewardCriterion("Invents a lab value.", -8, "accuracy", None),
    )


def test_what_select_writes_is_read(tmp_path: Path) -> None:
    source = saved(tmp_path / "graded.jsonl", [*answers("fever", "+--", "---"), *answers("cough", "-+-", "---")])
    select([source], tmp_path / "kept.jsonl", Bounds(max_likeness=2), WordEmbedder())

    found = list(read_rows(tmp_path / "kept.jsonl"))

    assert [row.id for row in found] == ["fever", "cough"]
    assert all(any(item.points > 0 for item in row.rubric) for row in found)


def test_a_healthrubric_brings_its_refined_criteria(tmp_path: Path) -> None:
    refined = [{"criterion": "Names the dose.", "points": 6, "axis": "accuracy"}]

    (found,) = read_rows(saved(tmp_path / "rows.jsonl", [as_row(record(refined=refined, status="accepted"))]))

    assert [item.text for item in found.rubric] == ["Names the dose."]
    assert found.conversation[-1]["content"] == "I have had a cough for a week (cough)."


def test_answers_to_one_question_are_one_row(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()

    found = list(read_rows(saved(tmp_path / "graded.jsonl", answers("fever", "+--", "---", "+++")), passed_over=counts))

    assert [row.id for row in found] == ["fever"]
    assert counts == {"repeated": 2}


@pytest.mark.parametrize(
    "changed", [{"rubric": [CRITERIA[0]]}, {"conversation": [{"role": "user", "content": "Else?"}]}]
)
def test_one_id_with_two_contents_is_refused_by_both_places(tmp_path: Path, changed: dict[str, Any]) -> None:
    file = saved(tmp_path / "rows.jsonl", [question(1), question(2), question(1) | changed])

    with pytest.raises(InputError, match=r"rows\.jsonl: line 3: 'q1' .* than at .*rows\.jsonl: line 1; keep one"):
        list(read_rows(file))


def test_rows_that_say_that_there_is_nothing_in_them_are_counted(tmp_path: Path) -> None:
    failed = {"id": "f", "conversation": ASKED, "error": {"type": "ModelError", "message": "overloaded"}}
    rejected = as_row(record("r", status="rejected", status_reason="unclear"))
    undrafted = as_row(record("n", status="new", draft=[]))
    counts: Counter[str] = Counter()

    found = list(
        read_rows(saved(tmp_path / "rows.jsonl", [failed, rejected, question(1), undrafted]), passed_over=counts)
    )

    assert [row.id for row in found] == ["q1"]
    assert counts == {"an error of an earlier step": 1, "rubric rejected": 1, "rubric new": 1}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rubric": []}, "no rubric in it: give rubric, rubrics .*; clinalign rubrics synthesize writes one"),
        ({"rubric": [CRITERIA[1]]}, "rubric of 'q1': no criterion with points above 0, so nothing can be earned"),
        ({"rubric": [CRITERIA[0] | {"points": 0}]}, r"rubric\.0\.points: expected a whole number .* found 0"),
        ({"rubric": [CRITERIA[0] | {"points": 11}]}, r"rubric\.0\.points: .* found 11"),
        ({"rubric": [CRITERIA[0] | {"points": 2.5}]}, r"rubric\.0\.points: .* found 2\.5"),
        ({"rubric": [CRITERIA[0] | {"points": True}]}, r"rubric\.0\.points: .* found True"),
        ({"rubric": [CRITERIA[0], {"criterion": " ", "points": 1}]}, r"rubric\.1\.criterion: expected"),
        ({"rubric": ["Names the dose."]}, r"rubric\.0\.criterion: expected an object"),
        ({"rubric": [CRITERIA[0] | {"principle_id": 3}]}, r"rubric\.0\.principle_id: expected text, found 3"),
        ({"rubric": [CRITERIA[0] | {"axis": 3}]}, r"rubric\.0\.axis: expected text, found 3"),
        ({"rubric": [CRITERIA[0] | {"tags": "axis:x"}]}, r"rubric\.0\.tags: expected a list"),
        ({"conversation": None}, "no question in it: give conversation"),
        ({"question": "And?"}, "conversation and question in one row; keep one"),
        (
            {"conversation": [{"role": "assistant", "content": "4 g"}]},
            "conversation: .* must end with the user's question",
        ),
        ({"id": True}, "id must be a text that isn't empty, or a whole number; found True"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_by_line_and_field(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    file = saved(tmp_path / "rows.jsonl", [question(0), question(1) | changed])

    with pytest.raises(InputError, match=r"rows\.jsonl: line 2: " + message):
        list(read_rows(file))


@pytest.mark.parametrize("text", ["[1]", "{", '"text"'])
def test_lines_that_are_no_objects_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "rows.jsonl").write_text(text + "\n")

    with pytest.raises(InputError, match=r"rows\.jsonl: line 1: "):
        list(read_rows(tmp_path / "rows.jsonl"))


def test_gzip_and_parquet_have_the_same_rows(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow.parquet import write_table

    plain = saved(tmp_path / "rows.jsonl", [question(1), question(2)])
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    write_table(pyarrow.Table.from_pylist([question(1), question(2)]), tmp_path / "rows.parquet")

    expected = list(read_rows(plain))

    assert [list(read_rows(tmp_path / name)) for name in ("rows.jsonl.gz", "rows.parquet")] == [expected, expected]


def test_an_id_that_is_missing_depends_on_the_conversation_alone(tmp_path: Path) -> None:
    bare = {name: value for name, value in question(1).items() if name != "id"}

    ids = [row.id for row in read_rows(saved(tmp_path / "rows.jsonl", [question(0), bare, bare]))]
    alone = [row.id for row in read_rows(saved(tmp_path / "other.jsonl", [bare]))]

    assert ids == ["q0", alone[0]]


def test_a_criterion_survives_the_column() -> None:
    item = RewardCriterion("Names the dose.", 6, None, "dose-first")

    assert RewardCriterion.from_dict(json.loads(json.dumps(item.as_dict()))) == item
    assert item.criterion.as_dict() == {"criterion": "Names the dose.", "points": 6, "principle_id": "dose-first"}


def test_the_order_of_holding_out_never_changes() -> None:
    assert [rank(name) for name in ("q1", "q2", "Ärzte")] == [
        15753968765742388288,
        8395354394625867623,
        16486766436860664298,
    ]


@given(st.text(max_size=20), st.floats(0, 1), st.floats(0, 1))
def test_what_is_held_out_stays_so_for_a_greater_share(name: str, one: float, other: float) -> None:
    assert is_gold(name, max(one, other)) or not is_gold(name, min(one, other))


def test_the_share_is_met() -> None:
    assert sum(is_gold(f"row-{number}", 0.1) for number in range(10_000)) == pytest.approx(1000, abs=100)
