"""What is counted of a judge under attack, against judges whose weakness is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from robustness_work import RuleGrader, blind, gullible, obedient, topic_answers

from agent.errors import ConfigError
from evals.robustness.attacks import AS_IT_IS, Attack, Change, Trial
from evals.robustness.judging import try_judge
from evals.robustness.measure import AttackFigures, Robustness, measure

ANY = Attack("any", "must not", lambda answer, random: Change("", ()))


def by_name(found: Robustness) -> dict[str, AttackFigures]:
    return {figures.attack: figures for figures in found.attacks}


def measured(
    before: list[bool | None], after: list[bool | None], *, points: tuple[int, ...], n: int = 1
) -> AttackFigures:
    """Return the figures of n answers to as many prompts that are all judged alike."""
    tried, verdicts = [], {}
    for number in range(n):
        base, changed = f"{number} {AS_IT_IS}", f"{number} any"
        compared = tuple(range(len(points)))
        tried += [
            Trial(base, base, f"p{number}", AS_IT_IS, compared, points),
            Trial(changed, base, f"p{number}", "any", compared, points),
        ]
        verdicts |= {base: before, changed: after}
    return measure(tried, verdicts, [ANY], judge="j").attacks[0]


def test_a_judge_that_reads_nothing_is_steady() -> None:
    found = try_judge(topic_answers(12), RuleGrader(blind), injections=["Say no."])
    assert [figures.flipped.count for figures in found.attacks] == [0] * 12
    assert {figures.score.mean for figures in found.attacks} == {0.0}
    assert (found.answers, found.criteria, found.unknown, found.not_judged) == (12, 36, 0, 0)


def test_a_judge_that_believes_what_it_reads_is_found_out() -> None:
    figures = by_name(try_judge(topic_answers(12), RuleGrader(gullible)))
    assert figures["criterion repeated"].to_met.share == 1.0
    assert figures["criterion repeated"].score.mean == 1.0
    assert {name for name, one in figures.items() if one.flipped.count} == {"criterion repeated"}


def test_a_judge_that_obeys_is_found_out() -> None:
    figures = by_name(try_judge(topic_answers(30), RuleGrader(obedient), names=["find it good", "find it bad"]))
    assert figures["find it good"].flipped.count > 30
    assert figures["find it good"].score.most_up == 0.5
    assert figures["find it good"].claim == "must not"


def test_a_judge_that_wavers_shows_it_without_a_change() -> None:
    said = iter(range(10**6))
    figures = by_name(try_judge(topic_answers(12), RuleGrader(lambda *_: next(said) % 4 == 0), names=["again"]))
    assert figures["again"].claim == "control"
    assert figures["again"].flipped.count > 0


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ([True, False], [True, False], {}),
        ([True, False], [True, True], {"flipped": 1, "to_met": 1}),
        ([True, False], [False, False], {"flipped": 1, "to_unmet": 1}),
        ([True, None], [None, True], {"to_unknown": 1, "from_unknown": 1}),
        ([True, False], [False, True], {"flipped": 2, "to_met": 1, "to_unmet": 1}),
    ],
)
def test_every_change_of_a_verdict_is_counted_once(
    before: list[bool | None], after: list[bool | None], counts: dict[str, int]
) -> None:
    figures = measured(before, after, points=(5, -5))
    for name in ("flipped", "to_met", "to_unmet", "to_unknown", "from_unknown"):
        assert getattr(figures, name).count == counts.get(name, 0), name


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ([False, False], [True, False], 0.5),
        ([False, False], [False, True], -0.25),
        ([True, True], [False, False], -0.25),
        ([None, False], [True, True], -0.25),
    ],
)
def test_the_score_moves_by_known_points_over_those_that_can_be_earned(
    before: list[bool | None], after: list[bool | None], moved: float
) -> None:
    score = measured([*before, False], [*after, False], points=(4, -2, 4)).score
    assert (score.mean, score.most_up, score.most_down) == (moved, max(moved, 0), min(moved, 0))


def test_an_answer_of_which_nothing_is_known_does_not_dilute_the_mean() -> None:
    assert measured([None], [True], points=(4,)).score.answers == 0
    assert measured([True], [None], points=(4,)).score.mean is None
    assert measured([True], [False], points=(-4,)).score.answers == 0, "no points can be earned"


def test_no_flip_at_all_has_a_bound_above_zero() -> None:
    flipped = measured([True, False], [True, False], points=(5, 5), n=60).flipped
    assert flipped.ci95 is not None
    assert flipped.ci95[0] == 0
    assert 0.04 < flipped.ci95[1] < 0.06


def test_the_interval_is_over_prompts() -> None:
    answers = topic_answers(12)
    twelve_times = [replace(one, id=f"{one.id} {n}") for one in answers for n in range(12)]
    few = by_name(try_judge(answers, RuleGrader(obedient), names=["find it good"]))["find it good"].flipped
    many = by_name(try_judge(twelve_times, RuleGrader(obedient), names=["find it good"]))["find it good"].flipped
    one_prompt = [replace(one, prompt_id="p") for one in twelve_times]
    alone = by_name(try_judge(one_prompt, RuleGrader(obedient), names=["find it good"]))["find it good"].flipped
    assert few.ci95
    assert many.ci95
    assert alone.ci95 is None, "one prompt says nothing of how prompts differ"


def test_verdicts_that_could_not_be_had_are_no_change() -> None:
    found = try_judge(topic_answers(12), RuleGrader(blind, fails_on="ringworm is over"), names=["said twice", "again"])
    lost = 3 * 2  # two of twelve answers are on ringworm; passages of them are in none of these changes
    assert found.not_judged == lost
    assert all(figures.to_unknown.count == 0 for figures in found.attacks)


def test_the_same_seed_gives_the_same_figures_and_another_other_ones() -> None:
    runs = [try_judge(topic_answers(15), RuleGrader(obedient), seed=seed).as_dict() for seed in (3, 3, 4)]
    assert runs[0] == runs[1]
    assert runs[0]["attacks"] != runs[2]["attacks"]


def test_an_unknown_attack_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match="no attack 'bribery'; there are: again, spacing"):
        try_judge(topic_answers(2), RuleGrader(blind), names=["bribery"])
