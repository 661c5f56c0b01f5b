"""Many people at once on the chat's page, as the measurement has them: each with an answer of their own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from agent.api import invoke
from agent.errors import ConfigError
from agent.page.bubbles import as_typed
from agent.state import AgentContext
from evals.chat_browser import measure_visible
from evals.chat_load import Asked, Waits, faults, measure_chat
from evals.chat_visitor import Heard, VisitError

ROOT = Path(__file__).resolve().parents[1]
ASKED = [Asked("Is 38 °C a fever?", "Yes, it is."), Asked("Is 37 °C a fever?", "No, that's normal.")]


def heard(context: AgentContext, asked: Asked, *shown: str) -> Heard:
    """Return what somebody hears who sees the agent's answer, and texts."""
    answer = as_typed(invoke(asked.question, draft=asked.draft, context=context)["answer"])
    return Heard(0.1, 0.2, [json.dumps({"output": {"data": [text, [text]]}}) for text in shown], answer)


def test_own_texts_and_the_agents_answer_are_no_fault(context: AgentContext) -> None:
    own = [heard(context, each, f"<p>{each.question}</p>") for each in ASKED]
    assert list(faults(ASKED, own, context)) == []


def test_a_text_of_somebody_else_is_a_fault_though_html_hides_it(context: AgentContext) -> None:
    first = heard(context, ASKED[0], ASKED[0].question, "<p>No, that&#x27;s normal.</p>")
    assert list(faults(ASKED, [first, heard(context, ASKED[1], ASKED[1].question)], context)) == [
        "person 0: saw texts of [0, 1]"
    ]


def test_who_sees_nothing_of_their_own_proves_nothing(context: AgentContext) -> None:
    assert list(faults(ASKED[:1], [heard(context, ASKED[0])], context)) == ["person 0: saw texts of []"]


def test_anothers_answer_and_an_error_are_faults(context: AgentContext) -> None:
    wrong = heard(context, ASKED[1], ASKED[0].question)
    found = list(faults(ASKED, [wrong, VisitError("the page answered with nothing")], context))
    assert found == ["person 0: not the answer that the agent gives", "person 1: the page answered with nothing"]


def test_all_at_once_are_compared_with_the_median_of_one_alone() -> None:
    summary = Waits((0.01, 0.02, 0.09), (0.03, 0.04, 0.1)).summary()
    assert summary == pytest.approx(
        {"alone_ms": 20, "together_ms": 40, "together_last_ms": 100, "ratio": 2, "ratio_last": 5}
    )


def test_an_app_that_does_not_start_is_told_with_its_reason(context: AgentContext, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        measure_chat([("Why?", "So.")], context, app=tmp_path / "app.py")
    app = tmp_path / "app.py"
    app.write_text("raise SystemExit('no room for the index')", encoding="utf-8")
    with pytest.raises(ConfigError, match="no room for the index"):
        measure_chat([("Why?", "So.")], context, app=app)


@pytest.mark.slow
@pytest.mark.usefixtures("data_dir")
def test_people_on_the_real_page_get_their_own_answers(context: AgentContext) -> None:
    sample = json.loads((ROOT / "examples" / "chest_pressure.json").read_text(encoding="utf-8"))
    found = measure_chat([(sample["question"], sample["draft"])], context, app=ROOT / "app.py", users=4, alone=1)
    assert found.faults == ()
    assert (len(found.step.alone), len(found.step.together)) == (1, 4)
    assert all(stages <= step for stages, step in zip(found.stages.together, found.step.together, strict=True))


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.usefixtures("data_dir")
def test_a_browser_sees_a_step_alone_and_in_a_crowd() -> None:
    if shutil.which("chromium") is None:
        pytest.skip("chromium isn't installed")
    seen = measure_visible([("Is a pulse of 58 normal?", "Yes.")], app=ROOT / "app.py", users=3, times=2)
    assert (len(seen.alone), len(seen.among)) == (2, 2)
    assert all(0 < milliseconds < 30_000 for milliseconds in (*seen.alone, *seen.among))
