"""What a person reads about a turn: what changed and why, the verdicts on every version, and how the answer came about."""

from __future__ import annotations

from html import escape

from agent.page.answered import Answered
from agent.page.diff import diff_html
from agent.page.edits import edits_html, popovers_html
from agent.page.markup import id_prefix, tagged
from agent.page.principles import chips, seed_cards
from agent.page.verdicts import scores_html, verdicts_html
from agent.page.wording import CUT_SHORT, WHY_UNCHANGED, capital, counted, numbers, sentence
from agent.review.turn import Turn
from principles_store.library import Library

CAUTION = "These criteria are all that was looked at: text without a mark was left as it was, and may still be wrong."


def report_html(turn: Turn, library: Library, *, is_open: bool) -> str:
    """Return the whole report; `is_open`: the edits can be decided on, as on the last turn of a conversation."""
    if turn["error"] is not None:
        parts = [_failure(turn["error"])]
    elif turn["output"] is None:
        parts = [tagged("p", "This question has no answer yet.", "statement")]
    else:
        shown = Answered(turn, turn["output"], library, is_open)
        parts = [
            _statement(shown),
            _warnings(shown),
            _diff(shown),
            edits_html(shown),
            verdicts_html(shown),
            _principles(shown),
            _seeds(shown),
            _usage(shown),
        ]
    edits = len(turn["output"]["edits"]) if turn["output"] else 0
    of = f'data-turn="{id_prefix(turn)}" data-turn-id="{escape(turn["id"])}" data-edits="{edits}"'
    return f'<div class="clinalign report" {of}>{"".join(parts)}</div>'


def _failure(error: str) -> str:
    return f'<div class="failure"><p class="statement">No answer</p><p dir="auto">{escape(sentence(error))}</p></div>'


def _statement(shown: Answered) -> str:
    """Return in plain words what became of the draft, and how many criteria each version satisfies."""
    said, *more = _unchanged(shown) if not shown.output["edits"] else _changed(shown)
    rest = "".join(tagged("p", line) for line in more if line)
    return f"{tagged('p', said, 'statement')}{rest}{_own_version(shown)}{scores_html(shown)}{tagged('p', CAUTION, 'quiet')}"


def _unchanged(shown: Answered) -> list[str]:
    why = WHY_UNCHANGED.get(shown.output["stopped_because"], shown.output["stopped_because"])
    return ["Nothing was changed.", f"Why: {why}."]


def _changed(shown: Answered) -> list[str]:
    edits, output = range(len(shown.output["edits"])), shown.output
    whose = "your draft" if shown.turn["given_draft"] is not None else "the draft"
    cut = (
        f"The work then ended early: {WHY_UNCHANGED[output['stopped_because']]}."
        if output["stopped_because"] in CUT_SHORT
        else ""
    )
    if not shown.left_out:
        return [f"{capital(whose)} was changed by {counted(len(edits), 'edit')}.", cut]
    rejected = sentence(f"you rejected {numbers(shown.rejected)}")
    if len(shown.left_out) == len(edits):
        return [f"Nothing of {whose} is changed.", rejected, cut]
    along = shown.left_out - shown.rejected
    with_them = f"{capital(numbers(along))} went with {'it' if len(shown.rejected) == 1 else 'them'}." if along else ""
    kept = len(edits) - len(shown.left_out)
    return [
        f"{capital(whose)} is changed by {kept} of {counted(len(edits), 'edit')}.",
        f"{rejected} {with_them} The answer was put together without {'it' if len(shown.left_out) == 1 else 'them'}.",
        cut,
    ]


def _own_version(shown: Answered) -> str:
    """Say where the verdicts on a recomposed answer are."""
    if not shown.left_out or shown.turn["verdicts"] is not None:
        return ""
    if shown.turn["verdicts_error"] is not None:
        why = sentence(f"your version could not be judged: {shown.turn['verdicts_error']}")
        told = f"{why} The verdicts below are on the draft and on the revision with all its edits, not on your version."
        return f'<p class="warning" dir="auto">{escape(told)}</p>'
    if not shown.is_open:
        return tagged("p", "Your version was not judged.", "warning")
    return tagged("p", "Your version is being judged now …", "waiting")


def _warnings(shown: Answered) -> str:
    items = "".join(f'<p class="warning" dir="auto">{escape(sentence(text))}</p>' for text in shown.output["warnings"])
    return f'<div class="warnings">{items}</div>' if items else ""


def _diff(shown: Answered) -> str:
    if not shown.output["edits"]:
        return ""
    looks = "<del>Removed</del> <ins>Added</ins> "
    looks += '<s class="refused">Not added: you rejected it</s> ' if shown.left_out else ""
    legend = f'{looks}<span class="number">1</span> Press a number, or the changed words, to read why.'
    head = f'<h3>Draft and answer, word by word</h3><p class="quiet legend">{legend}</p>'
    return head + diff_html(shown) + popovers_html(shown)


def _principles(shown: Answered) -> str:
    found = chips(shown.output["principles"], shown.library)
    return f"<h3>Principles that apply here</h3>{found}" if found else ""


def _seeds(shown: Answered) -> str:
    found = seed_cards(shown.output.get("seeds", []))  # an answer kept by an earlier version has none
    return f"<h3>Rubrics of similar conversations</h3>{found}" if found else ""


def _usage(shown: Answered) -> str:
    """Return what the answer took, and what it rests on."""
    output, usage = shown.output, shown.output["usage"]
    facts = [
        ("Time", f"{usage['seconds']:.1f} s"),
        ("Model calls", f"{usage['calls']:,}"),
        ("Tokens read", f"{usage['input_tokens']:,}"),
        ("Tokens written", f"{usage['output_tokens']:,}"),
    ]
    facts += [("Cost", f"{usage['cost']:,.4f}")] if usage["cost"] else []
    facts += [
        ("Rounds", str(output["rounds"])),
        ("Ended because", output["stopped_because"]),
        ("Engine", output["engine"]),
        ("Library", output["library_hash"][:12]),
    ]
    items = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    return f'<h3>How the answer came about</h3><dl class="usage">{items}</dl>'
