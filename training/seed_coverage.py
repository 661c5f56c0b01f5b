"""For what share of conversations a set of rubrics has a similar one: whom seeds can help at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from agent.batch.row_files import read_records
from agent.batch.rows import BadRow, read_rows
from principles_store.conversation import Conversation
from principles_store.embedding import Embedder
from principles_store.rubric_set import RubricSet
from principles_store.seed_index import SeedIndex, rubric_text, seed_text
from training.seed_usefulness import Usefulness, Wanted

FLOORS = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8)
NEAR_COPY = 0.9
"""From here on a rubric's conversation is as good as the one at hand: in an evaluation that is a leak."""
ALL = "all"


@dataclass(frozen=True)
class Asked:
    """A conversation, and the themes that its row names."""

    conversation: Conversation
    themes: tuple[str, ...]
    criteria: tuple[str, ...] = ()
    """With points above 0, of the row's own rubric, if it has one."""


@dataclass(frozen=True)
class ThemeCoverage:
    """Of one theme, or of all."""

    conversations: int
    covered: float
    """Share with at least one rubric at or above the floor."""
    similar: float
    """Mean count of these rubrics."""
    nearest: tuple[float, float, float]
    """Quartiles of the similarity of the nearest rubric."""


@dataclass(frozen=True)
class Coverage:
    """What a set of rubrics has for a file of conversations."""

    rubrics: int
    floor: float
    themes: Mapping[str, ThemeCoverage]
    """`all` first."""
    at_floors: Mapping[float, float]
    """Share covered, by floor."""
    near_copies: int
    """Conversations that are nearly the same as some rubric's own."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def read_asked(file: Path) -> list[Asked]:
    """Return the conversations of a file, with the themes of HealthBench's tags or of a key `theme`; bad rows are left out."""
    told = [(_themes(record.data), _criteria(record.data)) for record in read_records(file)]
    rows = zip(read_rows(file), told, strict=True)
    return [Asked(row.conversation, *of_row) for row, of_row in rows if not isinstance(row, BadRow)]


def wanted_of(asked: Sequence[Asked]) -> list[Wanted]:
    """Return those that bring a rubric of their own."""
    return [Wanted(one.conversation, one.criteria) for one in asked if one.criteria]


def coverage_of(asked: Sequence[Asked], rubrics: RubricSet, embedder: Embedder, *, floor: float) -> Coverage:
    """Return for whom there are similar rubrics."""
    index = SeedIndex(rubrics, embedder.encode([rubric_text(rubric) for rubric in rubrics]))
    own = embedder.encode([seed_text(rubric.conversation) for rubric in rubrics])
    vectors = embedder.encode([seed_text(one.conversation) for one in asked])
    likeness = index.similarities(vectors)
    nearest = likeness.max(axis=1)
    groups: dict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(asked):
        for theme in one.themes:
            groups[theme].append(number)
    named = {ALL: list(range(len(asked))), **{theme: groups[theme] for theme in sorted(groups)}}
    return Coverage(
        rubrics=len(rubrics),
        floor=floor,
        themes={theme: _theme(likeness[numbers], floor) for theme, numbers in named.items()},
        at_floors={at: float((nearest >= at).mean()) for at in FLOORS},
        near_copies=int(((vectors @ own.T).max(axis=1) >= NEAR_COPY).sum()),
    )


def print_coverage(found: Coverage) -> None:
    """Print it for a terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table("theme", "conversations", "covered", "similar rubrics", "nearest (quartiles)", box=SIMPLE_HEAD)
    for theme, one in found.themes.items():
        quartiles = " ".join(f"{value:.2f}" for value in one.nearest)
        table.add_row(theme, str(one.conversations), f"{one.covered:.0%}", f"{one.similar:.1f}", quartiles)
    console = Console(markup=False, highlight=False)
    console.print(table)
    console.print(
        f"{found.rubrics} rubrics, floor {found.floor:g}; covered: at least one rubric at or above the floor."
    )
    console.print("By floor: " + ", ".join(f"{at:g} {share:.0%}" for at, share in found.at_floors.items()))
    if found.near_copies:
        console.print(
            f"{found.near_copies} conversations have a rubric for nearly the same one (similarity from {NEAR_COPY}): don't "
            "evaluate on them with these seeds."
        )


def print_usefulness(found: Usefulness) -> None:
    """Print it for a terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table("similarity of the nearest", "conversations", "criteria it has too", box=SIMPLE_HEAD)
    for band in found.bands:
        if band.useful is not None:
            between = f"{max(band.low, 0):.2f} to {min(band.high, 1):.2f}"
            table.add_row(between, str(band.conversations), f"{band.useful:.1%}")
    console = Console(markup=False, highlight=False)
    console.print(table)
    console.print(f"Of all: {found.overall:.1%}; of any rubric instead of the nearest: {found.random:.1%}.")


def _criteria(row: Any) -> tuple[str, ...]:
    rubric = row.get("rubrics") or row.get("rubric") if isinstance(row, Mapping) else None
    return tuple(item["criterion"] for item in rubric or () if item["points"] > 0)


def _theme(likeness: npt.NDArray[np.float32], floor: float) -> ThemeCoverage:
    nearest = likeness.max(axis=1)
    low, middle, high = (float(value) for value in np.quantile(nearest, (0.25, 0.5, 0.75)))
    counts = (likeness >= floor).sum(axis=1)
    return ThemeCoverage(len(nearest), float((nearest >= floor).mean()), float(counts.mean()), (low, middle, high))


def _themes(row: Any) -> tuple[str, ...]:
    if not isinstance(row, Mapping):
        return ()
    tags: Iterable[Any] = row.get("example_tags") or ()
    return tuple(_named(tags)) or ((str(row["theme"]),) if row.get("theme") else ())


def _named(tags: Iterable[Any]) -> Iterator[str]:
    for tag in tags:
        if str(tag).startswith("theme:"):
            yield str(tag).removeprefix("theme:")
