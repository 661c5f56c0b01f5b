"""What a distillation takes in time and memory, and what it covers: `python -m training.distillation.bench`.

The criteria of the first are made up: the shipped rubrics' own, cut in two and joined anew, with other numbers. They make no sense,
but have a real criterion's length, words and points, and almost none is there twice. The second takes files of your own.
"""

from __future__ import annotations

import json
import os
import random
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer

app = typer.Typer(help=__doc__, no_args_is_help=True)
RUBRICS, CRITERIA = 7_034, 80_000
"""As many as HealthRubrics has (arXiv 2602.09653), with 11.4 criteria each."""
_CONJUNCTION = re.compile(r"(?<=[a-z]) (?:and|or|if|that|when|for|as|with|in|of|to) ")
_NUMBER = re.compile(r"\b\d{1,3}\b")


@app.command()
def scale(
    criteria: Annotated[int, typer.Option(help="To make up.", min=10)] = CRITERIA,
    rubrics: Annotated[int, typer.Option(help="That they belong to.", min=1)] = RUBRICS,
    threads: Annotated[int | None, typer.Option(help="That encode; none: one per core.", min=1)] = None,
    seed: int = 0,
) -> None:
    """Time a distillation from nothing, without a model, and print seconds and the most memory of each step (Linux)."""
    from principles_store.embedding import DEFAULT_MODEL
    from training.distillation.all_cores import load_on_all_cores
    from training.distillation.clock import Clock
    from training.distillation.distill import Request, distil, prepare
    from training.distillation.library_files import write_library
    from training.distillation.report import write_report

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = folder / "rubrics.jsonl"
        made.write_text("\n".join(_made_up(rubrics, criteria, seed)), encoding="utf-8")
        embedder = load_on_all_cores(DEFAULT_MODEL, threads=threads)
        peaks: dict[str, int] = {}
        clock = Clock(lambda step: peaks.update({step: _peak_mb()}))
        _peak_mb()  # what making up took counts for nothing
        since = time.perf_counter()
        request = Request([made], any_status=True, seed=seed)
        bench = prepare(request, embedder, cache=folder / "cache", tell=_tell, clock=clock)
        distilled = distil(bench, None)
        write_library(distilled, bench, folder / "out")
        write_report(distilled, bench, folder / "out")
        clock.lap("write")
        seconds = time.perf_counter() - since
        again = time.perf_counter()
        distil(prepare(request, embedder, cache=folder / "cache"), None)
        _print(
            {
                "criteria": len(bench.evidence.criteria),
                "distinct": len(set(bench.evidence.texts)),
                "rubrics": len(bench.evidence.rubrics),
                "clusters": len(bench.clusters),
                "cores": len(os.sched_getaffinity(0)),
                "seconds": round(seconds, 1),
                "seconds_again": round(time.perf_counter() - again, 1),
                "peak_mb": max(peaks.values()),
                "seconds_by_step": clock.seconds,
                "peak_mb_by_step": peaks,
            }
        )


@app.command()
def coverage(
    files: Annotated[list[Path], typer.Argument(help="Files of HealthRubrics, or rows with rubrics.")],
    splits: Annotated[int, typer.Option(help="Splits into inside and held out, by seed 0, 1, 2 …", min=1)] = 10,
    held_out: Annotated[float, typer.Option(help="Share of conversations.", min=0.01, max=0.9)] = 0.2,
) -> None:
    """Print the coverage held out of medoids, k-means and random criteria, as the mean over several splits."""
    from principles_store.embedding import default_cache_dir, load_embedder
    from principles_store.library import load_library
    from training.distillation.distill import Distilled, Request, distil, prepare

    embedder, shipped = load_embedder(), load_library()
    found: list[Distilled] = []
    for seed in range(splits):
        request = Request(files, any_status=True, held_out=held_out, seed=seed)
        found.append(distil(prepare(request, embedder, cache=default_cache_dir() / "distillation"), None, [shipped]))
        _tell(f"split {seed + 1} of {splits}")
    for number, threshold in enumerate(figures.threshold for figures in found[0].figures):
        for place, at in enumerate(found[0].figures[number].at):
            arms = [split.figures[number].at[place] for split in found]
            _print(
                {
                    "threshold": threshold,
                    "size": at.size,
                    "n": sum(arm.held_out.n for arm in arms),
                    "distilled": _mean([arm.held_out.share for arm in arms]),
                    **{name: _mean([arm.beside[name] for arm in arms]) for name in at.beside},
                    "over k-means": _mean([arm.over_kmeans.share for arm in arms]),
                    "splits where it is above": sum(arm.over_kmeans.share > 0 for arm in arms),
                }
            )
        shares = [split.compared[shipped.source][str(threshold)].share for split in found]
        knees = [split.figures[number].knee for split in found]
        _print({"threshold": threshold, "shipped library": _mean(shares), "size": len(shipped), "knees": knees})


def _peak_mb() -> int:
    """Return the most that this process had in memory since the last call; since its start where the kernel can't count anew."""
    from evals.batch.process_usage import peak_bytes

    peak = round(peak_bytes(os.getpid()) / 1e6)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak


def _made_up(rubrics: int, criteria: int, seed: int) -> Iterator[str]:
    """Yield rubrics as lines of JSON, with made-up criteria."""
    from principles_store.rubric_set import load_rubrics

    draw = random.Random(seed)
    shipped = list(load_rubrics())
    items = [item for rubric in shipped for item in rubric.rubric]
    halves = [_halves(item.criterion) for item in items]
    for number in range(rubrics):
        count = criteria * (number + 1) // rubrics - criteria * number // rubrics
        made: dict[str, Any] = {}
        while len(made) < count:
            place = draw.randrange(len(items))
            head, tail = halves[place][0], draw.choice(halves)[1]
            text = _NUMBER.sub(lambda _: str(draw.randint(1, 99)), f"{head} {tail}")
            made[text] = {"criterion": text, "points": items[place].points, "axis": items[place].axis}
        asked = " ".join(draw.choice(shipped).conversation[-1]["content"] for _ in range(2))
        yield json.dumps({"id": f"made-up-{number}", "prompt": asked_as(asked), "rubrics": list(made.values())})


def asked_as(text: str) -> list[dict[str, str]]:
    """Return a question as a conversation."""
    return [{"role": "user", "content": text}]


def _halves(text: str) -> tuple[str, str]:
    """Cut a sentence before the joint that is nearest to its middle."""
    joints = [match.start() for match in _CONJUNCTION.finditer(text)] or [len(text) // 2]
    cut = min(joints, key=lambda joint: abs(joint - len(text) / 2))
    return text[:cut].strip(), text[cut:].strip()


def _mean(values: Sequence[float]) -> float:
    return round(fmean(values), 3)


def _tell(words: str) -> None:
    typer.echo(words, err=True)


def _print(figures: dict[str, Any]) -> None:
    typer.echo(json.dumps(figures))


if __name__ == "__main__":
    app()
