"""A turn at work: a line that says where it stands, and the steps with what each has brought so far.

Every row and every list has its height from the start, so that nothing on the page jumps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from html import escape
from itertools import zip_longest
from typing import Any, Literal, get_args

from agent.events import Stage, Version
from agent.page.markup import id_prefix, tagged, unseen
from agent.page.principles import SCENARIO_WORDS
from agent.page.wording import OPS, OUTCOMES, VERDICTS, capital, counted, outcome, sentence
from agent.review.progress import Progress

STAGES: tuple[Stage, ...] = get_args(Stage)
NAMES: dict[Stage, str] = {
    "classify": "Understanding the situation",
    "write_draft": "Writing a draft",
    "retrieve": "Finding the principles that apply",
    "write_rubric": "Writing the criteria",
    "critique": "Judging the draft",
    "revise": "Proposing edits",
    "check": "Checking that no fact gets lost",
    "accept": "Judging draft and revision blind",
    "finish": "Putting the answer together",
}
"""What happens in each step."""
_State = Literal["done", "now", "later", "skipped"]
_STATES: dict[_State, tuple[str, str]] = {
    "done": ("✓", "Done"),
    "now": ("●", "At work"),
    "later": ("○", "To come"),
    "skipped": ("–", "Not needed"),
}
"""Mark and words."""


def status_line(progress: Progress) -> str:
    """Return one line of fixed height, which a screen reader reads out as it changes."""
    return f'<p class="clinalign status" role="status">{escape(_status(progress))}</p>'


def stages_html(progress: Progress) -> str:
    """Return all steps from first to last, with the principles, criteria and edits found so far."""
    at_work = _at_work(progress)
    rows = "".join(_row(stage, at_work, progress) for stage in STAGES)
    return f'<div class="clinalign working"><ol class="stages">{rows}</ol><p class="spent">{_spent(progress)}</p></div>'


def _status(progress: Progress) -> str:
    turn, at_work = progress.turn, _at_work(progress)
    if turn["error"] is not None:
        return sentence(f"no answer: {turn['error']}")
    if progress.is_over:
        return "Done."
    if turn["output"] is not None:
        return "Judging your version of the answer …"
    if not progress.has_started and progress.ahead:
        return f"Waiting: {counted(progress.ahead, 'question')} before yours."
    if at_work is None:
        return "Starting …"
    by = f" by {counted(len(progress.rubric), 'criterion')}" if at_work == "critique" and progress.rubric else ""
    name = f"{_name(at_work, progress)}{by}"
    return f"Step {STAGES.index(at_work) + 1} of {len(STAGES)}: {name[:1].lower()}{name[1:]} …"


def _at_work(progress: Progress) -> Stage | None:
    """Return the step that follows the last one done; None before the start and after the end."""
    if not progress.has_started or progress.is_over or progress.done[-1:] == ("finish",):
        return None
    return STAGES[STAGES.index(progress.done[-1]) + 1] if progress.done else STAGES[0]


def _state(stage: Stage, at_work: Stage | None, progress: Progress) -> _State:
    if stage == at_work:
        return "now"
    if stage in progress.done:
        return "done"
    return "skipped" if progress.done[-1:] == ("finish",) else "later"


def _row(stage: Stage, at_work: Stage | None, progress: Progress) -> str:
    state = _state(stage, at_work, progress)
    mark, word = _STATES[state]
    detail = _DETAILS[stage](progress) if stage in progress.done and stage in _DETAILS else ""
    found = _LISTS[stage](progress) if stage in _LISTS else ""
    current = ' aria-current="step"' if state == "now" else ""
    return (
        f'<li class="{state}"{current}><p class="step"><span class="mark" aria-hidden="true">{mark}</span> {unseen(f"{word}: ")}'
        f'<span class="name">{_name(stage, progress)}</span> <span class="detail">{escape(detail)}</span></p>{found}</li>'
    )


def _name(stage: Stage, progress: Progress) -> str:
    return "Taking your draft" if stage == "write_draft" and progress.is_draft_given else NAMES[stage]


def _situation(progress: Progress) -> str:
    scenario = progress.scenario or {}
    urgency, expertise = (SCENARIO_WORDS.get(str(scenario.get(name)), "") for name in ("urgency", "expertise"))
    return f"{capital(urgency)}, {expertise}" if urgency and expertise else ""


def _wanted(version: Version, progress: Progress) -> str:
    rows = progress.verdicts.get(version, ())
    pairs = zip(progress.rubric, rows, strict=False)  # verdicts come in one by one
    good = sum(outcome(criterion["points"], row["verdict"]) == "wanted" for criterion, row in pairs)
    return f"{good} of {len(progress.rubric)} as wanted" if rows else ""


def _principles(progress: Progress) -> str:
    items = [tagged("li", principle["title"]) for principle in progress.principles]
    return _scroller("principles", "Principles found", items, progress)


def _criteria(progress: Progress) -> str:
    """Return the criteria with the verdicts that are there: as the model writes them, then on the draft, then on the revision."""
    draft, revision = (progress.verdicts.get(version, ()) for version in get_args(Version))
    if progress.rubric:
        items = [
            _criterion(criterion, [row["verdict"] for row in rows if row])
            for criterion, *rows in zip_longest(progress.rubric, draft, revision)
        ]
    else:
        items = [_criterion(row, [row["verdict"]] if row.get("verdict") else []) for row in progress.seen]
    return _scroller("criteria", "Criteria and verdicts", items, progress)


def _criterion(criterion: Mapping[str, Any], verdicts: Iterable[str]) -> str:
    told = []
    for verdict in verdicts:
        look, mark = OUTCOMES[outcome(criterion["points"], verdict)]
        told.append(f'<span class="{look}">{mark} {escape(VERDICTS.get(verdict, verdict))}</span>')
    text = f'<span class="text" dir="auto">{escape(criterion["criterion"])}</span>'
    return f'<li>{text} <span class="found">{" → ".join(told) or "…"}</span></li>'


def _edits(progress: Progress) -> str:
    items = [
        f'<li>{tagged("strong", OPS[edit["op"]])} <span dir="auto">{escape(edit["after"] or edit["before"])}</span></li>'
        for edit in progress.edits
    ]
    return _scroller("edits", "Edits proposed", items, progress)


def _scroller(name: str, label: str, items: list[str], progress: Progress) -> str:
    """Return a list of fixed height; page.js keeps its end in view unless somebody scrolls back."""
    body = f"<ul>{''.join(items)}</ul>" if items else f'<p class="quiet">{label}: none yet</p>'
    key = f"{id_prefix(progress.turn)}-{name}"
    return f'<div class="scroller {name}" role="region" aria-label="{label}" tabindex="0" data-key="{key}" data-follow>{body}</div>'


def _spent(progress: Progress) -> str:
    usage = progress.usage
    if not usage or not usage["calls"]:
        return ""
    tokens = usage["input_tokens"] + usage["output_tokens"]
    return f"So far: {counted(usage['calls'], 'model call')}, {counted(tokens, 'token')}"


_DETAILS: dict[Stage, Callable[[Progress], str]] = {
    "classify": _situation,
    "write_draft": lambda progress: counted(len(progress.draft.split()), "word"),
    "retrieve": lambda progress: f"{len(progress.principles)} found",
    "write_rubric": lambda progress: counted(len(progress.rubric), "criterion"),
    "critique": lambda progress: _wanted("draft", progress),
    "revise": lambda progress: counted(len(progress.edits), "edit"),
    "accept": lambda progress: _wanted("revision", progress),
}
"""What a finished step has brought, in a few words."""
_LISTS: dict[Stage, Callable[[Progress], str]] = {"retrieve": _principles, "critique": _criteria, "revise": _edits}
