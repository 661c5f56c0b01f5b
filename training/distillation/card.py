"""The README.md of a distilled library: that nobody has reviewed it, how it was made, and how much supports each principle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from agent.state import DISCLAIMER
from training.distillation.candidates import Candidate
from training.distillation.distill import Distilled, Workbench

FIRST_LINE = "# A distilled library of principles"
"""How a README.md of ours begins: any other is somebody's own and isn't replaced."""

_TEXT = """\
{first_line}

> {disclaimer}

**Synthetic, and not reviewed.** Software wrote these {size:,} principles; no clinician has read them as they stand here. Use them
to answer or to judge only after clinicians have reviewed each one.

## How it was made

`clinalign rubrics distill` (ClinAlign {version}) from {files}: {rubrics:,} rubrics with {criteria:,} criteria, of which
{inside:,} were distilled and {held_out:,} held out by conversation (seed {seed}). {reviewed:,} of the rubrics name reviewers
({reviewers:,} in all); that is a review of rubrics, not of principles. Criteria were grouped by the likeness of their vectors
({embedder}). {worded}

{sources}

What each principle was made from stands in `../{provenance}`, how much it accounts for and which principles pull apart in
`../{report}`. `clinalign principles lint --library` of this folder says what is still lacking.

## What supports each principle

| principle | polarity | criteria | rubrics | reviewers |
| --- | --- | --: | --: | --: |
{rows}

## Licence

None is named here: the rubrics' own decides. Statements, criteria and situations may follow their texts closely.
"""
_MEDOIDS = (
    "No model worded them: each statement is one criterion that stands for its group, and its situations are users' own words, "
    "cut, with obvious identifiers taken out."
)


def library_card(
    distilled: Distilled, bench: Workbench, provenance: Sequence[Mapping[str, Any]], *, beside: tuple[str, str]
) -> str:
    """Return the text; `provenance`: the rows on the library's principles; `beside`: the names of its file and the report's."""
    evidence = bench.evidence
    return _TEXT.format(
        first_line=FIRST_LINE,
        disclaimer=DISCLAIMER,
        version=version("clinalign"),
        size=distilled.size,
        files=", ".join(f"`{file.name}`" for file in bench.request.files),
        rubrics=len(evidence.rubrics),
        criteria=len(evidence.criteria),
        inside=len(bench.split.inside),
        held_out=len(bench.split.held_out),
        seed=bench.request.seed,
        reviewed=sum(bool(rubric.reviewers) for rubric in evidence.rubrics),
        reviewers=len({name for rubric in evidence.rubrics for name in rubric.reviewers}),
        embedder=bench.embedder.id,
        worded=_worded(distilled.library),
        sources=_sources(distilled.library),
        provenance=beside[0],
        report=beside[1],
        rows="\n".join(map(_row, distilled.library, provenance)),
    )


def _worded(library: Sequence[Candidate]) -> str:
    models = Counter(each.model for each in library if each.is_abstracted)
    if not models:
        return _MEDOIDS
    return f"Worded by {', '.join(f'`{model}`' for model in sorted(models))} from the criteria of each group."


def _sources(library: Sequence[Candidate]) -> str:
    named = sum(bool(each.principle.sources) for each in library)
    return (
        f"{named:,} principles carry the sources that their rubrics name most; nobody has checked that a source says what the "
        f"principle does. {len(library) - named:,} have none, because their rubrics name none."
    )


def _row(candidate: Candidate, made_from: Mapping[str, Any]) -> str:
    principle = candidate.principle
    counts = (made_from["criteria"], made_from["rubrics"], len(made_from["reviewers"]))
    return f"| `{principle.id}` | {principle.polarity} | {' | '.join(f'{count:,}' for count in counts)} |"
