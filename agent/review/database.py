"""The SQLite file of conversations: LangGraph's checkpoints, and two tables of our own for titles and for replies paid for.

Texts stand in it in the clear: it is its owner's alone (0600). Who owns a conversation, and its id, stand there as hashes only;
a login name stands beside the decisions that were made under it. What is deleted is overwritten, in the log beside the file too.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import ConfigError

if TYPE_CHECKING:
    from langgraph.checkpoint.sqlite import SqliteSaver

PRIVATE = 0o600
_APPLICATION = 0x436C4172
"""Marks the file as ours."""
_VERSION = 1
"""Of the tables below and of what the checkpoints hold (turn.py)."""
_WAIT_S = 30.0
"""For another process that writes; each write takes milliseconds."""
_TABLES = f"""
    PRAGMA application_id = {_APPLICATION};
    PRAGMA user_version = {_VERSION};
    CREATE TABLE IF NOT EXISTS conversations (
        thread TEXT PRIMARY KEY, owner TEXT NOT NULL, name BLOB NOT NULL, title TEXT NOT NULL, updated TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS conversations_of ON conversations (owner, updated);
    CREATE TABLE IF NOT EXISTS replies (
        thread TEXT NOT NULL, request TEXT NOT NULL, text TEXT NOT NULL, calls TEXT NOT NULL, cost REAL NOT NULL
    );
    CREATE INDEX IF NOT EXISTS replies_of ON replies (thread);
"""


class Database:
    """One open file, or one in memory; safe to use from many threads, each statement by itself."""

    def __init__(self, file: Path | None) -> None:
        self.saver = _opened(file)

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return what a SELECT finds."""
        with self.saver.cursor(transaction=False) as cursor:
            return cursor.execute(statement, values).fetchall()

    def write(self, statement: str, *values: Any) -> None:
        """Carry out a statement, kept before it returns."""
        with self.saver.cursor() as cursor:
            cursor.execute(statement, values)

    def remember(self, thread: str, *, owner: str, name: bytes, title: str) -> None:
        """Note a conversation, and that something happens in it now; one that is known keeps its title."""
        statement = "INSERT INTO conversations VALUES (?, ?, ?, ?, ?) ON CONFLICT (thread) DO UPDATE SET updated = excluded.updated"
        self.write(statement, thread, owner, name, title, _now())

    def touch(self, thread: str) -> None:
        """Note that something has happened in a conversation."""
        self.write("UPDATE conversations SET updated = ? WHERE thread = ?", _now(), thread)

    def prune(self, thread: str) -> None:
        """Leave only a thread's latest checkpoint: each holds all of it, so they would grow with the square of its turns."""
        ((latest,),) = self.rows("SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = ?", thread)
        self.write("DELETE FROM checkpoints WHERE thread_id = ? AND checkpoint_id < ?", thread, latest)
        self.write("DELETE FROM writes WHERE thread_id = ? AND checkpoint_id < ?", thread, latest)

    def forget(self, thread: str) -> None:
        """Delete a conversation and every trace of its text in the file; the log beside it is for `empty_log`."""
        self.saver.delete_thread(thread)
        self.write("DELETE FROM replies WHERE thread = ?", thread)
        self.write(
            "DELETE FROM conversations WHERE thread = ?", thread
        )  # last, so that a kill leaves what can be found again

    def empty_log(self) -> None:
        """Bring the log into the file, so that what was deleted does not stand in it either."""
        with self.saver.cursor(transaction=False) as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file, after the statement that is under way."""
        with self.saver.lock:
            self.saver.conn.close()


def default_file() -> Path:
    """Return where the chat keeps conversations unless told otherwise; makes the folder."""
    from platformdirs import user_data_path

    folder = user_data_path("clinalign")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"conversations can't be kept in {folder}: {error}; name a file with --history") from error
    return folder / "conversations.sqlite"


def _opened(file: Path | None) -> SqliteSaver:
    try:
        from langgraph.checkpoint.sqlite import SqliteSaver
    except ImportError as error:
        raise ConfigError("keeping conversations needs one more package: pip install 'clinalign[app]'") from error
    try:
        with ExitStack() as on_error:
            connection = _connected(file)
            on_error.callback(connection.close)
            _check_ours(connection, file)
            connection.executescript(_TABLES)
            saver = SqliteSaver(connection)
            saver.setup()
            if file is not None:
                file.chmod(PRIVATE)
            on_error.pop_all()
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"conversations can't be kept in {file}: {error}; name another file") from error
    return saver


def _connected(file: Path | None) -> sqlite3.Connection:
    if file is not None:
        # SQLite would make it with wider rights. One that exists must not be opened and closed here: that drops the locks
        # which other connections of this process have on it (sqlite.org/howtocorrupt.html, 2.2).
        with suppress(FileExistsError):
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE))
    connection = sqlite3.connect(file or ":memory:", timeout=_WAIT_S, check_same_thread=False)
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA synchronous = NORMAL")  # a kill loses nothing; a power cut may lose the last moments
    connection.execute("PRAGMA temp_store = MEMORY")  # no text in files that we don't know of
    return connection


def _check_ours(connection: sqlite3.Connection, file: Path | None) -> None:
    """Raise ConfigError if the database is not empty and not of this version."""
    (tables,), (application,), (version,) = (
        connection.execute(query).fetchone()
        for query in ("SELECT count(*) FROM sqlite_master", "PRAGMA application_id", "PRAGMA user_version")
    )
    if not tables:
        return
    if application != _APPLICATION:
        raise ConfigError(f"{file} is a database of something else than conversations; name another file")
    if version != _VERSION:
        raise ConfigError(
            f"{file} holds conversations in form {version}, this version of clinalign reads form {_VERSION}; open it with the "
            "version that wrote it, or name another file"
        )


def _now() -> str:
    return datetime.now(UTC).isoformat()
