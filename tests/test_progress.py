"""A picture of a turn at work, event by event."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from agent.api import stream
from agent.events import (
    AnswerToken,
    CriteriaVoid,
    CriterionSeen,
    DraftToken,
    EditProposed,
    Event,
    PrincipleFound,
    Stage,
    StageEvent,
    UsageSpent,
    VerdictGiven,
)
from agent.review.progress import Progress, begun, failed, is_pressing, progressed
from agent.review.turn import Turn, TurnChanged, new_turn
from agent.state import AgentContext

TURN = new_turn("Is 38 °C a fever?", None)
ROW = {"criterion": "Says so.", "verdict": "met"}
EDIT = {"op": "ADD", "before": "", "after": "Yes."}
START = begun(TURN)


def after(*events: Event | TurnChanged, start: Progress = START) -> Progress:
    for event in events:
        start = progressed(start, event)
    return start


def stage(name: Stage, **data: Any) -> StageEvent:
    return StageEvent(name, data)


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (TurnChanged(cast(Turn, {**TURN, "answer": "Yes."})), {"turn": {**TURN, "answer": "Yes."}}),
        (stage("classify", scenario={"urgency": "none"}), {"done": ("classify",), "scenario": {"urgency": "none"}}),
        (stage("write_draft", draft="Yes."), {"done": ("write_draft",), "draft": "Yes."}),
        (stage("retrieve", principles=[{"id": "a"}]), {"done": ("retrieve",), "principles": ({"id": "a"},)}),
        (stage("write_rubric", rubric=[ROW]), {"done": ("write_rubric",), "rubric": (ROW,)}),
        (
            stage("finish", usage={"calls": 3}, draft="Yes."),
            {"done": ("finish",), "usage": {"calls": 3}, "draft": "Yes."},
        ),
        (stage("check"), {"done": ("check",)}),
        (DraftToken("Yes"), {"draft": "Yes"}),
        (PrincipleFound({"id": "a"}), {"principles": ({"id": "a"},)}),
        (CriterionSeen(ROW), {"seen": (ROW,)}),
        (VerdictGiven("draft", ROW), {"verdicts": {"draft": (ROW,)}}),
        (EditProposed(EDIT), {"edits": (EDIT,), "rounds": 1}),
        (UsageSpent({"calls": 1}), {"usage": {"calls": 1}}),
        (AnswerToken("Yes"), {}),
    ],
)
def test_an_event_changes_what_it_tells_and_nothing_else(event: Event | TurnChanged, shown: dict[str, Any]) -> None:
    assert progressed(START, event) == replace(START, **shown)


def test_an_event_that_shows_nothing_leaves_the_picture_itself() -> None:
    assert progressed(START, AnswerToken("Yes")) is START


def test_a_turn_begins_with_the_draft_it_was_given() -> None:
    given = begun(new_turn("Is it?", "It is."))
    assert (given.draft, given.is_draft_given) == ("It is.", True)
    assert (START.draft, START.is_draft_given) == ("", False)


def test_a_draft_that_begins_anew_voids_what_came_before() -> None:
    tokens = [DraftToken("No"), DraftToken(", never."), DraftToken("Ye", restart=True), DraftToken("s.")]
    assert [after(*tokens[:count]).draft for count in (1, 2, 3, 4)] == ["No", "No, never.", "Ye", "Yes."]


def test_the_finished_draft_is_the_one_that_counts() -> None:
    assert after(DraftToken(" Yes. "), stage("write_draft", draft="Yes.")).draft == "Yes."


def test_what_is_found_one_by_one_is_not_told_twice_with_its_step() -> None:
    found = {"id": "a"}, {"id": "b"}
    each = after(*map(PrincipleFound, found))
    assert each.principles == after(stage("retrieve", principles=[*found]), start=each).principles == found


def test_criteria_are_seen_as_they_are_written_until_their_step_is_finished() -> None:
    written = after(CriterionSeen(ROW), CriterionSeen({"criterion": "Asks back."}))
    assert written.seen == (ROW, {"criterion": "Asks back."})
    assert progressed(written, stage("write_rubric", rubric=[ROW])).seen == ()


def test_criteria_of_a_reply_that_begins_anew_are_void() -> None:
    assert after(CriterionSeen({"criterion": "Asks back."}), CriteriaVoid(), CriterionSeen(ROW)).seen == (ROW,)


def test_verdicts_come_one_by_one_and_a_second_rounds_replace_the_firsts() -> None:
    rubric = stage("write_rubric", rubric=[{"criterion": "1"}, {"criterion": "2"}])
    rows = [{"criterion": str(number % 2 + 1), "round": number // 2} for number in range(4)]
    seen = [after(rubric, *(VerdictGiven("revision", row) for row in rows[:count])) for count in range(5)]
    assert [len(each.verdicts.get("revision", ())) for each in seen] == [0, 1, 2, 1, 2]
    assert seen[-1].verdicts == {"revision": tuple(rows[2:])}


def test_verdicts_on_the_draft_stay_beside_those_on_the_revision() -> None:
    judged = after(stage("write_rubric", rubric=[ROW]), VerdictGiven("draft", ROW), VerdictGiven("revision", EDIT))
    assert judged.verdicts == {"draft": (ROW,), "revision": (EDIT,)}


def test_edits_of_a_second_round_replace_those_of_the_first() -> None:
    first = after(EditProposed({"edit": 1}), EditProposed({"edit": 2}), stage("revise"))
    assert (first.edits, first.rounds) == (({"edit": 1}, {"edit": 2}), 1)
    second = after(stage("check"), stage("accept"), EditProposed({"edit": 3}), EditProposed({"edit": 4}), start=first)
    assert (second.edits, second.rounds) == (({"edit": 3}, {"edit": 4}), 2)


def test_a_picture_never_changes() -> None:
    before = after(stage("write_rubric", rubric=[ROW, ROW]), VerdictGiven("draft", ROW))
    after(VerdictGiven("draft", EDIT), start=before)
    assert before.verdicts == {"draft": (ROW,)}


def test_a_failure_is_told_by_the_turn_and_leaves_the_given_one_alone() -> None:
    last = failed(START, "no room; make some")
    assert (last.turn["error"], last.is_over, START.turn["error"]) == ("no room; make some", True, None)


@pytest.mark.parametrize(
    ("later", "pressing"),
    [
        (after(stage("classify")), True),
        (failed(START, "it failed"), True),
        (replace(START, is_over=True), True),
        (replace(START, has_started=True), True),
        (after(DraftToken("Yes")), False),
        (replace(START, ahead=3), False),
    ],
)
def test_a_finished_step_an_error_and_the_end_are_pressing(later: Progress, pressing: bool) -> None:
    assert is_pressing(START, later) is pressing


def test_the_last_picture_of_a_real_run_holds_what_its_answer_holds(context: AgentContext) -> None:
    events = list(stream("My chest hurts and I sweat.", draft="Rest a little. It will pass.", context=context))
    whole, last = cast(StageEvent, events[-1]).data, after(*events)
    assert last.done[0] == "classify"
    assert last.done[-1] == "finish"
    assert list(last.verdicts["draft"]) == whole["critiques"][0]
    assert list(last.verdicts["revision"]) == whole["critiques"][-1]
    assert (list(last.principles), list(last.rubric)) == (whole["principles"], whole["rubric"])
    assert list(last.edits) == whole["edits"]
    assert last.usage == whole["usage"]
