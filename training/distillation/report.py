"""What a distillation found, for a person as Markdown with a plot and for a program as JSON; deterministic but for the times."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent.batch.disk import disk_error, replace_file
from principles_store.library import SHIPPED
from training.distillation.coverage import STRICT
from training.distillation.distill import Distilled, Workbench
from training.distillation.figures import MOST_SIZE, Figures, Share
from training.distillation.library_files import LIBRARY, PROVENANCE, REPORT
from training.distillation.plot import coverage_plot

MARKDOWN, JSON, PLOT = REPORT, "report.json", "coverage.svg"
_SIZES = (5, 10, 20, 50, 100, 119, 150, 200, 250, 300)
_SHOWN_CONFLICTS = 20


def write_report(
    distilled: Distilled, bench: Workbench, folder: Path, *, outcomes: dict[str, int] | None = None
) -> None:
    """Write the report's three files into the folder. `outcomes`: what the model made of the clusters, if it was asked."""
    facts = facts_of(distilled, bench, outcomes or {})
    found = distilled.figures[0]
    where = _where(bench)
    baselines = {
        name: [(at.size, at.beside[name]) for at in found.at] for name in (found.at[0].beside if found.at else ())
    }
    curves = {
        f"inside, cosine {found.threshold:g}": found.inside,
        f"{where}, cosine {found.threshold:g}": found.held_out,
    }
    curves[f"{where}, cosine {STRICT:g}"] = distilled.figures[1].held_out
    plot = coverage_plot(curves, knee=found.knee, points=baselines, title="Coverage against size of the library")
    contents = {
        MARKDOWN: "\n".join(_markdown(distilled, bench, facts)) + "\n",
        JSON: json.dumps(facts, ensure_ascii=False, indent=2) + "\n",
        PLOT: plot + "\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            replace_file(folder / name, [content.encode()])
    except OSError as error:
        raise disk_error(f"can't write the report into {folder}", error) from error


def facts_of(distilled: Distilled, bench: Workbench, outcomes: dict[str, int]) -> dict[str, Any]:
    """Return the report as an object."""
    evidence, request = bench.evidence, bench.request
    return {
        "files": [str(file.name) for file in request.files],
        "rubrics": len(evidence.rubrics),
        "left_out": dict(evidence.left_out),
        "criteria": len(evidence.criteria),
        "penalties": int((evidence.signs < 0).sum()),
        "inside": len(bench.split.inside),
        "held_out": len(bench.split.held_out),
        "reviewers": sorted({name for rubric in evidence.rubrics for name in rubric.reviewers}),
        "seed": request.seed,
        "embedder": bench.embedder.id,
        "clusters": len(bench.clusters),
        "outcomes": outcomes,
        "candidates": len(distilled.ordered),
        "merged": [{"gone": gone, "into": into} for gone, into in distilled.merged],
        "size": distilled.size,
        "order": [each.principle.id for each in distilled.ordered],
        "coverage": [_coverage(figures) for figures in distilled.figures],
        "compared": {name: {t: asdict(s) for t, s in found.items()} for name, found in distilled.compared.items()},
        "conflicts": [asdict(conflict) for conflict in distilled.conflicts],
        "seconds": bench.clock.seconds,
    }


def _coverage(figures: Figures) -> dict[str, Any]:
    return {
        "threshold": figures.threshold,
        "knee": figures.knee,
        "curve": [
            {"size": size, "inside": figures.inside[size - 1], "held_out": figures.held_out[size - 1]}
            for size in sorted({*_SIZES, len(figures.held_out)})
            if 0 < size <= len(figures.held_out)
        ],
        "at": [asdict(at) for at in figures.at],
    }


def _markdown(distilled: Distilled, bench: Workbench, facts: dict[str, Any]) -> Iterator[str]:
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in sorted(facts["left_out"].items())) or "none"
    told = ", ".join(f"{count:,} {name}" for name, count in facts["outcomes"].items())
    yield "# Distillation\n"
    yield f"From {', '.join(facts['files'])}: {facts['rubrics']:,} rubrics (left out: {left_out}),"
    yield f"{facts['criteria']:,} criteria, {facts['penalties']:,} of them penalties;"
    yield f"{facts['inside']:,} distilled, {facts['held_out']:,} held out by conversation."
    yield f"Reviewers: {', '.join(facts['reviewers']) or 'none: nobody has verified these rubrics'}.\n"
    yield f"{facts['clusters']:,} clusters."
    yield (
        f"A model was asked about each: {told}." if told else "No model was asked: principles are medoids of clusters."
    )
    yield f"{len(distilled.merged):,} near-duplicates merged, {facts['candidates']:,} principles left."
    yield f"The library in `{LIBRARY}/` holds the first {distilled.size:,}; each next one adds most."
    yield f"What each was made from stands in `{PROVENANCE}`.\n"
    for figures in distilled.figures:
        yield from _figures(figures, bench)
    yield from _compared(distilled)
    yield f"![Coverage against size]({PLOT})\n"
    yield from _conflicts(distilled)


