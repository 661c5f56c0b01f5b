from __future__ import annotations

from typing import Any, get_args

import pytest
from page_turns import EVIL, Page, answered, changed, decision, output_of, spoiled, without

from agent.page.report import report_html
from agent.page.wording import WHY_UNCHANGED
from agent.review.turn import Turn, new_turn
from agent.state import AgentContext, StoppedBecause
from principles_store.library import Library

TAGS = (
    "article b button caption code dd del details div dl dt h3 ins li ol p q s section span strong summary table tbody td "
    "textarea th thead tr ul"
)
CODES = {"verdict", "op", "stopped_because", "id", "at", "decision", "draft", "answer", "patches"}
"""Fields that aren't free text, and those on which the patches count characters."""
ONE_ON_ANOTHER = [
    {"start": 0, "end": 15, "text": "Fine.", "edit": 0},
    {"start": 0, "end": 5, "text": "Good.", "edit": 1},
]


@pytest.fixture(scope="module")
def turn(context: AgentContext) -> Turn:
    return answered(context)


def page(turn: Turn, library: Library, *, is_open: bool = True) -> Page:
    return Page(report_html(turn, library, is_open=is_open))


def cells(shown: Page) -> set[tuple[str, ...]]:
    """Return every row's verdicts, without the marks."""
    names = [cell.text for cell in shown.all("th", scope="col")]
    width = len(dict.fromkeys(names)) - 1
    found = [cell.text.split()[1].rstrip(",") for cell in shown.all("td")]
    return {tuple(found[start : start + width]) for start in range(0, len(found), width)}


def test_every_edit_has_a_button_in_the_text_that_opens_its_principle_and_criterion(
    turn: Turn, library: Library
) -> None:
    shown = page(turn, library)
    for number, edit in enumerate(output_of(turn)["edits"]):
        [button] = [b for b in shown.all("button", "number") if b.text.startswith(f"Edit {number + 1}:")]
        reason = shown.one(id=button.attributes["popovertarget"] or "")
        assert "popover" in reason.attributes
        assert library.by_id[edit["principle_id"]].title in reason.text
        assert edit["criterion"].rstrip(".") in reason.text


@pytest.mark.parametrize(
    ("rests_on", "told"),
    [
        ("model", "The model's own medical knowledge"),
        ("rubric:r7", "The rubric of a similar conversation (r7)"),
        ("gone-from-the-library", "gone-from-the-library"),
    ],
)
def test_an_edit_without_a_principle_says_what_it_rests_on(
    turn: Turn, library: Library, rests_on: str, told: str
) -> None:
    edits = [{**edit, "principle_id": rests_on} for edit in output_of(turn)["edits"]]
    shown = page(changed(turn, edits=edits), library)
    assert [title.text for title in shown.all("p", "title")] == [told] * 2 * len(
        edits
    )  # on its card, behind its button


def test_each_edit_can_be_accepted_rejected_and_commented_on_by_name(turn: Turn, library: Library) -> None:
    shown = page(turn, library)
    names = {button.text for button in shown.all("button") if "data-decision" in button.attributes}
    edits = range(1, len(output_of(turn)["edits"]) + 1)
    assert names == {
        f"{word} {what}" for word in ("Accept", "Reject") for what in ("all", *(f"edit {n}" for n in edits))
    }
    assert [f.attributes["aria-label"] for f in shown.all("textarea")] == [f"Comment on edit {n}" for n in edits]


def test_the_chosen_decision_is_pressed_and_its_comment_is_kept(turn: Turn, library: Library) -> None:
    shown = page({**turn, "decisions": [decision(0, "reject"), decision(0, "accept", "as <we> say")]}, library)
    pressed = {b.text for b in shown.all("button", aria_pressed="true")}
    assert pressed == {"Accept edit 1"}
    assert shown.all("textarea")[0].text == "as <we> say"
    assert "Accepted by you" in [standing.text for standing in shown.all("span", "standing")]


def test_of_an_earlier_turn_nothing_can_be_decided(turn: Turn, library: Library) -> None:
    shown = page({**turn, "decisions": [decision(0, "accept", "well put")]}, library, is_open=False)
    assert not [b for b in shown.all("button") if "data-decision" in b.attributes]
    assert shown.all("textarea") == []
    assert shown.one("p", "comment").text == "Your comment: well put"


def test_a_rejected_edit_stays_visible_and_is_said_to_be_rejected(turn: Turn, library: Library) -> None:
    shown = page(without(turn, 0), library)
    assert "Rejected by you" in [standing.text for standing in shown.all("span", "standing")]
    assert [b.text for b in shown.all("button", "refused")] == ["Edit 1, rejected by you: why"]
    assert "You rejected edit 1." in shown.one("div", "report").text
    assert any("Edit 1, rejected by you" in (e.attributes.get("title") or "") for e in shown.all(data_edit="0"))


def test_what_rests_on_a_rejected_edit_goes_with_it_and_says_so(turn: Turn, library: Library) -> None:
    two = changed(turn, patches=ONE_ON_ANOTHER, edits=output_of(turn)["edits"][:2])
    assert "Edit 2 rests on this one: rejected together." in page(two, library).one("div", "report").text
    shown = page(without(two, 0), library)
    assert "Left out with edit 1, on which it rests" in [standing.text for standing in shown.all("span", "standing")]
    assert shown.one("p", "statement").text == "Nothing of your draft is changed."


