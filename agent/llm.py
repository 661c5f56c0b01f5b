"""The engine that asks chat models: at most four calls an answer, and one where the draft is good.

draft (if none is given) → critique: rubric, verdicts and edit plan in one → revise: edits by segment number → judge: both texts,
blind. The prompts are `prompts/*.md`, their shapes `llm_schemas.py`, the call itself `chat.py`. What a model says decides nothing
by itself: numbers are checked, spans are cut by code, and `guard.py` and `acceptance.py` have the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.messages import convert_to_messages

from agent.chat import ChatClient
from agent.context_window import ContextWindow, estimate_tokens, fit
from agent.edit import Edit, Revision, patched
from agent.engine import Case, Engine
from agent.events import DraftToken
from agent.judge import Judge
from agent.ledger import Ledger, Limits
from agent.llm_judge import ModelCritic, ModelJudge
from agent.llm_prompts import revise_prompt
from agent.llm_schemas import Edits, ProposedEdit, edits_schema
from agent.rubric import OWN_KNOWLEDGE, Criterion, Verdict, is_satisfied
from agent.segments import SegmentEdit, apply_edits, before, check_edits, edit_patches, segments
from agent.sentences import count_words
from principles_store.conversation import Conversation

BESIDE_CONVERSATION = 5_000
"""Tokens kept free for instructions, principles and rubric when a long conversation is fitted."""


@dataclass(frozen=True)
class ModelDrafter:
    """Writes the draft as the model would answer without us: the conversation alone, no prompt of ours."""

    client: ChatClient

    def draft(self, case: Case, *, ledger: Ledger, on_token: Callable[[DraftToken], None]) -> str:
        messages = convert_to_messages([dict(message) for message in case.conversation])
        return self.client.ask(messages, step="draft", prompt="", prompt_hash="", ledger=ledger, on_token=on_token)


@dataclass(frozen=True)
class ModelReviser:
    """Has the edit plan carried out as edits by segment number, and applies them."""

    client: ChatClient

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
        failing = [n for n, criterion in enumerate(rubric) if _is_to_be_mended(criterion, verdicts[n])]
        if not failing:
            return Revision(draft)
        failing.sort(key=lambda n: -abs(rubric[n].points))
        asked = revise_prompt(case.conversation, draft, rubric, verdicts, failing, max_words=max_words)
        schema = edits_schema([n + 1 for n in failing], len(segments(draft)))

        def check(reply: Edits) -> None:
            if wrong := [e.criterion for e in reply.edits if e.criterion - 1 not in failing]:
                raise ValueError(f"criterion {wrong[0]} is not in the plan; each edit names a criterion that is")
            check_edits(draft, [_segment_edit(edit) for edit in reply.edits])

        reply = asked.of(self.client, Edits, schema=schema, check=check, ledger=ledger)
        kept, dropped = _within_budget(draft, reply.edits, rubric, max_words)
        edits = tuple(_edit(edit, draft, rubric) for edit in kept)
        notes = (f"{dropped} edits were left out: the text would have been too long",) if dropped else ()
        patches = edit_patches(draft, [_segment_edit(edit) for edit in kept])
        return Revision(patched(draft, patches), edits, notes, patches)


@dataclass(frozen=True)
class WindowFitter:
    """Fits a long conversation into what the smaller of the models takes."""

    windows: tuple[ContextWindow, ...]
    output_tokens: int
    """Kept free for the reply, and for each text that is judged."""

    def __call__(self, conversation: Conversation, draft: str | None) -> tuple[Conversation, str | None]:
        warnings = []
        texts = 2 * (self.output_tokens if draft is None else estimate_tokens(draft))
        for window in self.windows:
            reserved = BESIDE_CONVERSATION + texts + self.output_tokens
            conversation, warning = fit(conversation, window, reserved=reserved)
            warnings += [warning] if warning else []
        return conversation, warnings[0] if warnings else None


def llm_engine(
    writer: ChatClient,
    critic: ChatClient,
    *,
    limits: Limits,
    windows: tuple[ContextWindow, ...] = (),
    judge: Judge | None = None,
    overruled_by: Judge | None = None,
) -> Engine:
    """Return the engine of one model, or of two: the critic also judges, so that no model marks its own draft.

    `judge` judges in the critic's place where it is given, and `overruled_by` the critic's own verdicts on the draft.
    """
    judge = judge or ModelJudge(critic)
    return Engine(
        name=f"llm (writer {writer.name}, judge {judge.name})",
        drafter=ModelDrafter(writer),
        rubric_writer=ModelCritic(critic, limits, overruled_by),
        judge=judge,
        reviser=ModelReviser(writer),
        drafts_from_model=True,
        weighs_principles=True,
        model_name=writer.name,
        judge_name=judge.name,
        fitter=WindowFitter(windows, writer.max_output_tokens),
    )


def _is_to_be_mended(criterion: Criterion, verdict: Verdict) -> bool:
    """Tell whether it goes into the plan; an empty `fix` says that a change would do more harm than good."""
    satisfied = is_satisfied(criterion, verdict)
    return (satisfied is False and verdict.fix != "") or (satisfied is None and bool(verdict.fix))


def _segment_edit(edit: ProposedEdit) -> SegmentEdit:
    return SegmentEdit(edit.op, edit.first, edit.last, edit.text, edit.shape)


def _edit(edit: ProposedEdit, draft: str, rubric: Sequence[Criterion]) -> Edit:
    criterion = rubric[edit.criterion - 1]
    after = "" if edit.op == "REMOVE" else edit.text.strip()
    taken = before(draft, _segment_edit(edit))
    return Edit(edit.op, taken, after, criterion.principle_id or OWN_KNOWLEDGE, criterion.text, edit.why)


def _within_budget(
    draft: str, edits: Sequence[ProposedEdit], rubric: Sequence[Criterion], max_words: int
) -> tuple[list[ProposedEdit], int]:
    """Return the edits without the least important of those that make the text too long, and how many those are."""
    kept = list(edits)
    while kept and count_words(apply_edits(draft, [_segment_edit(edit) for edit in kept])) > max_words:
        growing = [edit for edit in kept if count_words(edit.text) > count_words(before(draft, _segment_edit(edit)))]
        if not growing:
            break
        kept.remove(min(growing, key=lambda edit: (abs(rubric[edit.criterion - 1].points), edit.op != "ADD")))
    return kept, len(edits) - len(kept)
