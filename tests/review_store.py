"""The review store that tests run against, on SQLite and on PostgreSQL, and what reviewers do to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import postgres
from review_records import record

from training.review.sheet import Sheet
from training.review.store import ReviewStore


@pytest.fixture(scope="module", name="postgres_url")
def postgres_url_fixture() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"], name="store")
def store_fixture(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReviewStore]:
    if request.param == "postgresql":
        opened = ReviewStore(request.getfixturevalue("postgres_url"))
        with opened.database.writing() as connection:
            for name in ("records", "contents", "sheets", "changes", "tallies", "search"):
                connection.exec_driver_sql(f"DELETE FROM rubric_{name}")
    else:
        opened = ReviewStore(str(tmp_path / "reviews.sqlite"))
    opened.add([record("cough"), record("cold"), record("flu")])
    yield opened
    opened.close()


def decide(store: ReviewStore, record_id: str, *decisions: tuple[str, str]) -> None:
    for reviewer, decision in decisions:
        version = store.sheet(record_id, reviewer).version
        store.decide(record_id, reviewer, base_version=version, decision=decision)  # type: ignore[arg-type]


def save(store: ReviewStore, sheet: Sheet, criteria: tuple, comment: str = "") -> Sheet:
    return store.save(
        sheet.record.id, sheet.reviewer, base_version=sheet.version, criteria=criteria, comment=comment
    ).sheet
