"""What a judge is compared with, and which of its verdicts belongs to which label: by the text of prompt, answer and criterion.

What finds no partner is counted and named, never dropped unseen. Reads graded rows and labels; computes no figure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from agent.batch.row_files import read_records
from agent.errors import InputError
from evals.agreement.labels import Labelled, read_labels, text_key
from evals.agreement.measures import Compared
from evals.dataset import DatasetError
from evals.graded import GradedAnswer, read_graded
from evals.shares import givers

Kind = Literal["labels", "graded"]
NO_POINTS = "points:not-given"
"""Tag of a criterion whose points nobody gave, where a rubric needs some."""
_SHOWN = 3


@dataclass(frozen=True)
class Reference:
    """What a judge is compared with."""

    name: str
    kind: Kind
    items: list[Labelled]
    file: Path


class Verdict(NamedTuple):
    """What the judge says of one criterion of one answer."""

    met: bool | None
    points: int | None
    tags: tuple[str, ...]
    answer: str
    """The id of the graded row."""
    giver: str | None
    """Of a cascade, the judge that was asked last."""


@dataclass(frozen=True)
class Matching:
    """The comparisons, and what is in no comparison."""

    pairs: list[Compared]
    judge: str
    without_verdict: int
    """Labelled criteria that the judge has not judged."""
    without_label: int
    """Verdicts on criteria that nobody has labelled."""
    reference_unknown: int
    """Criteria on which the reference, a judge, is itself unknown."""
    examples: tuple[str, ...]
    """The first of those without a verdict, by row and criterion's beginning."""


def kind_of(path: Path) -> Kind:
    """Tell labels from graded rows by the first row; raises DatasetError where it is neither."""
    record = next(read_records(path, columns=None), None)
    if record is None:
        raise DatasetError(f"{path}: no rows in it")
    if record.fault is not None:
        raise DatasetError(f"{path}: {record.unit} {record.number}: {record.fault}")
    keys = set(record.data) if isinstance(record.data, dict) else set()
    if keys & {"labels", "binary_labels"}:
        return "labels"
    if "verdicts" in keys or {"id", "error"} <= keys:
        return "graded"
    raise DatasetError(
        f"{path}: {record.unit} {record.number}: neither labels (prompt, response, criterion, labels) nor graded rows "
        "(prompt, response, rubrics, verdicts); write graded rows with clinalign eval grade"
    )


def read_reference(path: Path) -> Reference:
    """Return the human labels, or the verdicts, of a file."""
    if kind_of(path) == "labels":
        return Reference("human labels", "labels", read_labels(path), path)
    items: list[Labelled] = []
    judge = None
    for answer in read_graded(path):
        judge = answer.judge
        items += _judged(answer)
    return Reference(judge or path.name, "graded", items, path)


def first_answers(reference: Reference, limit: int) -> Reference:
    """Return what a reference says of its first answers."""
    rows = set(islice(dict.fromkeys(item.row for item in reference.items), limit))
    return replace(reference, items=[item for item in reference.items if item.row in rows])


def answer_rows(reference: Reference) -> Iterator[dict[str, Any]]:
    """Yield the answers as rows to be graded, each with the criteria asked about; what the reference says is not in them.

    A criterion without points is given as +1, and tagged so that nothing is scored by it.
    """
    rows: dict[str, list[Labelled]] = defaultdict(list)
    for item in reference.items:
        rows[item.row].append(item)
    for row, asked in rows.items():
        if reference.kind == "labels":  # two categories may ask the same of an answer
            asked = list({item.criterion.strip(): item for item in reversed(asked)}.values())[::-1]  # noqa: PLW2901
        yield {
            "id": row,
            "prompt_id": asked[0].prompt_id,
            "prompt": asked[0].conversation,
            "response": asked[0].response,
            "rubrics": [_criterion_object(item) for item in asked],
            **({"canary": asked[0].canary} if asked[0].canary else {}),
        }


