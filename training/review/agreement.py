"""How far reviewers agree with each other, on the sheets that each filled in without seeing the others'.

Krippendorff's α over all of them, Cohen's κ for each two. All began from one draft, so what nobody touched counts as agreement: how
much of the draft was left as it was is told beside it. Verdicts count only where the reviewer gave them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from evals.statistics import accuracy, cohen_kappa
from training.review.alpha import Alpha, Ratings, nominal, squared
from training.review.sheet import Sheet, SheetCriterion, same_text

Pair = tuple[str, str]


@dataclass(frozen=True)
class PairAgreement:
    """Two reviewers, on what both have decided."""

    first: str
    second: str
    decision_kappa: float | None
    """Cohen's κ of accept or reject; None where both always said the same."""
    decisions_alike: float
    """Share of the records."""
    records: int
    kept_kappa: float | None
    """Of keeping or leaving out each drafted criterion, where both accepted."""
    criteria: int


@dataclass(frozen=True)
class Agreement:
    """Of the records that enough reviewers have decided."""

    records: int
    decision: Alpha
    """Accept or reject; nominal."""
    kept: Alpha
    """Each drafted criterion kept or left out, among those who accepted; nominal."""
    points: Alpha
    """Of drafted criteria that were kept; interval."""
    verdicts: Alpha
    """Met or unmet for each response, on the same words; nominal."""
    pairs: tuple[PairAgreement, ...]
    as_drafted: float | None
    """Share of drafted criteria that reviewers who accepted left exactly as they were: text and points."""


@dataclass
class _Pairs:
    """What each two reviewers said of the same things."""

    decisions: dict[Pair, list[Pair]]
    kept: dict[Pair, list[tuple[bool, bool]]]


def agreement_of(groups: Iterable[Sequence[Sheet]], *, seed: int) -> Agreement:
    """Return the agreement over the decided sheets of each record."""
    decision, kept = Ratings(("accepted", "rejected"), nominal), Ratings((True, False), nominal)
    points, verdicts = Ratings(tuple(range(-10, 11)), squared), Ratings(("met", "unmet"), nominal)
    pairs = _Pairs(defaultdict(list), defaultdict(list))
    records = drafted = untouched = 0
    for sheets in groups:
        records += 1
        accepted = [sheet for sheet in sheets if sheet.state == "accepted"]
        rows = dict(_rows(accepted))
        decision.add([[sheet.state for sheet in sheets]])
        kept.add([item is not None for item in row] for row in rows.values())
        points.add([item.points for item in row if item is not None] for row in rows.values())
        verdicts.add(unit for row in rows.values() for unit in _verdicts(row, accepted))
        _add_pairs(pairs, sheets, accepted, rows)
        drafted += sum(len(row) for row in rows.values())
        untouched += sum(
            _is_untouched(item, sheet) for row in rows.values() for item, sheet in zip(row, accepted, strict=True)
        )
    return Agreement(
        records=records,
        decision=decision.alpha(seed=seed),
        kept=kept.alpha(seed=seed),
        points=points.alpha(seed=seed),
        verdicts=verdicts.alpha(seed=seed),
        pairs=tuple(_pairs(pairs)),
        as_drafted=untouched / drafted if drafted else None,
    )


def _rows(accepted: Sequence[Sheet]) -> Iterator[tuple[str, list[SheetCriterion | None]]]:
    """Yield each drafted criterion's key, with what each sheet has of it; None where it was left out."""
    by_key = [{item.key: item for item in sheet.criteria} for sheet in accepted]
    for number in range(1, len(accepted[0].record.draft) + 1) if accepted else ():
        yield f"d{number}", [own.get(f"d{number}") for own in by_key]


def _verdicts(row: Sequence[SheetCriterion | None], sheets: Sequence[Sheet]) -> Iterator[list[str]]:
    """Yield, response by response, the verdicts that reviewers gave themselves on one wording."""
    by_text: dict[str, list[Sequence[str]]] = defaultdict(list)
    for item, sheet in zip(row, sheets, strict=True):
        if item is not None:
            given = zip(item.verdicts, item.judged_by, strict=True)
            own = [verdict if judge == sheet.reviewer else "unknown" for verdict, judge in given]
            by_text[same_text(item.criterion)].append(own)
    for verdicts in by_text.values():
        for values in zip(*verdicts, strict=True):
            yield [value for value in values if value != "unknown"]


def _is_untouched(item: SheetCriterion | None, sheet: Sheet) -> bool:
    if item is None:
        return False
    drafted = sheet.record.draft[int(item.key[1:]) - 1]
    return (drafted.criterion, drafted.points) == (item.criterion, item.points)


def _add_pairs(
    pairs: _Pairs,
    sheets: Sequence[Sheet],
    accepted: Sequence[Sheet],
    rows: Mapping[str, Sequence[SheetCriterion | None]],
) -> None:
    for one, other in combinations(sorted(sheets, key=lambda sheet: sheet.reviewer), 2):
        pairs.decisions[one.reviewer, other.reviewer].append((one.state, other.state))
    places = sorted(range(len(accepted)), key=lambda place: accepted[place].reviewer)
    for first, second in combinations(places, 2):
        names = accepted[first].reviewer, accepted[second].reviewer
        pairs.kept[names] += [(row[first] is not None, row[second] is not None) for row in rows.values()]


def _pairs(pairs: _Pairs) -> Iterator[PairAgreement]:
    for (first, second), decisions in sorted(pairs.decisions.items()):
        one, other = zip(*decisions, strict=True)
        kept = pairs.kept.get((first, second), [])
        kappa = cohen_kappa(*map(list, zip(*kept, strict=True))) if kept else None
        yield PairAgreement(
            first, second, cohen_kappa(one, other), accuracy(one, other), len(decisions), kappa, len(kept)
        )
