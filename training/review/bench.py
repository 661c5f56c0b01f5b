"""What the review store costs: each thing that a page asks of it, empty beside full, and whether saves get lost in a crowd."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from agent.errors import ConfigError
from training.review.bench_records import made_up_records
from training.review.store import ReviewStore

PAGE = 50
"""Records that the store called empty holds: one page, since a page of nothing is no page."""
_ME, _OTHER = "reviewer", "colleague"
_WARM_UP = 10


@dataclass(frozen=True)
class Latency:
    """How long one operation takes, in milliseconds."""

    operation: str
    n: int
    empty_p50: float
    empty_p95: float
    full_p50: float
    full_p95: float

    @property
    def ratio(self) -> float:
        """Full over empty, of the 95th percentiles."""
        return self.full_p95 / self.empty_p95


def measure_latency(empty_url: str, full_url: str, *, records: int, times: int) -> list[Latency]:
    """Measure each operation in a store of one page and in one of `records`, by turns; both must be new.

    In each, the reviewer has decided a third of the records and a colleague another; none of what is measured is cached.
    """
    stores = [_filled(empty_url, PAGE), _filled(full_url, records)]
    try:
        columns = [_operations(store, size) for store, size in zip(stores, (PAGE, records), strict=True)]
        return [_latency(name, columns[0][name], columns[1][name], times) for name in columns[0]]
    finally:
        for store in stores:
            store.close()


def _filled(url: str, records: int) -> ReviewStore:
    store = ReviewStore(url)
    if store.progress().records:
        raise ConfigError(f"{store.name} holds records; measuring needs a new store")
    store.add(made_up_records(records))
    ids = [row.id for start in range(0, records, PAGE) for row in store.listing(_ME, offset=start, limit=PAGE).rows]
    for number, record_id in enumerate(ids):
        if number % 3 < 2:
            who = _ME if number % 3 == 0 else _OTHER
            store.decide(record_id, who, base_version=0, decision="reject")
    return store


def _operations(store: ReviewStore, records: int) -> dict[str, Callable[[], object]]:
    open_ids = [row.id for row in store.listing(_ME, state="open", limit=PAGE).rows]
    turns: Iterator[int] = count()

    def save() -> object:
        turn = next(turns)
        sheet = store.sheet(open_ids[turn % len(open_ids)], _ME)
        points = sheet.criteria[0].points % 10 + 1
        changed = [replace(sheet.criteria[0], points=points), *sheet.criteria[1:]]
        begun = time.perf_counter()
        store.save(sheet.record.id, _ME, base_version=sheet.version, criteria=changed, comment="")
        return time.perf_counter() - begun

    def decide() -> object:
        record_id = open_ids[next(turns) % len(open_ids)]
        sheet = store.sheet(record_id, _ME)
        decision = "open" if sheet.state == "deferred" else "defer"
        begun = time.perf_counter()
        store.decide(record_id, _ME, base_version=sheet.version, decision="reopen" if decision == "open" else "defer")
        return time.perf_counter() - begun

    return {
        "first page": lambda: store.listing(_ME, limit=PAGE),
        "last page": lambda: store.listing(_ME, offset=records - PAGE, limit=PAGE),
        "page of open records": lambda: store.listing(_ME, state="open", limit=PAGE),
        "search, frequent word": lambda: store.listing(_ME, words="pain", limit=PAGE),
        "search, one record": lambda: store.listing(_ME, words=open_ids[-1], limit=PAGE),
        "search in open records": lambda: store.listing(_ME, state="open", words="pain", limit=PAGE),
        "next record": lambda: store.next_for(_ME),
        "record after this": lambda: store.next_for(_ME, after=open_ids[next(turns) % len(open_ids)]),
        "sheet": lambda: store.sheet(open_ids[next(turns) % len(open_ids)], _ME),
        "save": save,
        "decide": decide,
        "progress": store.progress,
    }


def _latency(name: str, empty: Callable[[], object], full: Callable[[], object], times: int) -> Latency:
    """Time both by turns, so that what else the machine does meets both alike."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for turn in range(times + _WARM_UP):
        for place, operation in enumerate((empty, full)):
            begun = time.perf_counter()
            told = operation()
            taken = told if isinstance(told, float) else time.perf_counter() - begun
            if turn >= _WARM_UP:
                seconds[place].append(taken * 1000)
    quantiles = [float(np.quantile(values, share)) for values in seconds for share in (0.5, 0.95)]
    return Latency(name, times, *quantiles)
