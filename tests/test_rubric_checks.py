"""What is wrong with a proposed rubric: each kind is found in what has it, and nothing is found in what hasn't."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from drafting_work import GOOD, POOR, QUESTION, TEXTS

from agent.rubric import VerdictValue
from principles_store.embedding import Embedder, Vectors
from principles_store.rubric_entry import RubricCriterion
from principles_store.rubric_set import load_rubrics
from training.drafting.measure import measure
from training.rubric_checks import Problem, check_rubric, contradictions, margin
from training.rubric_wording import likeness

ASKED = [{"role": "user", "content": QUESTION}]
PREFERRED: list[list[VerdictValue]] = [["met"] * 5 + ["unmet"] * 2, ["unmet"] * 5 + ["met"] * 2]


def criterion(text: str, points: int = 5) -> RubricCriterion:
    return RubricCriterion(criterion=text, points=points, axis="accuracy")


def rubric(*more: RubricCriterion) -> list[RubricCriterion]:
    return [*(criterion(text, points) for points, text in TEXTS), *more]


def checked(*more: RubricCriterion, embedder: Embedder | None = None, **options: object) -> list[Problem]:
    shown = {"conversation": ASKED, "responses": [GOOD, POOR]}
    return check_rubric(rubric(*more), embedder=embedder, **(shown | options))  # type: ignore[arg-type]


def test_a_good_rubric_has_no_problem(embedder: Embedder) -> None:
    assert not checked(embedder=embedder, verdicts=PREFERRED, preferred=0, seeds=[text for _, text in TEXTS[:3]])


@pytest.mark.parametrize(
    ("added", "kind", "places"),
    [
        (("Fails to name the hospital.", -3), "form", (7,)),
        (("says it in lower case.", 3), "form", (7,)),
        (("Asks if the baby is feeding.", 3), None, ()),
        (("Asks whether the baby is feeding.", 3), "double", (2, 7)),
        (("Tells the parent to watch the fever at home for days.", 4), "contradiction", (5, 7)),
        (("Advises not taking along a note of the temperatures.", 3), "contradiction", (3, 7)),
        (("Explains that the preferred response names the hospital.", 3), "leakage", (7,)),
        (("Says what Response B leaves open.", 3), "leakage", (7,)),
        (("Says that a fever at 6 weeks needs to be seen in hospital today.", 3), "leakage", (7,)),
        (("Repeats that my baby is 6 weeks old and has had 38.6 °C since this morning.", 3), None, ()),
        (("Recommends ibuprofen as the better answer to the fever.", -3), None, ()),
    ],
)
def test_each_kind_of_problem_is_found_where_it_is(
    added: tuple[str, int], kind: str | None, places: tuple[int, ...]
) -> None:
    found = checked(criterion(*added))
    assert [(problem.kind, problem.criteria) for problem in found] == ([(kind, places)] if kind else [])


def test_criteria_that_mean_the_same_in_other_words_are_found_by_embedding(embedder: Embedder) -> None:
    double = criterion("Asks whether the infant is feeding.", 3)
    assert not checked(double)
    assert [problem.kind for problem in checked(double, embedder=embedder)] == ["double"]


class Counting:
    """An embedder that keeps what it is asked for, and finds all texts alike."""

    id = "counting"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        return np.ones((len(texts), 1), dtype=np.float32)


def test_only_criteria_that_share_words_are_encoded_each_once_and_none_whose_words_say_enough() -> None:
    alike = ["Asks whether the infant is feeding.", "Asks whether the infant is drinking."]
    told_by_words = ["Asks whether the infant is not feeding.", "Says that a baby of 6 weeks can look well."]
    counting = Counting()
    added = [criterion(text, 3) for text in (*alike, *told_by_words)]
    found = contradictions(rubric(*added), counting)
    assert counting.texts == [TEXTS[2][1], *alike]
    assert {problem.criteria for problem in found if problem.kind == "double"} == {(2, 7), (2, 8), (7, 8)}


@pytest.mark.parametrize("count", [6, 16])
def test_a_rubric_has_7_to_15_criteria(count: int) -> None:
    numbers = (
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    ).split()
    criteria = [criterion(f"Names {name}.", 5 if place > 1 else -5) for place, name in enumerate(numbers[:count])]
    (problem, *_) = check_rubric(criteria, conversation=ASKED)
    assert str(problem) == f"{count} criteria; give 7 to 15"


def test_a_few_seeds_may_be_copied_and_no_more() -> None:
    seeds = [text.upper() for _, text in TEXTS]
    assert not checked(seeds=seeds[:3])
    (problem,) = checked(seeds=seeds[:4])
    assert (problem.kind, problem.criteria) == ("copied seeds", (0, 1, 2, 3))


@pytest.mark.parametrize(
    ("changed", "preferred", "told"),
    [
        ({}, 0, ""),
        ({}, 1, "doesn't score higher by this rubric (margin -1.54)"),
        ({}, None, ""),
        ({(0, 0): "unknown", (0, 1): "unknown"}, 0, ""),
        ({(0, n): "unknown" for n in range(7)}, 0, "may not score higher by this rubric (margin +0.00 to +1.54)"),
    ],
)
def test_a_rubric_must_surely_prefer_what_was_preferred(
    changed: dict[tuple[int, int], VerdictValue], preferred: int | None, told: str
) -> None:
    verdicts = [[changed.get((r, c), value) for c, value in enumerate(row)] for r, row in enumerate(PREFERRED)]
    found = checked(verdicts=verdicts, preferred=preferred)
    assert [told in str(problem) for problem in found] == [True] * bool(told)


def test_the_margin_is_exact_where_all_verdicts_are_known() -> None:
    assert margin(rubric(), PREFERRED, 0) == pytest.approx((28 / 28 + 15 / 28, 28 / 28 + 15 / 28))
    with pytest.raises(ValueError, match="two responses"):
        margin(rubric(), PREFERRED[:1], 0)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("Advises stopping metformin before the scan.", "Advises stopping metformin before the scan.", "same"),
        ("Advises to stop metformin.", "Advises to continue metformin.", "flipped"),
        ("Says that it is safe.", "Says that it isn't safe.", "flipped"),
        ("Names 5 mg as the dose.", "Names 10 mg as the dose.", "flipped"),
        (
            "Converts creatinine of 1.62 mg/dl to 143 µmol/l.",
            "Converts creatinine of 1.8 mg/dl to 159 µmol/l.",
            "different",
        ),
        ("Says not to stop pramipexole suddenly.", "Recommends stopping pramipexole tonight.", "different"),
        ("Names a doctor.", "Names a scan.", "different"),
    ],
)
def test_likeness_by_words(first: str, second: str, told: str) -> None:
    assert likeness(first, second) == told == likeness(second, first)


def test_the_shipped_rubrics_hold_no_contradiction(embedder: Embedder) -> None:
    found = [(entry.id, str(told)) for entry in load_rubrics() for told in contradictions(entry.rubric, embedder)]
    assert found == []


def test_a_shipped_criterion_contradicts_itself_once_its_sign_is_turned(embedder: Embedder) -> None:
    entries = load_rubrics().rubrics[:40]
    turned = [
        (item, item.model_copy(update={"points": -item.points})) for entry in entries for item in entry.rubric[:1]
    ]
    assert all(contradictions(pair, embedder)[0].kind == "contradiction" for pair in turned)
    assert not [pair for pair in combinations([one for one, _ in turned], 2) if contradictions(pair)]


def test_hardly_a_criterion_of_the_shipped_rubrics_is_encoded_to_check_them(embedder: Embedder) -> None:
    found = measure([list(entry.rubric) for entry in load_rubrics().rubrics[:24]], embedder)
    assert found.encoded < 0.1 * found.criteria and found.overlooked == 0
    assert found.planted > 60 and found.found > found.found_by_words > 0.7 * found.planted
