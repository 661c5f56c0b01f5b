"""Conversations that the server keeps, in SQLite by LangGraph's checkpointer; the latest state of each, and nothing else.

A thread belongs to the key it was begun with: its name in the file is a keyed hash, so that nobody reads another's by guessing its
name, and the file tells neither key nor name. The texts themselves are there in the clear: the file is the owner's alone (0600).
"""

from __future__ import annotations

import hashlib
import operator
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph

from agent.errors import ConfigError
from principles_store.conversation import Message
from principles_store.errors import ClinAlignError


class ThreadBusyError(ClinAlignError):
    """The thread's last turn has no answer yet."""


class ThreadState(TypedDict):
    """What is kept of a thread: plain texts, so that reading it back never makes objects."""

    messages: Annotated[list[dict[str, str]], operator.add]


def thread_id(name: str, *, owner: bytes) -> str:
    """Return the name under which a thread is kept; `owner` is the secret of whoever began it, empty where there is none."""
    return hashlib.blake2b(name.encode(), key=hashlib.sha256(owner).digest(), digest_size=24).hexdigest()


class Threads:
    """The threads in one file; safe to use from many threads and processes."""

    def __init__(self, file: Path) -> None:
        self._saver = _open(file)
        graph = StateGraph(ThreadState)
        graph.add_node("keep", _keep)
        graph.add_edge(START, "keep")
        graph.add_edge("keep", END)
        self._graph = graph.compile(checkpointer=self._saver, name="clinalign-threads")
        self._busy: set[str] = set()

    @contextmanager
    def turn(self, id_: str) -> Iterator[Turn]:
        """Begin a turn of a thread; raise ThreadBusyError while another is under way in this server."""
        if id_ in self._busy:
            raise ThreadBusyError("the thread's last turn is still being answered; wait for it")
        self._busy.add(id_)
        turn = Turn(self, id_, lambda: self._busy.discard(id_))
        try:
            yield turn
        finally:
            turn.end()

    def messages(self, id_: str) -> list[Message]:
        """Return what a thread holds, oldest first; nothing if it is new."""
        kept: list[Message] = self._graph.get_state(_config(id_)).values.get("messages", [])
        return list(kept)

    def append(self, id_: str, messages: Sequence[Message]) -> None:
        """Add turns to a thread."""
        saved = self._graph.update_state(_config(id_), {"messages": list(messages)}, as_node="keep")
        # Each checkpoint holds the whole thread: the earlier ones would make the file grow with the square of its turns.
        latest = (id_, saved["configurable"]["checkpoint_id"])
        with self._saver.cursor() as cursor:
            cursor.execute("DELETE FROM checkpoints WHERE thread_id = ? AND checkpoint_id < ?", latest)
            cursor.execute("DELETE FROM writes WHERE thread_id = ? AND checkpoint_id < ?", latest)

    def delete(self, id_: str) -> None:
        """Forget a thread."""
        self._saver.delete_thread(id_)

    def close(self) -> None:
        self._saver.conn.close()


class Turn:
    """One turn of a thread, from its question to its answer."""

    def __init__(self, threads: Threads, id_: str, on_end: Callable[[], None]) -> None:
        self._threads, self._id, self._on_end = threads, id_, on_end
        self._has_ended = False

    def earlier(self) -> list[Message]:
        """Return what the thread holds so far."""
        return self._threads.messages(self._id)

    def keep(self, messages: Sequence[Message]) -> None:
        """Add the turn to the thread and end it: whoever has seen the answer may go on at once."""
        self._threads.append(self._id, messages)
        self.end()

    def end(self) -> None:
        """Let the next turn begin; does nothing the second time, since by then another may be under way."""
        if not self._has_ended:
            self._has_ended = True
            self._on_end()


def _open(file: Path) -> Any:
    try:
        from langgraph.checkpoint.sqlite import SqliteSaver
    except ImportError as error:
        raise ConfigError("keeping conversations needs one more package: pip install 'clinalign[serve]'") from error
    try:
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))  # before SQLite makes it with wider rights
        saver = SqliteSaver(sqlite3.connect(file, check_same_thread=False))  # it has a lock of its own
        saver.setup()
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"conversations can't be kept in {file}: {error}") from error
    return saver


def _keep(state: ThreadState) -> dict[str, Any]:
    """Do nothing: the turns come by `update_state`."""
    return {}


def _config(id_: str) -> RunnableConfig:
    return {"configurable": {"thread_id": id_}}