def _figures(figures: Figures, bench: Workbench) -> Iterator[str]:
    is_own = figures.threshold == bench.threshold
    why = "where the shipped library's paraphrases are told from other criteria" if is_own else "a second, stricter one"
    where = _where(bench)
    yield f"## Coverage at cosine {figures.threshold:g} ({why})\n"
    yield "A principle accounts for a criterion if its statement, or one of its criteria, of the same sign is that near."
    yield f"The knee is at {figures.knee}: there the {where} curve is farthest above the line to its end, at"
    yield f"{len(figures.held_out)} of at most {MOST_SIZE} (Kneedle). Another end moves it.\n"
    names = list(figures.at[0].beside) if figures.at else []
    yield _row(["principles", "inside", f"{where} [95 %]", "statements alone", *names, "more than k-means [95 %]"])
    yield _row(["--:"] * (5 + len(names)))
    for at in figures.at:
        beside = [f"{at.beside[name]:.3f}" for name in names]
        cells = [f"{at.size}", f"{at.inside:.3f}", _share(at.held_out), f"{at.statements:.3f}", *beside]
        yield _row([*cells, _share(at.over_kmeans, signed=True)])
    if figures.at:
        measured = figures.at[0].held_out
        yield f"\nn = {measured.n:,} criteria of {measured.conversations:,} conversations, which the intervals resample.\n"


def _compared(distilled: Distilled) -> Iterator[str]:
    for source, found in distilled.compared.items():
        told = "; ".join(f"at {threshold}: {_share(share)}" for threshold, share in found.items())
        yield f"Compared, on the same criteria: {_library_name(source)} accounts for {told}.\n"


def _conflicts(distilled: Distilled) -> Iterator[str]:
    yield f"## What pulls apart ({len(distilled.conflicts)})\n"
    yield "Found by likeness and by negations, not by sense; nothing was dropped. A clinician decides.\n"
    for conflict in distilled.conflicts[:_SHOWN_CONFLICTS]:
        note = (
            "a negation stands on one side only: perhaps the same rule twice"
            if conflict.is_turned
            else "the same words on both sides"
        )
        yield f"- `{conflict.principle_id}` {_one_line(conflict.statement)} (cosine {conflict.cosine:.2f}; {note})"
        for other, words in conflict.others:
            yield f"  - against `{other}` {_one_line(words)}"
    if len(distilled.conflicts) > _SHOWN_CONFLICTS:
        yield f"\n{len(distilled.conflicts) - _SHOWN_CONFLICTS} more in {JSON}."


def _library_name(source: str) -> str:
    return "the shipped library" if Path(source) == SHIPPED else f"the library in {Path(source).name}"


def _where(bench: Workbench) -> str:
    return "held out" if len(bench.split.held_out) else "inside (nothing is held out)"


def _share(share: Share, *, signed: bool = False) -> str:
    number = "{:+.3f}" if signed else "{:.3f}"
    told = number.format(share.share)
    if share.low is not None and share.high is not None:
        told += f" [{number.format(share.low)}, {number.format(share.high)}]"
    return told


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _one_line(text: str, most: int = 200) -> str:
    words = " ".join(text.split())
    return words if len(words) <= most else f"{words[:most].rpartition(' ')[0]} …"
