"""How long the leakage check takes, and how much memory, on as many questions as are wanted; some leaks are planted, to be found.

Everything is made out of sentences of the shipped rubrics' conversations; `python -m training.selection.scale` prints the figures.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from random import Random
from typing import Annotated, Any

import typer

from evals.batch.process_usage import peak_bytes
from principles_store.conversation import user_text
from principles_store.embedding import Embedder
from principles_store.rubric_set import load_rubrics
from training.selection.leaks import LeakReport, find_leaks

_PLANTED = 60
"""In thirds, by how they are made."""
_WAYS = ("in capitals", "inside a longer text", "sentences in another order")
_WORDS = "for my mother after two days since last week at night in the morning when lying down with some fever and a cough".split()


@dataclass(frozen=True)
class Scale:
    """One check."""

    train_rows: int
    benchmark_rows: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    planted: dict[str, Counter[str]]
    """Of the planted ones of each way: how many are a leak, how many listed as worth a look, how many missed."""
    others: int
    """Faults that were not planted."""
    listed: int


def measure_leaks(train_rows: int, benchmark_rows: int, embedder: Embedder, seed: int = 0) -> Scale:
    """Check made-up questions against made-up benchmarks with planted leaks, and return what it took."""
    chance = Random(seed)
    sentences = sorted(
        {part for rubric in load_rubrics() for part in user_text(rubric.conversation).split(". ") if part}
    )
    benchmark = list(_questions("bench", benchmark_rows, sentences, chance))
    planted = [_planted(number, chance.choice(benchmark), sentences, chance) for number in range(_PLANTED)]
    train = _questions("train", train_rows - _PLANTED, sentences, chance)
    with tempfile.TemporaryDirectory() as name:
        files = (
            _saved(Path(name) / "train.jsonl", chain(train, planted)),
            _saved(Path(name) / "bench.jsonl", benchmark),
        )
        begun, cpu_begun = time.monotonic(), time.process_time()
        report = find_leaks(files[:1], files[1:], embedder)
        seconds, cpu_seconds = time.monotonic() - begun, time.process_time() - cpu_begun
    return Scale(
        report.train_rows,
        report.benchmark_rows,
        seconds,
        cpu_seconds,
        peak_bytes(os.getpid()),
        _fates(report, [row["id"] for row in planted]),
        len({leak.train for leak in report.faults} - {row["id"] for row in planted}),
        len(report.listed),
    )


def _fates(report: LeakReport, planted: Sequence[str]) -> dict[str, Counter[str]]:
    faults, listed = ({leak.train for leak in leaks} for leaks in (report.faults, report.listed))
    fates: dict[str, Counter[str]] = {way: Counter() for way in _WAYS}
    for number, name in enumerate(planted):
        fate = "leak" if name in faults else "listed" if name in listed else "missed"
        fates[_WAYS[number % len(_WAYS)]][fate] += 1
    return fates


def _questions(name: str, count: int, sentences: Sequence[str], chance: Random) -> Iterator[dict[str, Any]]:
    """Yield questions of some 60 words: sentences of several conversations, with words of their own between them."""
    for number in range(count):
        parts = [f"{part} {' '.join(chance.choices(_WORDS, k=6))}" for part in chance.sample(sentences, 3)]
        yield {"id": f"{name}-{number:06}", "question": ". ".join(parts)}


def _planted(number: int, leaked: dict[str, Any], sentences: Sequence[str], chance: Random) -> dict[str, Any]:
    text = leaked["question"]
    ways = (text.upper(), f"{chance.choice(sentences)}. {text}", ". ".join(reversed(text.split(". "))))
    return {"id": f"planted-{number:06}", "question": ways[number % len(_WAYS)]}


def _saved(file: Path, rows: Iterable[dict[str, Any]]) -> Path:
    with file.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)
    return file


def leak_scale(
    train: Annotated[int, typer.Option(help="Questions of the training data.", min=_PLANTED)] = 17_000,
    benchmark: Annotated[int, typer.Option(help="Questions of the benchmark.", min=1)] = 5_000,
) -> None:
    """Time the leakage check on made-up questions, and see whether it finds the leaks that are planted."""
    from training.selection.cli import open_embedder

    found = measure_leaks(train, benchmark, open_embedder())
    typer.echo(
        f"{found.train_rows:,} rows against {found.benchmark_rows:,}: {found.seconds:.0f} s, "
        f"{found.cpu_seconds:.0f} s of processor, at most {found.peak_bytes / 1e6:,.0f} MB"
    )
    for way, fates in found.planted.items():
        told = ", ".join(f"{fate} {count}" for fate, count in fates.most_common())
        typer.echo(f"planted, {way}: {told}")
    typer.echo(f"{found.others} other faults, {found.listed:,} pairs worth a look")


if __name__ == "__main__":
    typer.run(leak_scale)