def match(reference: Reference, graded: Path) -> Matching:
    """Pair a reference with the verdicts of a graded file; raises InputError where not one belongs to it.

    Human labels meet every verdict on their criterion. Where two judges have a text several times, verdicts of the same id meet,
    else the first meets the first; one verdict on a text that the reference has several times meets all.
    """
    verdicts, judge = _read_verdicts(graded)
    seen: Counter[tuple[str, ...]] = Counter()
    pairs: list[Compared] = []
    missing: list[Labelled] = []
    unknown = 0
    used: set[int] = set()
    for item in reference.items:
        found = _partners(item, verdicts.get(item.key, []), reference.kind, seen)
        used.update(map(id, found))
        if not found:
            missing.append(item)
        elif not item.labels:
            unknown += 1
        else:
            pairs += [_compared(item, verdict) for verdict in found]
    if len(missing) == len(reference.items):
        raise InputError(
            f"{graded}: no verdict in it is on a prompt, response and criterion of {reference.file} "
            f"(which asks of {_named(missing[0])}); were other answers graded?"
        )
    return Matching(
        pairs=pairs,
        judge=judge or graded.name,
        without_verdict=len(missing),
        without_label=sum(map(len, verdicts.values())) - len(used),
        reference_unknown=unknown,
        examples=tuple(_named(item) for item in missing[:_SHOWN]),
    )


def _read_verdicts(path: Path) -> tuple[dict[tuple[str, str], list[Verdict]], str | None]:
    found: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    judge = None
    for answer in read_graded(path):
        judge = answer.judge
        text = text_key(answer.conversation, answer.response)
        for criterion, grade, giver in zip(answer.rubric, answer.grades, givers(answer), strict=True):
            points = None if NO_POINTS in criterion.tags else criterion.points
            found[text, criterion.text.strip()].append(
                Verdict(grade.met, points, (*criterion.tags, *answer.tags), answer.id, giver)
            )
    return dict(found), judge


def _partners(
    item: Labelled, found: Sequence[Verdict], kind: Kind, seen: Counter[tuple[str, ...]]
) -> Sequence[Verdict]:
    """Return the verdicts that meet an item; of two judges those on the row of the same id, if there are, else by order."""
    if kind == "labels":
        return found
    same_row = [verdict for verdict in found if verdict.answer == item.row]
    place = (*item.key, item.row) if same_row else item.key
    candidates = same_row or found
    earlier = seen[place]
    seen[place] += 1
    return candidates if len(candidates) == 1 else candidates[earlier : earlier + 1]


def _compared(item: Labelled, verdict: Verdict) -> Compared:
    tags = dict.fromkeys((*item.tags, *verdict.tags))
    clusters = [tag for tag in tags if tag.startswith("cluster:")]
    category = item.category or (clusters[0] if clusters else None)
    return Compared(
        prompt=item.prompt_id,
        answer=f"{item.row} {verdict.answer}",
        labels=item.labels,
        verdict=verdict.met,
        raters=item.raters,
        points=verdict.points if item.points is None else item.points,
        category=category,
        tags=tuple(tag for tag in tags if tag not in (category, NO_POINTS)),
        giver=verdict.giver,
    )


def _judged(answer: GradedAnswer) -> Iterable[Labelled]:
    for criterion, grade in zip(answer.rubric, answer.grades, strict=True):
        yield Labelled(
            row=answer.id,
            prompt_id=answer.prompt_id,
            conversation=answer.conversation,
            response=answer.response,
            criterion=criterion.text,
            labels=() if grade.met is None else (grade.met,),
            points=None if NO_POINTS in criterion.tags else criterion.points,
            tags=tuple(tag for tag in (*criterion.tags, *answer.tags) if tag != NO_POINTS),
            canary=answer.canary,
        )


def _criterion_object(item: Labelled) -> dict[str, Any]:
    tags = list(dict.fromkeys([*([item.category] if item.category else []), *item.tags]))
    if item.points is None:
        return {"criterion": item.criterion, "points": 1, "tags": [*tags, NO_POINTS]}
    return {"criterion": item.criterion, "points": item.points, "tags": tags}


def _named(item: Labelled) -> str:
    return f"line {item.line}" if item.line else f"row {item.row!r}"
