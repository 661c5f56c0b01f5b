"""Near-duplicates among candidate principles become one, and where two sides pull apart both stay and are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

import numpy as np

from principles_store.embedding import Embedder, Vectors
from principles_store.lint import MAX_STATEMENT_LIKENESS
from training.distillation.candidates import Candidate
from training.distillation.clusters import Cluster
from training.distillation.evidence import Evidence, Positions
from training.rubric_wording import is_turned

OPPOSED = 0.70
"""Cosine of a do and an avoid from which on they are on the same matter."""
SAME_WORDS = 0.80
"""Cosine of a principle and a criterion of the other sign from which on they say the same, unless one is turned round."""
_SHOWN = 5
_MOST_CONFLICTS = 200


@dataclass(frozen=True)
class Conflict:
    """Two sides that may not both be kept."""

    kind: Literal["principles", "criterion"]
    """Two principles, or a principle and criteria of the other sign."""
    principle_id: str
    statement: str
    others: tuple[tuple[str, str], ...]
    """Id (of a principle, or of a rubric) and text of the other side."""
    cosine: float
    is_turned: bool
    """Whether a negation or an opposite stands on one side only: then both sides may well say the same rule."""


def merge_candidates(
    candidates: Sequence[Candidate], clusters: Sequence[Cluster], embedder: Embedder
) -> tuple[list[Candidate], list[tuple[str, str]]]:
    """Return the candidates without near-duplicates, and who was merged into whom; the one with most criteria stays.

    Merged are those of one polarity whose statements are as like as `principles lint` refuses, or that share a criterion's text.
    """
    ranked = sorted(candidates, key=lambda each: (-_support(each, clusters), each.principle.id))
    vectors = embedder.encode([each.principle.statement for each in ranked])
    kept: list[int] = []
    absorbed: dict[int, list[int]] = {}
    for number, candidate in enumerate(ranked):
        like = [n for n in kept if _are_same(ranked[n], candidate, float(vectors[n] @ vectors[number]))]
        if like:
            absorbed.setdefault(max(like, key=lambda n: float(vectors[n] @ vectors[number])), []).append(number)
        else:
            kept.append(number)
    merged = [
        (ranked[gone].principle.id, ranked[n].principle.id) for n, all_gone in absorbed.items() for gone in all_gone
    ]
    return [_with(ranked[n], [ranked[gone] for gone in absorbed.get(n, ())]) for n in kept], merged


def find_conflicts(
    candidates: Sequence[Candidate], statements: Vectors, evidence: Evidence, vectors: Vectors, among: Positions
) -> list[Conflict]:
    """Return what pulls apart, the likest first: do against avoid, and principles against criteria of the other sign."""
    found = [*_between(candidates, statements)]
    signs = evidence.signs[among]
    for candidate, statement in zip(candidates, statements, strict=True):
        cosines = (vectors @ statement)[among]  # no copy of the vectors inside
        cosines[signs == _sign(candidate)] = -1
        near = np.flatnonzero(cosines >= SAME_WORDS)
        near = near[np.argsort(-cosines[near], kind="stable")]
        words = candidate.principle.statement
        others: dict[str, str] = {}  # text -> id of its rubric, the nearest first
        for position in among[near].tolist():
            if not is_turned(words, evidence.texts[position]):
                others.setdefault(evidence.texts[position], evidence.owner(position).id)
        if others:
            shown = tuple((rubric, text) for text, rubric in islice(others.items(), _SHOWN))
            found.append(
                Conflict("criterion", candidate.principle.id, words, shown, float(cosines.max()), is_turned=False)
            )
    return sorted(found, key=lambda conflict: (conflict.is_turned, -conflict.cosine))[:_MOST_CONFLICTS]


def _between(candidates: Sequence[Candidate], statements: Vectors) -> list[Conflict]:
    cosines = np.triu(statements @ statements.T, 1) if len(candidates) else np.zeros((0, 0))
    found = []
    for first, second in np.argwhere(cosines >= OPPOSED).tolist():
        one, other = candidates[first].principle, candidates[second].principle
        if one.polarity == other.polarity:
            continue
        turned = is_turned(one.statement, other.statement)
        sides = ((other.id, other.statement),)
        found.append(Conflict("principles", one.id, one.statement, sides, float(cosines[first, second]), turned))
    return found


def _sign(candidate: Candidate) -> int:
    return 1 if candidate.principle.polarity == "do" else -1


def _support(candidate: Candidate, clusters: Sequence[Cluster]) -> int:
    return sum(len(clusters[number].members) for number in candidate.clusters)


def _are_same(one: Candidate, other: Candidate, cosine: float) -> bool:
    if one.principle.polarity != other.principle.polarity:
        return False
    texts = {criterion.text for criterion in one.principle.criteria}
    return cosine >= MAX_STATEMENT_LIKENESS or any(c.text in texts for c in other.principle.criteria)


def _with(candidate: Candidate, merged: Sequence[Candidate]) -> Candidate:
    return replace(candidate, clusters=(*candidate.clusters, *(n for each in merged for n in each.clusters)))
