"""What the commands of the review print."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from training.preferences import HealthRubric
from training.review.agreement import Agreement
from training.review.closing import Dispute
from training.review.kept import Change, Version
from training.review.listing import Listing, Progress
from training.review.scores import margin, scores, told_margin, told_score
from training.review.sheet import Sheet, SheetCriterion

_QUESTION = 70
"""Characters of a question in a list."""


def plain(found: Any) -> str:
    """Return dataclasses as JSON."""
    value = [asdict(item) for item in found] if isinstance(found, list) else asdict(found)
    return json.dumps(value, ensure_ascii=False, indent=2, default=lambda model: model.model_dump(mode="json"))


def listing_lines(found: Listing, offset: int) -> Iterator[str]:
    """Yield a page of records, a line each."""
    for row in found.rows:
        question = " ".join(row.question.split())[:_QUESTION]
        told = row.outcome or ("dispute" if row.record_state == "dispute" else f"{row.decided}/{row.needed}")
        yield f"{row.id}  {row.state:<8}  {told:<8}  {question}"
    last = offset + len(found.rows)
    yield f"{min(offset + 1, last):,} to {last:,} of {'' if found.is_counted else 'more than '}{found.total:,}"


def sheet_lines(sheet: Sheet) -> Iterator[str]:
    """Yield a sheet for reading."""
    record = sheet.record
    yield f"{record.id}: version {sheet.version} of {sheet.reviewer}'s sheet, {sheet.state}"
    yield from (f"{turn['role']}: {turn['content']}" for turn in record.conversation)
    for number, response in enumerate(record.responses):
        yield f"\nResponse {number + 1}{' (preferred)' if record.preferred == number else ''}: {response.text}"
    yield ""
    for item in sheet.criteria:
        verdicts = "/".join(item.verdicts)
        yield f"{item.key:>4} {item.points:+3d}  {item.criterion}  [{item.axis}] {verdicts}".rstrip()
    yield from score_lines(record, sheet.criteria)
    if sheet.comment:
        yield f"comment: {sheet.comment}"


def score_lines(record: HealthRubric, criteria: Sequence[SheetCriterion]) -> Iterator[str]:
    """Yield the scores of the responses, and the margin."""
    for number, found in enumerate(scores(criteria)):
        yield f"score of response {number + 1}: {told_score(found)}"
    if record.preferred is not None:
        yield f"margin, preferred less other: {told_margin(margin(record, criteria))}"


def dispute_lines(dispute: Dispute) -> Iterator[str]:
    """Yield on what the reviewers of a record differ, with their comments."""
    yield f"{dispute.record.id}: {', '.join(f'{sheet.reviewer} {sheet.state}' for sheet in dispute.sheets)}"
    for found in dispute.differences:
        said = "; ".join(f"{name}: {what}" for name, what in found.by_reviewer.items())
        yield f"  {found.what} {found.key} {found.criterion!r}: {said}" if found.key else f"  {found.what}: {said}"
    yield from (f"  {sheet.reviewer} says: {sheet.comment}" for sheet in dispute.sheets if sheet.comment)


def status_lines(progress: Progress, agreement: Agreement) -> Iterator[str]:
    """Yield progress and agreement."""
    yield (
        f"records {progress.records:,}: open {progress.open:,}, in dispute {progress.disputes:,}, "
        f"accepted {progress.accepted:,}, rejected {progress.rejected:,}"
    )
    yield f"decisions {progress.decisions:,} of {progress.decisions_needed:,}"
    for name, own in progress.reviewers.items():
        states = f"accepted {own.accepted:,}, rejected {own.rejected:,}, deferred {own.deferred:,}, begun {own.open:,}"
        yield f"  {name}: {states}"
    yield f"agreement on {agreement.records:,} records (Krippendorff's α, 95 % interval over records):"
    yield f"  accept or reject {agreement.decision.told}"
    yield f"  criteria kept or left out {agreement.kept.told}"
    yield f"  points {agreement.points.told}"
    yield f"  verdicts {agreement.verdicts.told}"
    if agreement.as_drafted is not None:
        yield f"  drafted criteria left exactly as they were: {agreement.as_drafted:.0%}"
    for pair in agreement.pairs:
        decision, kept = _number(pair.decision_kappa), _number(pair.kept_kappa)
        yield (
            f"  {pair.first} and {pair.second}: Cohen's κ {decision} on {pair.records:,} decisions, "
            f"{kept} on {pair.criteria:,} criteria"
        )


def history_lines(changes: Sequence[Change]) -> Iterator[str]:
    """Yield every change with what it changed."""
    for change in changes:
        whose = "" if change.sheet == change.reviewer else " on the adjudicators' sheet"
        yield f"{change.at[:19]} UTC  {change.reviewer}{whose}  version {change.version}: {change.kind}"
        yield from (f"    {line}" for line in _changed(change.before, change.after))


def _changed(before: Version, after: Version) -> Iterator[str]:
    old, new = ({item.key: item for item in version.criteria} for version in (before, after))
    for key in dict.fromkeys([*old, *new]):
        one, other = old.get(key), new.get(key)
        if one is None or other is None:
            item, sign = (other, "+") if one is None else (one, "-")
            yield f"{sign} {key} {item.points:+d} {item.criterion}" if item is not None else ""
        elif one != other:
            fields = [name for name in asdict(one) if getattr(one, name) != getattr(other, name)]
            yield f"~ {key} " + "; ".join(f"{n}: {getattr(one, n)!r} to {getattr(other, n)!r}" for n in fields)
    if before.comment != after.comment:
        yield f"comment: {before.comment!r} to {after.comment!r}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"
