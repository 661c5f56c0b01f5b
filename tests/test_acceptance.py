"""A revision is taken only if a blind judgement finds nothing lost; an apparent loss is looked at twice."""

from random import Random

import pytest
from fakes import FakeJudge, always, says

from agent.acceptance import compare_blind
from agent.errors import JudgeError
from agent.ledger import Ledger, Limits, Usage
from agent.rubric import Criterion, Verdict

CONVERSATION = [{"role": "user", "content": "Is it safe?"}]
OLD, NEW = "keeps old", "keeps new"


def compared(judge, *criteria, seed=0, ledger=None):
    rubric = [Criterion(text, points) for text, points in criteria]
    return compare_blind(
        judge, CONVERSATION, rubric, OLD, NEW, order=Random(seed), ledger=ledger or Ledger(Limits(max_calls=None))
    )


def test_gains_and_losses_are_told_by_position():
    judge = FakeJudge({"keeps": says("keeps"), "old": says("old"), "new": says("new"), "neither": says("zzz")})
    found = compared(judge, ("keeps", 5), ("old", 5), ("new", 5), ("neither", 5))
    assert (found.gained, found.lost) == ((2,), (1,))
    assert [verdict.value for verdict in found.verdicts] == ["met", "unmet", "met", "unmet"]


def test_a_penalty_that_begins_to_hold_is_a_loss_and_one_that_ends_a_gain():
    judge = FakeJudge({"new": says("new"), "old": says("old")})
    found = compared(judge, ("new", -5), ("old", -5))
    assert (found.gained, found.lost) == ((1,), (0,))


@pytest.mark.parametrize(
    ("before", "after", "gained", "lost"),
    [
        ("unknown", "met", (), ()),
        ("unmet", "unknown", (), ()),
        ("unknown", "unmet", (), ()),
        ("unknown", "unknown", (), ()),
        ("met", "unknown", (), (0,)),
        ("unmet", "met", (0,), ()),
        ("met", "unmet", (), (0,)),
    ],
)
def test_unknown_is_never_a_gain_and_never_good_enough(before, after, gained, lost):
    judge = FakeJudge({"a": lambda answer: before if answer == OLD else after})
    found = compared(judge, ("a", 5))
    assert (found.gained, found.lost) == (gained, lost)


def test_an_apparent_loss_is_judged_once_more_alone_on_both_texts():
    judge = FakeJudge({"a": always("met"), "b": always("met")}, script={(NEW, "b"): ["unmet"]})
    assert compared(judge, ("a", 5), ("b", 5)).lost == ()
    first, second = judge.seen
    assert first[1] == ("a", "b")
    assert (sorted(second[0]), second[1]) == (sorted([OLD, NEW]), ("b",))


def test_a_loss_that_repeats_stands():
    judge = FakeJudge({"a": always("met"), "b": says("old")})
    assert compared(judge, ("a", 5), ("b", 5)).lost == (1,)
    assert len(judge.seen) == 2


def test_without_an_apparent_loss_nothing_is_judged_twice():
    judge = FakeJudge({"a": says("new")})
    compared(judge, ("a", 5))
    assert len(judge.seen) == 1


def test_at_a_limit_an_apparent_loss_stands_without_a_second_look():
    judge = FakeJudge({"a": says("old")})
    assert compared(judge, ("a", 5), ledger=Ledger(Limits(max_calls=3), Usage(calls=2))).lost == (0,)
    assert len(judge.seen) == 1


def test_the_order_of_the_texts_tells_nothing():
    judge = FakeJudge({"a": always("met")})
    for seed in range(200):
        compared(judge, ("a", 5), seed=seed)
    revision_first = sum(answers[0] == NEW for answers, _ in judge.seen)
    assert 70 <= revision_first <= 130


def test_verdicts_find_their_text_whatever_the_order():
    for seed in range(20):
        found = compared(FakeJudge({"old": says("old"), "new": says("new")}), ("old", 5), ("new", 5), seed=seed)
        assert (found.gained, found.lost) == ((1,), (0,))


@pytest.mark.parametrize("shape", [[], [1], [1, 2], [2, 1], [2, 2, 2], [3, 3]])
def test_a_judge_that_gives_a_wrong_number_of_verdicts_is_refused(shape):
    class Broken:
        name = "broken"

        def judge(self, conversation, answers, rubric, *, ledger):
            return [[Verdict("met")] * length for length in shape]

    with pytest.raises(JudgeError, match="one verdict per criterion and answer"):
        compared(Broken(), ("a", 5), ("b", 5))
