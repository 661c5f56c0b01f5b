"""Conversations under review, each worked on by one thread at a time, and kept so that a restart comes back to where they stood.

A process may be killed at any moment. What it leaves is a turn that waits for a person, or an unfinished one, and `resume` goes on
with that: model calls that were paid for are not made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from agent.draft import check_draft
from agent.errors import InputError
from agent.events import Event
from agent.review.claims import Claims, ConversationBusyError
from agent.review.database import Database
from agent.review.decisions import read_decisions
from agent.review.graph import build_review_graph
from agent.review.names import Owner
from agent.review.replies import StoredReplies, forget_replies
from agent.review.turn import Turn, TurnChanged, messages
from agent.state import AgentContext
from principles_store.conversation import ConversationError, parse_conversation

_TITLE_CHARACTERS = 80
_LONGEST_DAYS = 36_500.0
_GONE_ON = "the conversation has gone on meanwhile; only its last answer can be decided on"
_UNFINISHED = "the conversation's last turn was cut off before it was finished; resume it first"

Events = Iterator[Event | TurnChanged]


@dataclass(frozen=True)
class Card:
    """One conversation in its owner's list."""

    id: str
    title: str
    """How its first question begins."""
    updated: datetime
    """UTC."""


class Conversations:
    """The conversations in one file; safe to use from many threads, and the file from many processes.

    `ask`, `resume` and `decide` return iterators that do the work: exhaust them, in one thread at a time. Their input is checked
    by the call itself. To end one early set the context's `cancelled`; an iterator that is dropped waits for the step it is at.
    """

    def __init__(self, file: Path | None) -> None:
        """Open a file, or make it; None: in memory. Raises ConfigError for what is no such file."""
        self._database = Database(file)
        self._claims = Claims(file and file.with_name(f"{file.name}-claims"))
        self._graph = build_review_graph(self._database.saver)
        for (thread,) in self._database.rows("SELECT DISTINCT thread FROM replies"):
            if not self._claims.is_held(thread) and not self._is_cut_off(thread):
                forget_replies(self._database, thread)  # a kill came between the end of its turn and this

    def cards(self, owner: str) -> list[Card]:
        """Return an owner's conversations, newest first."""
        whose = Owner(owner)
        query = "SELECT thread, name, title, updated FROM conversations WHERE owner = ? ORDER BY updated DESC"
        return [
            Card(whose.opened(thread, name), title, datetime.fromisoformat(updated))
            for thread, name, title, updated in self._database.rows(query, whose.hash)
        ]

    def turns(self, owner: str, id: str) -> list[Turn]:
        """Return a conversation's turns, oldest first; none if there is none of the owner's by this id."""
        return self._turns(Owner(owner).thread(id))

    def all_turns(self) -> Iterator[tuple[datetime, list[Turn]]]:
        """Yield everybody's conversations, oldest first, and when something last happened in them."""
        for thread, updated in self._database.rows("SELECT thread, updated FROM conversations ORDER BY updated"):
            yield datetime.fromisoformat(updated), self._turns(thread)

    def is_unfinished(self, owner: str, id: str) -> bool:
        """Tell whether a process ended in the middle of the last turn: of its answer, or of judging a recomposed one."""
        thread = Owner(owner).thread(id)
        return self._is_cut_off(thread) and not self._claims.is_held(thread)

    def ask(self, owner: str, id: str, question: str, draft: str | None, *, context: AgentContext) -> Events:
        """Have a question answered; a review that is pending is closed. Begins and ends with TurnChanged.

        The first event comes at once: the turn is kept, and no work done. Raises InputError for what can't be answered.
        """
        whose = Owner(owner)
        thread, name = whose.thread(id), whose.sealed(id)
        _check_question(self._turns(thread), question, draft)

        def work() -> Events:
            title = " ".join(question.split())[:_TITLE_CHARACTERS]
            self._database.remember(thread, owner=whose.hash, name=name, title=title)
            yield from self._stream(thread, {"question": question, "draft": draft}, context, until="ask")
            yield TurnChanged(self._turns(thread)[-1])
            yield from self._finish(thread, context)

        return self._claimed(thread, work())

    def decide(
        self,
        owner: str,
        id: str,
        decisions: Sequence[Mapping[str, Any]],
        *,
        by: str | None,
        context: AgentContext,
        turn: str | None = None,
    ) -> Events:
        """Decide on edits of the last turn: {edit, decision, comment?} each; what was decided before can be taken back.

        `turn` is the id of the turn that the person sees, where it may have been overtaken (None: the last, whichever it is).

        TurnChanged at once with the recomposed answer, and again with the verdicts on it. Raises InputError.
        """
        thread = Owner(owner).thread(id)
        given = [{**decision, "by": by} if isinstance(decision, Mapping) else decision for decision in decisions]
        turns = self._turns(thread)
        if turn is not None and (not turns or turns[-1]["id"] != turn):
            raise InputError(_GONE_ON)
        read_decisions(given, turns[-1] if turns else None)

        def work() -> Events:
            if [turn["id"] for turn in self._turns(thread)] != [turn["id"] for turn in turns]:
                raise InputError(_GONE_ON)
            yield from self._stream(thread, Command(resume=given), context, until="recompose")
            yield TurnChanged(self._turns(thread)[-1])
            yield from self._finish(thread, context)

        return self._claimed(thread, work())

    def resume(self, owner: str, id: str, *, context: AgentContext) -> Events:
        """Go on with an unfinished turn; yields nothing where there is none. Begins and ends with TurnChanged."""
        thread = Owner(owner).thread(id)

        def work() -> Events:
            if self._waits_for(thread) <= {"__start__", "ask"}:  # not even the question had become a turn
                yield from self._stream(thread, None, context, until="ask")
            yield TurnChanged(self._turns(thread)[-1])
            yield from self._finish(thread, context)

        return self._claimed(thread, work(), is_resuming=True)

    def delete(self, owner: str, id: str) -> None:
        """Forget a conversation; raises ConversationBusyError while it is worked on."""
        self._forget([Owner(owner).thread(id)])

    def delete_all(self, owner: str) -> None:
        """Forget all of an owner's conversations; raises ConversationBusyError at one that is worked on."""
        found = self._database.rows("SELECT thread FROM conversations WHERE owner = ?", Owner(owner).hash)
        self._forget([thread for (thread,) in found])

    def purge(self, *, days: float) -> int:
        """Forget the conversations in which nothing has happened for so many days; return how many. Raises InputError."""
        if not days >= 0:
            raise InputError(f"days must be 0 or more, got {days}")
        before = (datetime.now(UTC) - timedelta(days=min(days, _LONGEST_DAYS))).isoformat()
        old = "SELECT thread FROM conversations WHERE updated < ?"
        count = 0
        for (thread,) in self._database.rows(old, before):
            with suppress(ConversationBusyError), self._claims.held(thread):
                if self._database.rows(f"{old} AND thread = ?", before, thread):
                    self._database.forget(thread)
                    count += 1
        self._database.empty_log()
        return count

    def close(self) -> None:
        """Close the file; turns that are worked on break off, and are unfinished."""
        self._database.close()

    def _claimed(self, thread: str, work: Events, *, is_resuming: bool = False) -> Events:
        """Do work on a conversation that nobody else may touch meanwhile: on an unfinished turn, or on none."""
        with self._claims.held(thread):
            if self._is_cut_off(thread) == is_resuming:
                yield from work
            elif not is_resuming:
                raise ConversationBusyError(_UNFINISHED)

    def _finish(self, thread: str, context: AgentContext) -> Events:
        """Go on to where the turn ends, or waits for a person."""
        memory = StoredReplies(self._database, thread)
        yield from self._stream(thread, None, replace(context, memory=memory))
        forget_replies(self._database, thread)
        self._database.touch(thread)
        yield TurnChanged(self._turns(thread)[-1])

    def _stream(self, thread: str, given: Any, context: AgentContext, *, until: str | None = None) -> Iterator[Event]:
        """Yield what the steps tell, up to a step or to the end; then all is kept."""
        # LangGraph keeps every step by the end of a stream; durability="sync" would break the agent's own graph (1.2.22).
        stop = [until] if until else None
        events = self._graph.stream(given, _config(thread), context=context, stream_mode="custom", interrupt_after=stop)
        yield from cast(Iterator[Event], events)
        self._database.prune(thread)

    def _turns(self, thread: str) -> list[Turn]:
        return list(self._graph.get_state(_config(thread)).values.get("turns", ()))

    def _waits_for(self, thread: str) -> set[str]:
        """Return the steps that are next: none at the end of a turn that has no edits."""
        return set(self._graph.get_state(_config(thread)).next)

    def _is_cut_off(self, thread: str) -> bool:
        return bool(self._waits_for(thread) - {"review"})

    def _forget(self, threads: Sequence[str]) -> None:
        for thread in threads:
            with self._claims.held(thread):
                self._database.forget(thread)
        self._database.empty_log()


def _check_question(turns: Sequence[Turn], question: str, draft: str | None) -> None:
    """Raise InputError for what the agent would refuse, before anything is stored."""
    try:
        parse_conversation(question)
    except ConversationError as error:
        raise InputError(str(error)) from error
    try:
        parse_conversation([*messages(turns), {"role": "user", "content": question}])
    except ConversationError as error:
        raise InputError("this conversation has grown too long; begin a new one") from error
    if draft is not None:
        check_draft(draft)


def _config(thread: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread}}
