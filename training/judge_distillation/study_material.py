"""What all trials of the study share: what a small judge reads of each criterion, and what the baselines make of it.

None of it depends on what is trained, and encoding every passage anew in each trial would take longer than asking the judge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agent.errors import InputError
from agent.small_judge.reading import Layout, Pair, PairReader
from evals.graded import GradedAnswer
from training.judge_distillation.baselines import Floats, judged, similarities

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MATERIAL = "material.npz"


@dataclass(frozen=True, slots=True)
class Material:
    """Of every graded answer; the mappings are by its id, with one row per criterion."""

    answers: tuple[GradedAnswer, ...]
    features: Mapping[str, Floats]
    """Shape (criteria, features)."""
    detectors: Mapping[str, Floats]
    """Shape (criteria,): 1 met, 0 unmet, NaN unknown."""
    pairs: Mapping[str, Sequence[Pair]]
    """As every small judge of the study reads them, whatever it was trained on; without their nearest passage."""


def write_material(
    answers: Sequence[GradedAnswer], folder: Path, tokenizer: Tokenizer, layout: Layout, *, threads: int | None
) -> None:
    """Write what `read_material` reads, whole or not at all; raises InputError where two answers have the same id."""
    from principles_store.embedding import load_embedder
    from principles_store.shared_embedding import EmbeddingMemory
    from training.alignment.shipped import shipped_context

    _check_ids(answers)
    embedder = EmbeddingMemory(load_embedder(threads=threads))
    reader = PairReader(tokenizer, embedder, layout)
    pairs = [
        pair for answer in answers for pair in reader.read(answer.conversation, [answer.response], answer.rubric)[0]
    ]
    part = folder / f".{MATERIAL}"  # still ends as NumPy wants it
    np.savez(
        part,
        features=similarities(answers, embedder),
        detectors=judged(answers, shipped_context().engine.judge),
        ids=np.concatenate([np.array(pair.ids, dtype=np.int32) for pair in pairs]),
        lengths=[len(pair.ids) for pair in pairs],
        seconds=[pair.second for pair in pairs],
    )
    part.replace(folder / MATERIAL)


def _check_ids(answers: Sequence[GradedAnswer]) -> None:
    name, times = Counter(answer.id for answer in answers).most_common(1)[0]
    if times > 1:
        raise InputError(
            f"{times} different answers have the id {name!r}, by which a study tells them apart; give each its own, or study the "
            "verdicts of one judge at a time"
        )


def read_material(answers: tuple[GradedAnswer, ...], folder: Path) -> Material:
    """Return what `write_material` wrote of the same answers."""
    ends = np.cumsum([len(answer.rubric) for answer in answers])[:-1]
    names = [answer.id for answer in answers]
    with np.load(folder / MATERIAL) as kept:
        features, detectors = (np.split(kept[name], ends) for name in ("features", "detectors"))
        tokens = np.split(kept["ids"], np.cumsum(kept["lengths"])[:-1])
        pairs = [Pair(tuple(ids.tolist()), int(at), "") for ids, at in zip(tokens, kept["seconds"], strict=True)]
    starts = [0, *ends.tolist()]
    by_answer = [pairs[start : start + len(answer.rubric)] for start, answer in zip(starts, answers, strict=True)]
    return Material(
        answers,
        dict(zip(names, features, strict=True)),
        dict(zip(names, detectors, strict=True)),
        dict(zip(names, by_answer, strict=True)),
    )
