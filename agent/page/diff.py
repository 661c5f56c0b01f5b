"""Draft and standing answer in one text, word by word, with a button at every edit that says why.

What a rejected edit would have done stays visible, marked as not done: the words it would have removed, and those it would
have added.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import pairwise
from typing import Literal

from agent.page.answered import Answered
from agent.page.markup import unseen
from agent.page.wording import sentence
from agent.weave import Run, Weave

Look = Literal["same", "removed", "added", "spared", "refused"]
"""`spared`: a rejected edit would have removed it; `refused`: a rejected edit would have added it."""

_TAGS: dict[Look, str] = {"removed": "del", "added": "ins", "spared": "span", "refused": "s"}


@dataclass(frozen=True)
class Piece:
    """A stretch of the diff, and the edit it belongs to."""

    look: Look
    text: str
    edit: int | None = None


def diff_html(shown: Answered) -> str:
    """Return the diff with a numbered button behind each edit's last change."""
    found = pieces(shown.weave, shown.left_out)
    last = {piece.edit: number for number, piece in enumerate(found) if piece.edit is not None}
    parts = []
    for number, piece in enumerate(found):
        if piece.edit is None or last[piece.edit] != number:
            parts.append(_marked(piece, shown))
            continue
        words = piece.text.rstrip() or piece.text  # the button stands at the last word, not below a paragraph's end
        rest = piece.text[len(words) :]
        parts += [_marked(replace(piece, text=words), shown), _button(piece.edit, shown)]
        parts += [_marked(replace(piece, text=rest), shown)] if rest else []
    return f'<div class="diff" dir="auto">{"".join(parts)}</div>'


def pieces(weave: Weave, left_out: Collection[int]) -> list[Piece]:
    """Return the diff in reading order.

    Without what was added and refused it is the draft; without what was removed and refused it is the standing answer.
    """
    stands, proposed = _Laid.of(weave.runs(left_out)), _Laid.of(weave.runs())
    cuts = sorted({0, *stands.starts, *proposed.starts, *stands.added, *proposed.added, len(stands.draft)})
    found: list[Piece] = []
    for start, end in pairwise([*cuts, len(stands.draft)]):
        found += _additions(proposed.added[start], stands.added[start], left_out)
        text = stands.draft[start:end]
        if not text:
            continue
        now, would = stands.run_at(start), proposed.run_at(start)
        if now.kind == "removed":
            found.append(Piece("removed", text, now.edit))
        elif would.kind == "removed" and would.edit in left_out:
            found.append(Piece("spared", text, would.edit))
        else:
            found.append(Piece("same", text))
    return found


@dataclass(frozen=True)
class _Laid:
    """Runs laid along the draft: what became of each stretch of it, and what was added at which place."""

    draft: str
    starts: Sequence[int]
    """Where each of `kept` begins."""
    kept: Sequence[Run]
    added: defaultdict[int, list[Run]]

    @classmethod
    def of(cls, runs: Sequence[Run]) -> _Laid:
        starts: list[int] = []
        added: defaultdict[int, list[Run]] = defaultdict(list)
        place = 0
        for run in runs:
            if run.kind == "added":
                added[place].append(run)
            else:
                starts.append(place)
                place += len(run.text)
        kept = [run for run in runs if run.kind != "added"]
        return cls("".join(run.text for run in kept), starts, kept, added)

    def run_at(self, place: int) -> Run:
        return self.kept[bisect_right(self.starts, place) - 1]


def _additions(proposed: Sequence[Run], standing: Sequence[Run], left_out: Collection[int]) -> Iterator[Piece]:
    """Yield what is added at a place, and what would have been, in the order in which all was proposed."""
    rest = deque(standing)
    for run in proposed:
        if run.edit in left_out:
            yield Piece("refused", run.text, run.edit)
        while rest and rest[0].edit == run.edit:
            yield Piece("added", rest[0].text, rest.popleft().edit)
    yield from (Piece("added", run.text, run.edit) for run in rest)


def _marked(piece: Piece, shown: Answered) -> str:
    text = escape(piece.text)
    if piece.look == "same":
        return text
    tag, edit = _TAGS[piece.look], piece.edit
    if edit is None:
        return f'<{tag} class="{piece.look}" title="Numbers of a list, counted anew">{text}</{tag}>'
    return f'<{tag} class="{piece.look}" data-edit="{edit}" title="{escape(_hover(edit, shown))}">{text}</{tag}>'


def _hover(edit: int, shown: Answered) -> str:
    standing = shown.standing_words(edit)
    head = f"Edit {edit + 1}{f', {standing}' if standing else ''}"
    return f"{head}: {sentence(shown.title(edit))} {sentence(shown.reason(edit) or shown.asked(edit))}"


def _button(edit: int, shown: Answered) -> str:
    standing = shown.standing_words(edit)
    told = f", {standing}" if standing else ""
    look = "number refused" if edit in shown.left_out else "number"
    return (
        f'<button type="button" class="{look}" popovertarget="{shown.prefix}-why-{edit}" '
        f'data-key="{shown.prefix}-number-{edit}">{unseen("Edit ")}{edit + 1}{unseen(f"{told}: why")}</button>'
    )
