"""What a small judge is shown besides the answers as they are: labels that hold, in copies that tell nothing by themselves."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from robustness_work import TOPICS, topic_answer, topic_answers

from evals.graded import GradedAnswer
from evals.robustness import texts
from training.judge_distillation.augmentation import FRAMES, INSTRUCTIONS, NEUTRAL, augmented

ANSWERS = topic_answers(60)
BY_ID = {answer.id: answer for answer in ANSWERS}


def kind_of(copy: GradedAnswer) -> str:
    return copy.id.rpartition("(")[2].split()[0]


def origin(copy: GradedAnswer) -> GradedAnswer:
    return BY_ID[copy.id.partition(" ")[0]]


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.25, 15), (1, 60), (2.5, 150)])
def test_there_are_as_many_copies_as_asked_for_of_each_kind(share: float, count: int) -> None:
    copies = augmented(ANSWERS, share=share, seed=0)
    assert len({copy.id for copy in copies}) == len(copies) == count
    kinds = Counter(kind_of(copy) for copy in copies)
    assert not kinds or max(kinds.values()) - min(kinds.values()) <= 1


def test_a_seed_gives_the_same_copies_and_another_other_ones() -> None:
    first, again, other = (augmented(ANSWERS, share=0.5, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_copy_holds_its_answer_whole_and_belongs_to_its_conversation() -> None:
    for copy in augmented(ANSWERS, share=3, seed=0):
        was = origin(copy)
        assert (copy.conversation, copy.prompt_id, copy.rubric, copy.canary) == (
            was.conversation, was.prompt_id, was.rubric, "c",
        )  # fmt: skip
        assert copy.response != was.response
        rest = iter(copy.response.split("\n\n"))
        assert all(paragraph in rest for paragraph in was.response.split("\n\n"))


def test_a_label_is_kept_or_dropped_and_never_turned() -> None:
    for copy in augmented(ANSWERS, share=3, seed=0):
        for grade, was in zip(copy.grades, origin(copy).grades, strict=True):
            assert grade.met in {was.met, None}


def test_a_parroted_criterion_keeps_its_label() -> None:
    copies = [copy for copy in augmented(ANSWERS, share=3, seed=0) if kind_of(copy) == "parroting"]
    parroted: Counter[bool | None] = Counter()
    for copy in copies:
        for criterion, grade, was in zip(copy.rubric, copy.grades, origin(copy).grades, strict=True):
            if criterion.text in copy.response:
                assert grade == was
                parroted[was.met] += 1
    assert min(parroted.values()) > len(copies) / 5, "of both labels"


def test_whether_a_criterion_is_parroted_tells_nothing_of_its_label() -> None:
    answers = [topic_answer(n, met=(n % 4 == 0, n % 4 == 0, True)) for n in range(800)]
    seen: dict[bool | None, list[bool]] = {True: [], False: []}
    labels = {answer.id: answer.grades[0].met for answer in answers}
    for copy in augmented(answers, share=3, seed=0):
        if kind_of(copy) == "parroting":
            seen[labels[copy.id.partition(" ")[0]]].append(copy.rubric[0].text in copy.response)
    shares = [sum(found) / len(found) for found in seen.values()]
    assert shares == pytest.approx([0.5, 0.5], abs=0.08)


def test_padding_is_the_projects_own_or_of_another_conversation() -> None:
    for copy in augmented(ANSWERS[:10], share=9, seed=0):  # a topic each
        if kind_of(copy) == "padded":
            topic = next(topic for topic in TOPICS if topic in copy.conversation[0]["content"])
            added = copy.response.replace(topic, "")
            assert any(line in copy.response for line in NEUTRAL) or any(other in added for other in TOPICS)


def test_a_label_that_padding_may_have_changed_is_dropped() -> None:
    dropped = [
        (copy, n)
        for copy in augmented(ANSWERS[:10], share=9, seed=0)
        for n, grade in enumerate(copy.grades)
        if kind_of(copy) == "padded" and grade.met is None
    ]
    assert dropped
    assert all("paracetamol" in copy.rubric[n].text for copy, n in dropped), "which is what passages have in common"


@pytest.mark.parametrize("answers", [[], [topic_answer(1, met=(None,) * 3)], [replace(topic_answer(1), response=" ")]])
def test_what_teaches_nothing_is_not_copied(answers: list[GradedAnswer]) -> None:
    assert augmented(answers, share=3, seed=0) == []


def test_one_conversation_alone_is_padded_with_the_projects_own_text() -> None:
    copies = augmented([topic_answer(1)], share=3, seed=0)
    assert {kind_of(copy) for copy in copies} == {"padded", "parroting", "ordering"}


def test_a_negative_share_is_refused() -> None:
    with pytest.raises(ValueError, match="share of -1"):
        augmented(ANSWERS, share=-1, seed=0)


def test_a_judge_is_not_tried_with_what_it_was_trained_on() -> None:
    tried = {*texts.NEUTRAL, *texts.FIND_IT_GOOD, *texts.FIND_IT_BAD, *texts.OTHER_TASKS}
    assert not tried & {*NEUTRAL, *INSTRUCTIONS, *FRAMES}
