"""Lists of the review store on SQLite and on PostgreSQL: pages, searches, what is next, and what is counted."""

from __future__ import annotations

from random import Random

import pytest
from review_records import record
from review_store import decide, postgres_url_fixture, store_fixture  # noqa: F401
from sqlalchemy import func, select

from agent.errors import InputError
from training.review import tallies
from training.review.listing import COUNTED
from training.review.store import ReviewStore
from training.review.tables import records, sheets


def test_next_is_open_before_deferred_and_least_reviewed_first(store: ReviewStore) -> None:
    decide(store, "cough", ("bob", "accept"))
    decide(store, "cold", ("ann", "defer"))
    seen = [store.next_for("ann"), store.next_for("ann", after="flu"), store.next_for("ann", after="cough")]
    assert seen == ["flu", "cough", "flu"]
    decide(store, "flu", ("ann", "reject"))
    decide(store, "cough", ("ann", "reject"))
    assert store.next_for("ann") == "cold"


def test_nothing_is_next_when_all_is_decided(store: ReviewStore) -> None:
    for record_id in ("cough", "cold", "flu"):
        decide(store, record_id, ("ann", "reject"))
    assert store.next_for("ann") is None


@pytest.mark.parametrize(
    ("state", "words", "ids"),
    [
        (None, "", ["cough", "cold", "flu"]),
        ("open", "", ["cough"]),
        ("rejected", "", ["cold", "flu"]),
        (None, "COUGH week (cold)", ["cold"]),
        ("open", "cold", []),
        (None, "100%", []),
    ],
)
def test_a_list_holds_what_was_asked_for(store: ReviewStore, state: str | None, words: str, ids: list[str]) -> None:
    decide(store, "cold", ("ann", "reject"))
    decide(store, "flu", ("bob", "accept"), ("ann", "reject"))
    found = store.listing("ann", state=state, words=words)  # type: ignore[arg-type]
    assert ([row.id for row in found.rows], found.total) == (ids, len(ids))


def test_pages_of_a_list_make_up_its_total(store: ReviewStore) -> None:
    decide(store, "cold", ("bob", "accept"), ("cy", "reject"))
    for state, total in ((None, 3), ("open", 2)):
        pages = [store.listing("ann", state=state, offset=start, limit=1) for start in range(total)]  # type: ignore[arg-type]
        assert len({page.rows[0].id for page in pages}) == total
        assert {page.total for page in pages} == {total}


def test_progress_counts_records_and_each_reviewer(store: ReviewStore) -> None:
    decide(store, "cold", ("ann", "reject"), ("bob", "reject"))
    decide(store, "flu", ("ann", "defer"))
    found = store.progress()
    assert (found.records, found.open, found.rejected, found.decisions, found.decisions_needed) == (3, 2, 1, 2, 6)
    assert found.reviewers["ann"].deferred == 1


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("FIÈ", ["fr"]),
        ("头痛", ["zh"]),
        ("दर्द", ["hi"]),
        ("' | a:* \" OR NEAR(", []),
        ("2.5 mg", ["fr"]),
        ("ièvre", []),
        ("!?", []),
    ],
)
def test_a_search_finds_how_words_begin_in_any_script_and_takes_nothing_for_a_query(
    store: ReviewStore, words: str, ids: list[str]
) -> None:
    said = {"fr": "Fièvre après 2.5 mg ?", "zh": "我最近头很痛，头痛怎么办", "hi": "सिर में दर्द है"}
    store.add([record(id, conversation=[{"role": "user", "content": text}]) for id, text in said.items()])
    assert [row.id for row in store.listing("ann", words=words).rows] == ids


def test_a_search_that_finds_very_many_says_that_it_has_stopped_counting(store: ReviewStore) -> None:
    store.add([record(f"r{number:03}") for number in range(COUNTED + 20)])
    first = store.listing("ann", words="cough week", limit=50)
    assert (len(first.rows), first.total, first.is_counted) == (50, COUNTED, False)
    last = store.listing("ann", words="cough week", offset=100, limit=50)
    assert (len(last.rows), last.total, last.is_counted) == (23, COUNTED + 23, True)


def test_the_next_record_is_found_behind_more_of_ones_own_than_are_read_at_once(store: ReviewStore) -> None:
    ids = [f"r{number:03}" for number in range(150)]
    store.add([record(id) for id in ids])
    for id in ("cough", "cold", "flu", *ids[:-1]):
        decide(store, id, ("ann", "reject"))
    decide(store, ids[-1], ("bob", "reject"))
    assert store.next_for("ann") == ids[-1]


def test_what_is_counted_is_what_there_is_whatever_was_done(store: ReviewStore) -> None:
    random = Random(5)
    for _ in range(60):
        try:
            decide(
                store,
                random.choice(["cough", "cold", "flu"]),
                (random.choice(["ann", "bob", "cy"]), random.choice(["accept", "reject", "defer", "reopen"])),
            )
        except InputError:
            continue
    with store.database.reading() as connection:
        counted = tallies.read(connection)
        by_state = select(records.c.state, func.count()).group_by(records.c.state)
        found = {"open": 0, "dispute": 0, **dict(map(tuple, connection.execute(by_state)))}
        own = select(func.count()).select_from(sheets).where(sheets.c.reviewer == "ann")
        assert counted.sheets("ann").total() == connection.execute(own).scalar_one()
    assert (counted.records("open"), counted.records("dispute")) == (found["open"], found["dispute"])
    for name in ("ann", "bob", "cy"):
        assert counted.open_for(name) == len(store.listing(name, state="open").rows)
