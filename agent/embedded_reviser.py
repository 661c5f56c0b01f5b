"""The reviser that needs no LLM: ready wording added, caught sentences removed or reworded, all else left byte for byte.

Edits come in the order of precedence (docs/architecture.md). Each is tried by itself and kept only if it mends its criterion
and loses no other. It never removes a protected fact unless the principle is safety-critical, and adds nothing to a text
that isn't English, since the wording is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.detectors import AnswerView
from agent.edit import Edit, EditOp, Patch, Revision, patch_between
from agent.embedded_judge import EmbeddedJudge
from agent.engine import Case
from agent.guard import facts
from agent.ledger import Ledger
from agent.rubric import Criterion, Verdict, is_satisfied
from agent.sentences import count_words, replace_span, split
from principles_store.conversation import last_turn
from principles_store.library import Library
from principles_store.principle import Axis, Place, Principle

MAX_ADDED = 3
"""Added passages per revision; more would turn an answer into a leaflet."""
_AXIS_ORDER: tuple[Axis, ...] = (
    "instruction_following",
    "accuracy",
    "context_awareness",
    "completeness",
    "communication_quality",
)
_ENGLISH = frozenset(
    """
    the and are it you your my with that this these if not be can may from have has should when more than
    take by or what how which there they their any does do yes about after before until without each every
    """.split()
)
"""Common words that are words of no other common language, unlike `in`, `of`, `is`, `for` or `will`."""
MIN_ENGLISH_SHARE = 0.05
"""Of those among all words; terse English notes have 0.06, prose 0.2, other languages under 0.01."""
MAX_FOREIGN_LETTERS = 0.1
"""Share of letters outside ASCII; languages without spaces have too few words to count."""
NOT_ENGLISH = "the draft isn't in English: the embedded engine adds nothing to it, since its wording is English"


@dataclass(frozen=True)
class _Working:
    """The text as it stands, with the edits, where they took effect, and added passages so far."""

    text: str
    edits: tuple[Edit, ...] = ()
    added: tuple[tuple[Place, str], ...] = ()
    patches: tuple[Patch, ...] = ()

    def with_edit(self, text: str, edit: Edit, added: tuple[Place, str] | None = None) -> _Working:
        patch = patch_between(self.text, text, len(self.edits))
        return _Working(
            text,
            (*self.edits, edit),
            (*self.added, added) if added else self.added,
            (*self.patches, patch) if patch else self.patches,
        )


class EmbeddedReviser:
    """Carries out what the principles' guidance says, mechanically."""

    def __init__(self, judge: EmbeddedJudge, library: Library) -> None:
        self._judge = judge
        self._library = library

    def revise(
        self,
        case: Case,
        draft: str,
        rubric: Sequence[Criterion],
        verdicts: Sequence[Verdict],
        *,
        max_words: int,
        ledger: Ledger,
    ) -> Revision:
        english = is_english(draft, last_turn(case.conversation))
        working = _Working(draft)
        current = list(verdicts)
        for number in self._order(rubric, verdicts):
            if is_satisfied(rubric[number], current[number]) is not False:
                continue  # an earlier edit has mended it
            for proposal in self._proposals(case, working, rubric[number], english=english):
                if count_words(proposal.text) > max(max_words, count_words(working.text)):
                    continue
                fresh = self._judge.judge(case.conversation, [proposal.text], rubric, ledger=ledger)[0]
                if is_satisfied(rubric[number], fresh[number]) and not _loses(rubric, current, fresh):
                    working, current = proposal, fresh
                    break
        return Revision(working.text, working.edits, () if english else (NOT_ENGLISH,), working.patches)

    def _order(self, rubric: Sequence[Criterion], verdicts: Sequence[Verdict]) -> list[int]:
        """Return the positions of the failing criteria: corrections before additions, each in order of precedence.

        An addition first would move a mistake out of the place where its detector looks for it.
        """

        def rank(number: int) -> tuple[bool, bool, int, int]:
            criterion = rubric[number]
            principle = self._library.by_id[criterion.principle_id or ""]
            axis = _AXIS_ORDER.index(principle.axis)
            return (criterion.points > 0, principle.severity != "critical", axis, -abs(criterion.points))

        failing = [
            number
            for number, (criterion, verdict) in enumerate(zip(rubric, verdicts, strict=True))
            if is_satisfied(criterion, verdict) is False and criterion.principle_id in self._library.by_id
        ]
        return sorted(failing, key=rank)

    def _proposals(self, case: Case, working: _Working, criterion: Criterion, *, english: bool) -> Iterator[_Working]:
        """Yield the ways of mending one criterion, best first."""
        principle = self._library.by_id[criterion.principle_id or ""]
        kind = principle.guidance.edit
        if kind == "add" and criterion.points > 0 and english and _may_add(case, principle, working):
            yield from _addition(case, working, principle, criterion)
        elif kind in ("remove", "rewrite", "replace") and criterion.points < 0:
            yield from self._corrections(case, working, principle, criterion)

    def _corrections(
        self, case: Case, working: _Working, principle: Principle, criterion: Criterion
    ) -> Iterator[_Working]:
        """Yield the text with every sentence that shows the mistake corrected."""
        view = AnswerView(working.text, self._judge.embedder)
        position = [c.text for c in principle.criteria].index(criterion.text)
        caught = self._judge.detector(principle, position).all_sentences(view)
        changed = working
        for sentence in reversed(caught):  # from the end, so that earlier places stay valid
            span = working.text[sentence.start : sentence.end]
            after = _corrected(span, case, principle)
            if after is None or after == span or any(span in edit.after for edit in working.edits):
                continue
            if principle.severity != "critical" and facts(span) - facts(after):
                continue  # a lesser principle is no reason to take away a fact
            op: EditOp = "MODIFY" if after else "REMOVE"
            text = replace_span(changed.text, sentence.span, after)
            changed = changed.with_edit(text, Edit(op, span, after, principle.id, criterion.text, principle.title))
        if changed is not working and split(changed.text):
            yield changed


