"""The card of a folder of reviewed rubrics: what it holds, who made it, how far they agree, and what it is not.

It quotes no text of a record. The licence is the user's to name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from typing import TYPE_CHECKING

import yaml

from agent.batch.exports.row_shapes import without_half_characters
from agent.batch.exports.targets import CARD_MARK
from agent.state import DISCLAIMER
from training.review.agreement import Agreement
from training.review.listing import Progress

if TYPE_CHECKING:
    from training.review.exporting import Counts

_TEXT = """\
# {title}

> {disclaimer}

Rubrics for medical conversations: criteria with points, drafted for a pair of responses and refined by reviewers. Made by
`clinalign rubrics export` (ClinAlign {version}). <!-- {mark} -->

**Before you publish this:** it holds conversations and responses word for word, and these may be a patient's; reviewers' names
and comments may stand in it too (`--pseudonyms` numbers the names). Have every row checked. Then name a licence in the head of
this file: none is given until you do, and the records' own, below, bind you.

## The rows

One row per record: `conversation`, `responses` and which one is `preferred` (position, and by whom), the `draft` criteria, and the
`refined` ones as the reviewers left them. `status` is accepted or rejected{undecided}. A criterion has its points (below 0: a
penalty if it is met), axis, tags, the principle that it comes from, and a verdict per response; `unknown` where reviewers differ.

```python
rubrics = datasets.load_dataset("FOLDER", split="train")
```

{counts}

## How it came about

Each record was reviewed by {needed} people, each without seeing the others' sheet. Where they took the same decision, kept the
same criteria in the same words, and gave points no more than one apart, the record is what they have in common, points averaged;
all others went to an adjudicator. Of the records that enough have decided, in the whole store:

{agreement}

Everybody began from the same draft: what nobody touched counts as agreement, so read these figures beside the share that was left
as drafted.

{origin}

## What it is not

No measure of an answer's safety. A rubric says what one group of reviewers looked for in one conversation; that the reviewers are
clinicians is what whoever ran the review says, not this software. Nothing here is advice to anyone.
"""


def card(name: str, counts: Counts, agreement: Agreement, progress: Progress, *, undecided: bool) -> str:
    """Return the card of a folder called `name`."""
    title = _plain(f"HealthRubrics: {name}")
    configs = [{"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*.parquet"}]}]
    head = {"pretty_name": title, "tags": ["clinalign", "medical", "rubrics", "preference"], "configs": configs}
    written = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=200)
    each = progress.decisions_needed / progress.records if progress.records else 0
    text = _TEXT.format(
        title=title,
        disclaimer=DISCLAIMER,
        version=version("clinalign"),
        mark=CARD_MARK,
        undecided=", or what it was before review where it is not decided" if undecided else "",
        counts=_counts(counts, progress),
        needed=f"{each:g}" if each == int(each) else f"{each:.1f} (on average)",
        agreement=_agreement(agreement),
        origin=_origin(counts),
    )
    return f"---\n{written}# license: name one here before you publish\n---\n\n{text}"


def _counts(counts: Counts, progress: Progress) -> str:
    rows = [(f"records, {status}", number) for status, number in sorted(counts.status.items())]
    rows += [("in the store and not decided, or in dispute", progress.open + progress.disputes)]
    rows += [("criteria, drafted", counts.criteria["drafted"]), ("criteria, refined", counts.criteria["refined"])]
    return _table(("what", "how many"), [*rows, ("of the refined: penalties", counts.criteria["penalties"])])


def _agreement(agreement: Agreement) -> str:
    drafted = "none" if agreement.as_drafted is None else f"{agreement.as_drafted:.0%}"
    rows = [
        ("accept or reject: Krippendorff's α", agreement.decision.told),
        ("drafted criteria kept or left out: α", agreement.kept.told),
        ("points of those kept: α, interval", agreement.points.told),
        ("verdicts that reviewers gave: α", agreement.verdicts.told),
        ("drafted criteria left as they were, text and points", drafted),
        ("records that this rests on", agreement.records),
    ]
    return _table(("agreement", "value, 95 % interval, n"), rows)


def _origin(counts: Counts) -> str:
    rows = [
        ("reviewers (records)", _several(counts.reviewers)),
        ("origin of the conversations", _several(counts.origins)),
        ("drafted by", _several(counts.drafted_by)),
        ("licence of the records", _several(counts.licences)),
    ]
    return _table(("what", "which"), rows)


def _several(names: Counter[str]) -> str:
    return ", ".join(f"`{_plain(name)}` ({count:,})" for name, count in names.most_common()) or "none"


def _table(head: tuple[str, str], rows: Iterable[tuple[str, object]]) -> str:
    cells = [f"| {name} | {f'{value:,}' if isinstance(value, int) else value} |" for name, value in rows]
    return "\n".join([f"| {head[0]} | {head[1]} |", "|---|---|", *cells])


def _plain(text: str) -> str:
    """Return a name in one line that can't end a table's cell or a code span."""
    return " ".join(without_half_characters(text).replace("|", "/").replace("`", "'").split())
