"""Many reviewers saving at once, on sheets of their own and all on one, in several processes: is any edit lost?

An edit counts as kept if, once its save was acknowledged, it stands in the history, and the last one of its writer on the sheet.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from training.review.bench_records import made_up_records
from training.review.errors import StaleSheetError
from training.review.sheet import Sheet, SheetCriterion
from training.review.store import ReviewStore, Saved

_PROCESSES = 4
_ATTEMPTS = 100
"""Of one edit that is refused as stale, before it counts as lost; each begins from a new reading."""
_OWN, _SHARED = "own", "shared"


@dataclass(frozen=True)
class Hammered:
    """What came of it."""

    writers: int
    edits: int
    """Acknowledged, on all sheets."""
    lost: int
    merged: int
    """Saves into which somebody else's were merged."""
    refused: int
    """Saves refused as stale, and made again."""
    p50_ms: float
    p95_ms: float
    """Of one save that was acknowledged, waiting for others included."""
    seconds: float


@dataclass(frozen=True)
class _Written:
    """What one writer did."""

    acknowledged: dict[str, list[str]]
    """Texts, by the sheet that they were saved on."""
    times: list[float]
    merged: int
    refused: int


def hammer(url: str, *, writers: int, saves: int) -> Hammered:
    """Let so many people save so often each, own sheets and one shared sheet by turns, in a store that is empty."""
    with_ids = list(made_up_records(2))
    store = ReviewStore(url)
    try:
        store.add([with_ids[0]], reviewers_needed=writers + 1)
        store.add([with_ids[1]], reviewers_needed=2)
        _dispute(store, with_ids[1].id)
        begun = time.perf_counter()
        written = _in_processes(url, [record.id for record in with_ids], writers=writers, saves=saves)
        seconds = time.perf_counter() - begun
        lost = sum(_lost(store, number, done, with_ids[0].id, with_ids[1].id) for number, done in enumerate(written))
    finally:
        store.close()
    times = np.array([value for done in written for value in done.times]) * 1000
    return Hammered(
        writers=writers,
        edits=sum(len(texts) for done in written for texts in done.acknowledged.values()),
        lost=lost,
        merged=sum(done.merged for done in written),
        refused=sum(done.refused for done in written),
        p50_ms=float(np.quantile(times, 0.5)),
        p95_ms=float(np.quantile(times, 0.95)),
        seconds=seconds,
    )


def _dispute(store: ReviewStore, record_id: str) -> None:
    store.decide(record_id, "one", base_version=0, decision="reject")
    sheet = store.sheet(record_id, "two")
    store.decide(record_id, "two", base_version=sheet.version, decision="reject")
    store.adjudicate(record_id, "opener", base_version=0, criteria=sheet.criteria)


def _in_processes(url: str, ids: Sequence[str], *, writers: int, saves: int) -> list[_Written]:
    groups = [list(range(start, writers, _PROCESSES)) for start in range(min(_PROCESSES, writers))]
    with ProcessPoolExecutor(len(groups), mp_context=multiprocessing.get_context("spawn")) as pool:
        done = [(group, pool.submit(_write_all, url, ids, group, saves)) for group in groups]
        found = {number: one for group, future in done for number, one in zip(group, future.result(), strict=True)}
    return [found[number] for number in range(writers)]


def _write_all(url: str, ids: Sequence[str], numbers: Sequence[int], saves: int) -> list[_Written]:
    store = ReviewStore(url)
    try:
        with ThreadPoolExecutor(len(numbers)) as pool:
            return list(pool.map(lambda number: _write(store, ids, number, saves), numbers))
    finally:
        store.close()


def _write(store: ReviewStore, ids: Sequence[str], number: int, saves: int) -> _Written:
    name = f"writer {number}"
    done = _Written({_OWN: [], _SHARED: []}, [], 0, 0)
    merged = refused = 0

    def own(sheet: Sheet, criteria: Sequence[SheetCriterion]) -> Saved:
        return store.save(ids[0], name, base_version=sheet.version, criteria=criteria, comment=sheet.comment)

    def shared(sheet: Sheet, criteria: Sequence[SheetCriterion]) -> Saved:
        given = {"base_version": sheet.version, "criteria": criteria, "comment": sheet.comment}
        return store.adjudicate(ids[1], name, **given)  # type: ignore[arg-type]

    for turn in range(saves):
        text = f"Names edit {turn} of writer {number}."
        ways: list[tuple[str, Callable[[], Sheet], Callable[..., Saved]]] = [
            (_OWN, lambda: store.sheet(ids[0], name), own),
            (_SHARED, lambda: store.dispute(ids[1]).sheet, shared),
        ]
        for which, read, save in ways:
            saved, stale, seconds = _persist(read, save, number, text)
            merged, refused = merged + bool(saved and saved.merged), refused + stale
            if saved is not None:
                done.acknowledged[which].append(text)
                done.times.append(seconds)
    return replace(done, merged=merged, refused=refused)


def _persist(
    read: Callable[[], Sheet], save: Callable[..., Saved], number: int, text: str
) -> tuple[Saved | None, int, float]:
    """Save a text in the writer's own row until that is acknowledged; return also refusals, and the last save's seconds."""
    for refusals in range(_ATTEMPTS):
        sheet = read()
        row = SheetCriterion(f"w{number}", text, 5, "accuracy")
        others = [item for item in sheet.criteria if item.key != row.key]
        begun = time.perf_counter()
        try:
            return save(sheet, [*others, row]), refusals, time.perf_counter() - begun
        except StaleSheetError:
            continue
    return None, _ATTEMPTS, 0.0


def _lost(store: ReviewStore, number: int, done: _Written, own_id: str, shared_id: str) -> int:
    lost = 0
    name, key = f"writer {number}", f"w{number}"
    places = {_OWN: (own_id, store.sheet(own_id, name)), _SHARED: (shared_id, store.dispute(shared_id).sheet)}
    for which, (record_id, sheet) in places.items():
        own = [change for change in store.history(record_id) if change.sheet == sheet.reviewer]
        kept = {item.criterion for change in own for item in change.after.criteria if item.key == key}
        lost += len(set(done.acknowledged[which]) - kept)
        standing = [item.criterion for item in sheet.criteria if item.key == key]
        lost += standing != done.acknowledged[which][-1:]
    return lost
