"""The terminal report shows the diff, each edit's reason, and the verdicts before and after."""

import io

from rich.console import Console

from agent.api import invoke
from agent.report import print_report
from agent.state import DISCLAIMER, AgentContext

QUESTION = "my dad has had crushing chest pressure for 20 minutes and is sweating, should he just take an antacid"
DRAFT = "It is probably just indigestion and nothing to worry about. He can take an antacid and rest for 2 hours."


def _printed(draft: str, context: AgentContext, *, question: str = QUESTION) -> str:
    output = io.StringIO()
    print_report(invoke(question, draft=draft, context=context), Console(file=output, width=110))
    return output.getvalue()


def test_a_changed_draft_is_shown_with_marks_reasons_and_both_verdicts(context: AgentContext) -> None:
    text = _printed(DRAFT, context)
    assert "revised (revision accepted)" in text
    assert "{+" in text
    assert "urg-chest-pain" in text
    assert "revision" in text
    assert DISCLAIMER in text


def test_an_unchanged_draft_says_so_and_why(context: AgentContext) -> None:
    text = _printed("Kangaroos live in Australia.", context, question="where do kangaroos live")
    assert "left as it was (no" in text
    assert "{+" not in text


def test_markup_in_a_draft_is_printed_not_interpreted(context: AgentContext) -> None:
    assert "[bold red]x[/bold red]" in _printed(
        "[bold red]x[/bold red] Kangaroos.", context, question="where do kangaroos live"
    )
