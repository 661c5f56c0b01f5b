"""Twenty reviewers saving at once, on their own sheets and all on one, in several processes: no edit is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from postgres_server import postgres

from training.review.bench import measure_latency
from training.review.hammering import hammer

pytestmark = pytest.mark.slow
WRITERS, SAVES = 20, 5


def test_no_edit_is_lost_on_sqlite(tmp_path: Path) -> None:
    found = hammer(str(tmp_path / "reviews.sqlite"), writers=WRITERS, saves=SAVES)
    assert (found.edits, found.lost) == (2 * WRITERS * SAVES, 0)
    assert found.merged


def test_no_edit_is_lost_on_postgresql() -> None:
    with postgres() as url:
        found = hammer(url, writers=WRITERS, saves=SAVES)
    assert (found.edits, found.lost) == (2 * WRITERS * SAVES, 0)
    assert found.merged


def test_latency_is_measured_for_every_operation(tmp_path: Path) -> None:
    found = measure_latency(str(tmp_path / "a.sqlite"), str(tmp_path / "b.sqlite"), records=200, times=20)
    assert {"first page", "sheet", "save"} <= {one.operation for one in found}
    assert all(one.empty_p50 > 0 for one in found)