def test_verdicts_stand_beside_each_other_before_and_after(turn: Turn, library: Library) -> None:
    words = {"met": "Met", "unmet": "Not", "unknown": "Unknown"}
    rows = zip(*output_of(turn)["critiques"], strict=True)
    assert cells(page(turn, library)) == {tuple(words[row["verdict"]] for row in pair) for pair in rows}


def test_a_version_without_an_edit_gets_a_column_of_its_own(turn: Turn, library: Library) -> None:
    shown = page(without(turn, 0, judged_like=0), library)
    assert {row[2] for row in cells(shown)} == {row[0] for row in cells(shown)}
    assert [name.text for name in shown.all("dt")][:3] == ["Draft", "Revision", "Yours"]


@pytest.mark.parametrize(
    ("error", "is_open", "told"),
    [
        (None, True, "Your version is being judged now …"),
        (None, False, "Your version was not judged."),
        ("the judge is away; decide again", True, "Your version could not be judged: the judge is away; decide again."),
    ],
)
def test_a_version_without_verdicts_is_said_to_have_none(
    turn: Turn, library: Library, error: str | None, is_open: bool, told: str
) -> None:
    shown = page({**without(turn, 0), "verdicts_error": error}, library, is_open=is_open)
    assert told in shown.one("div", "report").text
    assert len(next(iter(cells(shown)))) == 2


def test_a_penalty_that_is_unmet_is_as_wanted(turn: Turn, library: Library) -> None:
    critiques = [[{**output_of(turn)["critiques"][0][0], "verdict": verdict}] for verdict in ("met", "unmet")]
    rubric = [{"criterion": "Lies.", "points": -5, "principle_id": None}]
    shown = page(changed(turn, rubric=rubric, critiques=critiques), library)
    assert [(cell.looks, cell.text) for cell in shown.all("td")] == [
        (["bad"], "✗ Met, not as wanted"),
        (["good"], "✓ Not met, as wanted"),
    ]


def test_an_untouched_draft_is_said_to_be_so_and_why(context: AgentContext) -> None:
    rate = "For most healthy adults, a resting heart rate of 60 to 100 beats per minute is normal."
    calm = answered(context, "What's a normal resting heart rate for a healthy adult?", rate)
    shown = page(calm, context.index.library)
    assert shown.one("p", "statement").text == "Nothing was changed."
    assert f"Why: {WHY_UNCHANGED[output_of(calm)['stopped_because']]}." in shown.one("div", "report").text
    assert shown.all(look="diff") == []


def test_every_reason_to_stop_has_words() -> None:
    assert {*WHY_UNCHANGED, "revision accepted"} == set(get_args(StoppedBecause))


def test_a_failure_is_shown_as_one_with_what_to_do(library: Library) -> None:
    shown = page({**new_turn("Is it safe?", None), "error": "the server is away; start it"}, library)
    assert shown.one("div", "failure").text == "No answerThe server is away; start it."


def test_what_it_took_is_told_with_the_cost_only_where_there_is_one(turn: Turn, library: Library) -> None:
    usage = {"calls": 3, "input_tokens": 12_345, "output_tokens": 678, "seconds": 4.25, "cost": 0.0123}
    shown = page(changed(turn, usage=usage), library).one("dl", "usage").text
    assert all(told in shown for told in ("Model calls3", "12,345", "678", "4.2 s", "Cost0.0123"))
    assert "Cost" not in page(changed(turn, usage=usage | {"cost": 0.0}), library).one("dl", "usage").text


@pytest.mark.parametrize("rejected", [(), (0,)])
def test_no_text_becomes_markup(turn: Turn, library: Library, rejected: tuple[int, ...]) -> None:
    evil: Any = spoiled(without(turn, *rejected), but=CODES)
    evil["output"]["principles"] += [{**row, "id": f"gone-{EVIL}"} for row in evil["output"]["principles"]]
    shown = page(evil, library)
    assert {element.tag for element in shown.elements} <= set(TAGS.split())
    assert not [
        e
        for e in shown.elements
        if {"style", "src", "href", *(n for n in e.attributes if n[:2] == "on")} & {*e.attributes}
    ]
    assert shown.one("div", "report").text.count(EVIL) > 2 * len(evil["output"]["rubric"])


@pytest.mark.parametrize("field", ["error", "verdicts_error"])
def test_no_error_becomes_markup(turn: Turn, library: Library, field: str) -> None:
    shown = page({**without(turn, 0), field: EVIL}, library)  # type: ignore[misc]
    assert {element.tag for element in shown.elements} <= set(TAGS.split())
    assert EVIL in shown.one("div", "report").text


def test_two_reports_on_a_page_share_no_id(turn: Turn, library: Library) -> None:
    ids = [*page(turn, library).ids, *page({**turn, "id": new_turn("", None)["id"]}, library).ids]
    assert len(ids) == len(set(ids)) > 0


def test_rubrics_of_similar_conversations_are_named_with_who_checked_them(context):
    row = {"rubric_id": "gout", "similarity": 0.71, "verified": False, "question": f"Gout? {EVIL}", "criteria": 3}
    page = report_html(changed(answered(context), seeds=[row]), context.index.library, is_open=True)
    assert "Rubrics of similar conversations" in page
    assert "similarity 0.71" in page
    assert "no clinician has verified it" in page
    assert "<script>" not in page


def test_an_answer_of_an_earlier_version_has_no_seeds_and_is_shown_all_the_same(context):
    turn = answered(context)
    del turn["output"]["seeds"]
    assert "Rubrics of similar" not in report_html(turn, context.index.library, is_open=True)
