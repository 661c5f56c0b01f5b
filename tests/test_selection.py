"""Selection: questions of middling and differing scores, each once, and no verdict that is missing counted as unmet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from selection_work import answers, saved
from toy_index import WordEmbedder

from agent.errors import InputError
from training.selection.selecting import Selection, select
from training.selection.teaching import Bounds


def selected(tmp_path: Path, *questions: list[dict[str, Any]], **options: Any) -> Selection:
    rows = [row for question in questions for row in question]
    source = saved(tmp_path / "graded.jsonl", rows)
    bounds = options.pop("bounds", Bounds())
    return select([source], tmp_path / "out.jsonl", bounds, WordEmbedder(), **options)


def kept(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("verdicts", "reason"),
    [
        (("+--", "---"), None),
        (("++-", "++-"), "too easy"),
        (("--+", "---"), "too hard"),
        (("+--", "+--"), "answers all score the same"),
        (("+--",), "fewer than two answers with verdicts"),
        (("+--", "???"), "fewer than two answers with verdicts"),
        (("+-?", "---"), None),
        (("+?-", "+?-"), "left open by unknown verdicts"),
        (("-??", "-??"), "left open by unknown verdicts"),
        (("++-", "+?-"), "too easy"),
        (("++-", "??-"), "left open by unknown verdicts"),
        (("+--", "--?"), None),
    ],
)
def test_a_question_teaches_if_its_answers_are_middling_and_differ(
    tmp_path: Path, verdicts: tuple[str, ...], reason: str | None
) -> None:
    found = selected(tmp_path, answers("gout", *verdicts))
    assert found.dropped.get("gout") == reason
    assert (found.kept == ["gout"]) == (reason is None)


@pytest.mark.parametrize("unknown", ["+-?", "?--", "??-"])
def test_an_unknown_verdict_is_never_counted_as_unmet(tmp_path: Path, unknown: str) -> None:
    reasons = {
        mark: selected(tmp_path, answers("gout", marks, marks)).dropped.get("gout")
        for mark in "+-"
        for marks in [unknown.replace("?", mark)]
    }
    found = selected(tmp_path, answers("gout", unknown, unknown)).dropped["gout"]
    assert found == "left open by unknown verdicts" or set(reasons.values()) == {found}


def test_criteria_on_which_all_answers_agree_are_dropped_and_told(tmp_path: Path) -> None:
    found = selected(tmp_path, answers("gout", "+--", "---"))
    (row,) = kept(tmp_path)
    assert [item["points"] for item in row["rubrics"]] == [6]
    assert found.as_dict()["criteria_dropped_of"] == {"gout": [1, 2]}
    assert row["selection"]["pass_rates"] == [0.5]


def test_penalties_that_nobody_incurs_stay_on_demand(tmp_path: Path) -> None:
    selected(tmp_path, answers("gout", "+--", "---"), bounds=Bounds(keeps_penalties=True))
    assert [item["points"] for item in kept(tmp_path)[0]["rubrics"]] == [6, -5]


def test_where_only_penalties_differ_there_is_still_something_to_earn(tmp_path: Path) -> None:
    selected(tmp_path, answers("gout", "+--", "+-+"))
    assert [item["points"] for item in kept(tmp_path)[0]["rubrics"]] == [6, 4, -5]


def test_a_criterion_with_fewer_than_two_known_verdicts_stays(tmp_path: Path) -> None:
    found = selected(tmp_path, answers("gout", "+-?", "----"[:3], points=(6, 4, -1)))
    assert found.criteria["gout"] == [True, False, True]
    assert found.unknown == 1


def test_of_two_questions_that_are_nearly_the_same_the_one_with_more_variance_stays(tmp_path: Path) -> None:
    same = "is a swollen and very painful big toe gout"
    found = selected(
        tmp_path,
        answers("a", "+--", "-+-", question=same),
        answers("b", "+--", "---", question=same),
        answers("c", "+--", "---"),
    )
    assert (found.kept, found.double_of) == (["b", "c"], {"a": "b"})


def test_a_kept_row_can_be_answered_and_graded_again(tmp_path: Path) -> None:
    selected(tmp_path, answers("gout", "+--", "---"))
    (row,) = kept(tmp_path)
    assert row["prompt_id"] == "gout"
    assert row["example_tags"] == ["theme:x"]
    assert not {"response", "verdicts", "id"} & row.keys()
    assert row["selection"]["mean"] == [0.3, 0.3]


def test_a_question_of_a_benchmark_is_dropped_and_reported(tmp_path: Path) -> None:
    bench = saved(tmp_path / "bench.jsonl", [{"prompt_id": "hb-77aa", "prompt": "is a painful big toe gout"}])
    leaking = answers("gout", "+--", "---", question="Is a painful big toe gout?")
    found = selected(tmp_path, leaking, answers("tick", "+--", "---"), against=[bench])
    assert (found.kept, found.dropped) == (["tick"], {"gout": "leaks from a benchmark"})
    assert found.as_dict()["leaks"]["leaking_rows"] == 2


def test_an_answer_that_failed_counts_neither_way(tmp_path: Path) -> None:
    failed = answers("gout", "+--")[0] | {
        "id": "x",
        "error": {"type": "ModelError", "message": "gone"},
        "verdicts": None,
    }
    found = selected(tmp_path, [*answers("gout", "+--", "---"), failed])
    assert found.kept == ["gout"]
    assert kept(tmp_path)[0]["selection"]["answers"] == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"verdicts": [{"criteria_met": "yes"}]}, "criteria_met is true, false or null"),
        ({"verdicts": [{"criteria_met": True}]}, "1 verdicts for 3 criteria"),
        ({"rubrics": []}, "no rubrics in it"),
        ({"rubrics": [{"criterion": "x", "points": 0}]}, "points in -10..10 without 0"),
        ({"prompt": None}, "a conversation is a question"),
        ({"prompt_id": None, "id": None}, "neither prompt_id nor id"),
        ({"rubrics": [{"criterion": f"Another {n}.", "points": 5} for n in range(3)]}, "has other criteria than at"),
    ],
)
def test_what_can_t_be_read_is_refused_with_its_line_and_nothing_is_written(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    rows = answers("gout", "+--", "---")
    with pytest.raises(InputError, match=rf"graded.jsonl: line 2: .*{told}"):
        selected(tmp_path, [rows[0], rows[1] | change])
    assert not (tmp_path / "out.jsonl").exists()


def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    rows = [*answers("gout", "+--", "---"), *answers("tick", "+--", "+-+"), *answers("leg", "++-", "++-")]
    forth = selected(tmp_path, rows).as_dict()
    back = selected(tmp_path, rows[::-1]).as_dict()
    assert forth["dropped"] == back["dropped"]
    assert forth["criteria_dropped_of"] == back["criteria_dropped_of"]