def is_english(text: str, question: str) -> bool:
    """Tell whether a text is mostly English; a text of few words is taken together with the question it answers."""
    letters = [character for character in text if character.isalpha()]
    if sum(not character.isascii() for character in letters) > MAX_FOREIGN_LETTERS * len(letters):
        return False
    words = re.findall(r"[^\W\d_]+", text.lower())
    if len(words) < 8:
        words += re.findall(r"[^\W\d_]+", question.lower())
    return sum(word in _ENGLISH for word in words) >= MIN_ENGLISH_SHARE * len(words)


def _may_add(case: Case, principle: Principle, working: _Working) -> bool:
    """Tell whether this principle may lengthen the text: asked-for form comes before all that isn't critical."""
    if len(working.added) >= MAX_ADDED:
        return False
    if case.form.is_text_work:  # advice has no place in a note, a translation or a story that is to be handed on
        return principle.dimension == "task_type"
    if principle.severity == "critical":
        return True
    on_data = case.scenario.task.startswith("data-task") and principle.dimension != "task_type"
    return case.form.max_words is None and not on_data


def _addition(case: Case, working: _Working, principle: Principle, criterion: Criterion) -> Iterator[_Working]:
    wording = principle.guidance.wording
    text = wording.professional if case.scenario.expertise == "professional" else wording.lay
    place: Place = principle.guidance.place
    if place == "start" and case.scenario.urgency == "non-emergent":
        place = "end"
    taken = [used for used, _ in working.added]
    if text is None or text in working.text or (place != "end" and place in taken):
        return
    if place == "question" and any(sentence.plain.endswith("?") for sentence in split(working.text)[-3:]):
        return  # one question back is enough
    edit = Edit("ADD", "", text, principle.id, criterion.text, principle.title)
    yield working.with_edit(_placed(working, text, place), edit, (place, text))


def _placed(working: _Working, text: str, place: Place) -> str:
    """Return the text with a passage added: emergencies first, questions last, all else before a closing question."""
    body = working.text.rstrip()
    if place == "start":
        return f"{text}\n\n{working.text.lstrip()}"
    head, gap, last = body.rpartition("\n\n")
    if place == "end" and head and last.rstrip("*_ ").endswith("?") and "\n" not in last:
        return f"{head}\n\n{text}{gap}{last}"
    return f"{body}\n\n{text}"


def _corrected(span: str, case: Case, principle: Principle) -> str | None:
    """Return what a sentence becomes, empty if it goes; None if the principle has nothing for this reader."""
    guidance = principle.guidance
    if guidance.edit == "remove":
        return ""
    if guidance.edit == "replace":
        return guidance.wording.professional if case.scenario.expertise == "professional" else guidance.wording.lay
    for rewrite in guidance.rewrites:
        span = re.sub(rewrite.find, rewrite.replace, span, flags=re.IGNORECASE)
    return span[:1].upper() + span[1:] if span else span


def _loses(rubric: Sequence[Criterion], before: Sequence[Verdict], after: Sequence[Verdict]) -> bool:
    return any(
        is_satisfied(c, old) is True and is_satisfied(c, new) is not True
        for c, old, new in zip(rubric, before, after, strict=True)
    )
