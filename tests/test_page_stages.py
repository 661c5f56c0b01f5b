from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import pytest
from page_turns import DRAFT, EVIL, QUESTION, Page, spoiled

from agent.api import stream
from agent.events import Stage
from agent.page.stages import NAMES, STAGES, stages_html, status_line
from agent.review.progress import Progress, begun, progressed
from agent.review.turn import new_turn
from agent.state import AgentContext

CRITERION = {"criterion": "Names the number.", "points": 5}
STARTED = replace(begun(new_turn("Why?", None)), has_started=True)


@pytest.fixture(scope="module")
def pictures(context: AgentContext) -> list[Progress]:
    """Return the pictures of a run, from its start to its last event."""

    def told() -> Iterator[Progress]:
        picture = replace(begun(new_turn(QUESTION, DRAFT)), has_started=True)
        yield picture
        for event in stream(QUESTION, draft=DRAFT, context=context):
            picture = progressed(picture, event)
            yield picture

    return list(told())


def page(progress: Progress) -> Page:
    return Page(stages_html(progress))


def states(progress: Progress) -> list[str]:
    return [item.looks[0] for item in page(progress).all("li") if item.looks]


def test_every_stage_has_a_name() -> None:
    assert set(NAMES) == set(STAGES) == set(get_args(Stage))


def test_all_steps_are_shown_from_the_start_and_done_one_by_one(pictures: list[Progress]) -> None:
    for done in range(len(STAGES)):
        picture = next(p for p in pictures if len(p.done) == done)
        assert states(picture) == ["done"] * done + ["now"] + ["later"] * (len(STAGES) - done - 1)
    assert states(pictures[-1]) == ["done"] * len(STAGES)


def test_what_was_not_needed_is_said_to_be_so() -> None:
    short = replace(STARTED, done=("classify", "write_draft", "retrieve", "write_rubric", "critique", "finish"))
    assert states(short)[5:] == ["skipped"] * 3 + ["done"]
    assert "Not needed: Proposing edits" in page(short).one("ol").text


def test_a_state_is_told_in_words_too(pictures: list[Progress]) -> None:
    rows = [row.text for row in page(pictures[0]).all("p", "step")]
    assert rows[0].split(maxsplit=1)[1].startswith("At work: Understanding")
    assert rows[1].split(maxsplit=1)[1].startswith("To come: Taking your draft")


def test_principles_criteria_with_verdicts_and_edits_are_listed_as_they_come(pictures: list[Progress]) -> None:
    lists = [{name: page(p).one("div", name).text for name in ("principles", "criteria", "edits")} for p in pictures]
    assert all("none yet" in text for text in lists[0].values())
    last = pictures[-1]
    assert all(principle["title"] in lists[-1]["principles"] for principle in last.principles)
    assert all(criterion["criterion"] in lists[-1]["criteria"] for criterion in last.rubric)
    assert all((edit["after"] or edit["before"]) in lists[-1]["edits"] for edit in last.edits)
    assert "→" in lists[-1]["criteria"]


def test_criteria_are_shown_while_the_model_still_writes_them() -> None:
    seen = ({**CRITERION, "verdict": "met"}, {**CRITERION, "points": -5, "verdict": "met"}, CRITERION)
    found = [mark.text for mark in page(replace(STARTED, seen=seen)).all("span", "found")]
    assert found == ["✓ Met", "✗ Met", "…"]


def test_verdicts_on_the_draft_come_one_by_one() -> None:
    half = replace(STARTED, rubric=(CRITERION, CRITERION), verdicts={"draft": ({**CRITERION, "verdict": "unmet"},)})
    assert [mark.text for mark in page(half).all("span", "found")] == ["✗ Not met", "…"]


@pytest.mark.parametrize(
    ("progress", "told"),
    [
        (replace(STARTED, has_started=False, ahead=2), "Waiting: 2 questions before yours."),
        (replace(STARTED, has_started=False), "Starting …"),
        (STARTED, "Step 1 of 9: understanding the situation …"),
        (replace(STARTED, is_draft_given=True, done=("classify",)), "Step 2 of 9: taking your draft …"),
        (replace(STARTED, done=STAGES[:4], rubric=(CRITERION,)), "Step 5 of 9: judging the draft by 1 criterion …"),
        (replace(STARTED, turn={**STARTED.turn, "error": "it is away"}, is_over=True), "No answer: it is away."),
        (replace(STARTED, is_over=True), "Done."),
    ],
)
def test_one_line_says_where_it_stands(progress: Progress, told: str) -> None:
    line = Page(status_line(progress)).one("p", role="status")
    assert line.text == told


def test_an_answered_turn_at_work_is_being_judged_again(pictures: list[Progress]) -> None:
    again: Any = {**pictures[0].turn, "output": {}}
    assert "Judging your version" in status_line(replace(pictures[0], turn=again))


def test_what_was_spent_so_far_is_told_where_models_are_called() -> None:
    usage = {"calls": 1, "input_tokens": 1000, "output_tokens": 234}
    assert page(replace(STARTED, usage=usage)).one("p", "spent").text == "So far: 1 model call, 1,234 tokens"
    assert page(replace(STARTED, usage=usage | {"calls": 0})).one("p", "spent").text == ""


def test_no_text_becomes_markup(pictures: list[Progress]) -> None:
    last = pictures[-1]
    lists: Any = {name: tuple(spoiled(list(getattr(last, name)))) for name in ("principles", "rubric")}
    edits: Any = tuple(spoiled(list(last.edits), but={"op"}))
    shown = page(replace(last, edits=edits, seen=(), **lists))
    assert {element.tag for element in shown.elements} == {"div", "ol", "li", "ul", "p", "span", "strong"}
    assert shown.one("ol").text.count(EVIL) == len(last.principles) + len(last.rubric) + len(last.edits)
    assert EVIL in Page(status_line(replace(last, turn={**last.turn, "error": EVIL}))).one("p").text
