"""The database of the review store, opened: SQLite in a file, or PostgreSQL by URL.

Writers of one SQLite file wait for each other from the start of a transaction (BEGIN IMMEDIATE), since one that has read and then
wants to write would be refused instead. On PostgreSQL a writer locks the record's row.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from agent.errors import ConfigError
from training.review import searching
from training.review.errors import ReviewStoreError
from training.review.tables import FORM, form, metadata

PRIVATE = 0o600
_WAIT_S = 30
"""For another writer; each write takes milliseconds."""
_CONNECTIONS = 20
"""Kept open, at most."""
_CREATING = 0x436C4172
"""Number of the lock that PostgreSQL holds while the tables are made."""


class Database:
    """One open database; safe to use from many threads, and the database from many processes."""

    def __init__(self, url: str | None = None) -> None:
        """Open a database or a SQLite file, with tables where there are none. Raises ConfigError naming what is wrong."""
        self.url = _checked_url(url)
        self.name = self.url.render_as_string(hide_password=True)
        try:
            self._engine = _engine(self.url)
            self._writer = self._engine.execution_options(writes=True)
            with self._writer.begin() as connection:
                _prepare(connection, self.name)
        except ModuleNotFoundError as error:
            raise ConfigError(f"{self.name} needs {error.name}; run pip install 'clinalign[postgres]'") from error
        except (OSError, SQLAlchemyError) as error:
            raise ConfigError(f"reviews can't be kept in {self.name}: {_reason(error)}; name another store") from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database."""
        with self._guarded(self._engine) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection whose work is kept as a whole, or not at all if the block raises."""
        with self._guarded(self._writer) as connection:
            yield connection

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._engine.dispose()

    @contextmanager
    def _guarded(self, engine: Engine) -> Iterator[Connection]:
        try:
            with engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise ReviewStoreError(
                f"the review store {self.name} refused: {_reason(error)}; nothing was changed, try again"
            ) from error


def default_file() -> Path:
    """Return where reviews are kept unless told otherwise; makes the folder."""
    from platformdirs import user_data_path

    folder = user_data_path("clinalign")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"reviews can't be kept in {folder}: {error}; name a store with --store") from error
    return folder / "rubric-reviews.sqlite"


def _checked_url(given: str | None) -> URL:
    if given is None or "://" not in given:
        return URL.create("sqlite", database=str(Path(given) if given else default_file()))
    try:
        url = make_url(given)
    except ArgumentError as error:
        raise ConfigError("the review store's URL can't be read; write postgresql://user@host/database") from error
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername != "sqlite":
        raise ConfigError(f"reviews can't be kept in {url.drivername}; name a SQLite file or postgresql://…")
    if url.database in (None, "", ":memory:"):
        raise ConfigError("a review store in memory would be lost with the process; name a file")
    return url


def _engine(url: URL) -> Engine:
    pool: dict[str, Any] = {"pool_size": _CONNECTIONS, "max_overflow": _CONNECTIONS, "pool_timeout": _WAIT_S}
    if url.drivername != "sqlite":
        seconds = {"connect_timeout": 10}
        return create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=seconds, **pool)
    assert url.database  # noqa: S101 - looked at by _checked_url
    # SQLite would make it with wider rights. One that exists must not be opened and closed here: that drops the locks
    # which other connections of this process have on it (sqlite.org/howtocorrupt.html, 2.2).
    with suppress(FileExistsError):
        os.close(os.open(url.database, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE))
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": _WAIT_S}, **pool)
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: Any, _: object) -> None:
    connection.isolation_level = None  # no BEGIN but our own
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "temp_store = MEMORY", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare(connection: Connection, name: str) -> None:
    """Make the tables if there are none; raises ConfigError for those of another form, or a file of something else."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _CREATING})
    tables = set(inspect(connection).get_table_names())
    if form.name not in tables:
        if tables and connection.dialect.name == "sqlite":
            raise ConfigError(f"{name} is a database of something else than reviews; name another file")
        metadata.create_all(connection)
        searching.make(connection)
        connection.execute(insert(form).values(form=FORM))
        return
    found = connection.execute(select(form.c.form)).scalar_one()
    if found != FORM:
        raise ConfigError(
            f"{name} holds reviews in form {found}, this version of clinalign reads form {FORM}; open it with the version "
            "that wrote it, or name another store"
        )


def _reason(error: Exception) -> str:
    """Return the database's own words, without the statement, whose values may be anybody's text."""
    told = str(getattr(error, "orig", None) or getattr(error, "strerror", None) or error)
    return told.strip().partition("\n")[0]
