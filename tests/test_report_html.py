from __future__ import annotations

import re
from html import unescape
from typing import get_args

import pytest

from agent.api import invoke
from agent.report_html import WHY_UNCHANGED, report_html
from agent.state import AgentContext, AgentOutput, StoppedBecause

QUESTION = "My husband, 58, has had pressure in his chest for 40 minutes and his left arm feels heavy. Antacid?"
DRAFT = (
    "Great question! It's probably just heartburn & nothing to worry about.\n\nHe can take <b>500 mg</b> of an antacid."
)
HEART_RATE = "For most healthy adults, a resting heart rate of 60 to 100 beats per minute is normal."


@pytest.fixture(scope="module")
def revised(context: AgentContext) -> AgentOutput:
    output = invoke(QUESTION, draft=DRAFT, context=context)
    assert output["accepted"]
    return output


@pytest.mark.parametrize(("left_out", "text"), [("ins", "draft"), ("del", "answer")])
def test_the_diff_holds_both_texts_word_for_word(revised: AgentOutput, left_out: str, text: str) -> None:
    diff = report_html(revised).split("<div class='diff'>")[1].split("</div>")[0]
    rest = re.sub(f"<{left_out}>.*?</{left_out}>", "", diff, flags=re.DOTALL)
    assert unescape(re.sub("<[^>]+>", "", rest)) == revised[text]  # type: ignore[literal-required]


def test_each_edit_names_its_principle_by_title(revised: AgentOutput) -> None:
    edits = report_html(revised).split("<h3>Edits</h3>")[1].split("</ol>")[0]
    titles = {principle["id"]: principle["title"] for principle in revised["principles"]}
    assert edits.count("<li>") == len(revised["edits"])
    assert all(f"<strong>{titles[edit['principle_id']]}</strong>" in unescape(edits) for edit in revised["edits"])


def test_an_edit_without_a_principle_says_what_it_rests_on(revised: AgentOutput) -> None:
    own = {**revised, "edits": [{**revised["edits"][0], "principle_id": "model"}]}
    assert "<strong>the model's own medical knowledge</strong>" in unescape(report_html(own))  # type: ignore[arg-type]


def test_a_criterion_has_a_verdict_before_and_after(revised: AgentOutput) -> None:
    rows = re.findall("<tr>(?!<th)(.*?)</tr>", report_html(revised))
    shown = [re.findall("(met|unmet|unknown)</td>", row) for row in rows]
    before, after = ([row["verdict"] for row in critique] for critique in revised["critiques"])
    assert shown == [list(pair) for pair in zip(before, after, strict=True)]


def test_a_penalty_that_is_unmet_is_as_wanted(revised: AgentOutput) -> None:
    one = {**revised, "rubric": [{"criterion": "Lies.", "points": -5, "principle_id": None}]}
    one["critiques"] = [[{"criterion": "Lies.", "verdict": verdict}] for verdict in ("met", "unmet")]
    assert "<td class='bad'>✗ met</td><td class='good'>✓ unmet</td>" in report_html(AgentOutput(**one))  # type: ignore[typeddict-item]


def test_no_text_becomes_markup(revised: AgentOutput) -> None:
    evil = "<script>alert('1')</script>"

    def spoiled(value: object) -> object:
        if isinstance(value, str):
            return value + evil
        if isinstance(value, list):
            return [spoiled(item) for item in value]
        return {key: spoiled(item) for key, item in value.items()} if isinstance(value, dict) else value

    shown = report_html(spoiled(revised))  # type: ignore[arg-type]
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;") > len(revised["rubric"]) + len(revised["principles"])


def test_an_untouched_draft_is_said_to_be_so_and_why(context: AgentContext) -> None:
    output = invoke("What's a normal resting heart rate for a healthy adult?", draft=HEART_RATE, context=context)
    assert output["answer"] == HEART_RATE
    assert f"Nothing was changed: {WHY_UNCHANGED[output['stopped_because']]}." in report_html(output)


def test_every_reason_to_stop_has_words() -> None:
    limits = {reason for reason in get_args(StoppedBecause) if reason.startswith("limit reached")}
    assert set(WHY_UNCHANGED) | limits | {"revision accepted"} == set(get_args(StoppedBecause))
