"""The review store's database: whose file it is, what it is not, and what is told where it can't be opened."""

from __future__ import annotations

import multiprocessing
import sqlite3
import stat
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from review_records import record

from agent.errors import ConfigError
from training.review.store import ReviewStore


def _count(file: str) -> int:
    return ReviewStore(file).progress().records


def test_many_processes_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    with ProcessPoolExecutor(6, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(_count, [str(tmp_path / "reviews.sqlite")] * 6)) == [0] * 6


def test_the_file_is_its_owners_alone_and_opens_again(tmp_path: Path) -> None:
    file = tmp_path / "reviews.sqlite"
    first = ReviewStore(str(file))
    first.add([record()])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ReviewStore(str(file)).progress().records == 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://somewhere/db", "can't be kept in mysql"),
        ("sqlite://", "in memory would be lost"),
        ("://", "can't be read"),
        ("/nowhere/at/all.sqlite", "No such file"),
        ("postgresql://me:secret@/db?host=/nowhere", "reviews can't be kept in postgresql"),
    ],
)
def test_a_store_that_can_t_be_opened_is_told_without_its_password(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        ReviewStore(url)
    assert "secret" not in str(refused.value)


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.sqlite"
    sqlite3.connect(file).executescript("CREATE TABLE theirs (a)")
    with pytest.raises(ConfigError, match="something else than reviews"):
        ReviewStore(str(file))
