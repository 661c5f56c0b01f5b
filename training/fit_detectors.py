"""Fit the embedded critic's thresholds on the library's own exemplars, and print cross-validated figures.

    python -m training.fit_detectors            # fit, print, write agent/thresholds.json
    python -m training.fit_detectors --check    # print, and fail if the written file is older than the library

Each exemplar is judged by the others of its criterion (left out of them), and by sentences of other principles as sentences
that don't touch the point. Folds are by principle. No foreign data is used.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from agent.detectors import THRESHOLDS
from agent.embedded_judge import is_on_topic
from evals.statistics import cohen_kappa, macro_f1
from principles_store.embedding import load_embedder
from principles_store.index import Index
from principles_store.library import load_library
from principles_store.store import default_store_dir, open_index

FOLDS = 5
UNRELATED_PER_CRITERION = 8
SEED = 7
TOUCHES = np.arange(0.30, 0.66, 0.025)
LEADS = np.arange(0.02, 0.30, 0.01)
MIN_PRECISION = 0.88
"""Of `met` among the exemplars of both sides and unrelated sentences: a wrong `met` hides a fault, so recall comes second."""
MAX_WRONG_ABSENT = 0.15
"""Share of holding sentences that may fall below `absent`; a whole answer has several chances."""
MAX_WRONG_LEAN = 0.12
"""Share of holding sentences that may fall below `lean`."""
MIN_MAPPING_PRECISION = 0.75


class MeaningThresholds(NamedTuple):
    """The part of `detectors.Thresholds` that is about meaning."""

    touches: float
    lead: float
    lean: float
    absent: float


@dataclass(frozen=True)
class Sample:
    """One exemplar sentence, looked at by one criterion that goes by meaning."""

    principle_id: str
    truth: str
    """holds, opposite or unrelated"""
    nearest: float
    """Similarity to the nearest other exemplar of either kind."""
    lead: float
    """Mean similarity to the other holding exemplars, less that to the opposite ones."""


def samples(index: Index) -> list[Sample]:
    """Return every exemplar under its own criterion, left out of its exemplars, and unrelated ones."""
    records, vectors = index.vectors_of("meets", "breaks")
    generator = np.random.default_rng(SEED)
    criteria = {(p.id, n): c for p in index.library for n, c in enumerate(p.criteria)}
    keys = [(r.principle_id, r.criterion) for r in records]
    holds = np.array([(r.kind == "meets") == (criteria[k].points > 0) for r, k in zip(records, keys, strict=True)])
    found = []
    for key, criterion in criteria.items():
        if criterion.detect is None or not any(detector.meaning for detector in criterion.detect.detectors):
            continue
        own = np.array([k == key for k in keys])
        others = np.flatnonzero([k[0] != key[0] for k in keys])
        rows = {"holds": np.flatnonzero(own & holds), "opposite": np.flatnonzero(own & ~holds)}
        rows["unrelated"] = generator.choice(others, UNRELATED_PER_CRITERION, replace=False)
        for truth, numbers in rows.items():
            for number in numbers:
                sides = [vectors[rows[side][rows[side] != number]] @ vectors[number] for side in ("holds", "opposite")]
                nearest = float(max(sides[0].max(), sides[1].max()))
                found.append(Sample(key[0], truth, nearest, float(sides[0].mean() - sides[1].mean())))
    return found


def fit_meaning(rows: Sequence[Sample]) -> MeaningThresholds:
    """Return the thresholds: most recall of `met` at the precision asked for; `lean` and `absent` lose few that hold."""
    nearest, lead = np.array([row.nearest for row in rows]), np.array([row.lead for row in rows])
    positive = np.array([row.truth == "holds" for row in rows])
    best = (-1.0, float(TOUCHES[-1]), float(LEADS[-1]))
    for touches, least in product(TOUCHES, LEADS):
        met = (nearest >= touches) & (lead >= least)
        if met.any() and positive[met].mean() >= MIN_PRECISION:
            best = max(best, (float((met & positive).sum() / positive.sum()), float(touches), float(least)))
    return MeaningThresholds(
        touches=round(best[1], 3),
        lead=round(best[2], 3),
        lean=round(float(np.quantile(lead[positive], MAX_WRONG_LEAN)), 3),
        absent=round(float(np.quantile(nearest[positive], MAX_WRONG_ABSENT)), 3),
    )


def predict(row: Sample, fitted: MeaningThresholds) -> str:
    """Return the verdict on one sentence as `detectors` would give it."""
    touching = row.nearest >= fitted.touches
    if touching and row.lead >= fitted.lead:
        return "met"
    return "unmet" if row.nearest < fitted.absent or (touching and row.lead < fitted.lean) else "unknown"


def cross_validated(rows: Sequence[Sample]) -> list[tuple[str, str]]:
    """Return (truth, verdict) of every sample, thresholds fitted on the other folds' principles."""
    names = sorted({row.principle_id for row in rows})
    np.random.default_rng(SEED).shuffle(names)
    fold = {name: number % FOLDS for number, name in enumerate(names)}
    pairs = []
    for number in range(FOLDS):
        fitted = fit_meaning([row for row in rows if fold[row.principle_id] != number])
        pairs += [(row.truth, predict(row, fitted)) for row in rows if fold[row.principle_id] == number]
    return pairs


def fit_mapping(index: Index) -> tuple[float, float, float]:
    """Return (threshold, precision, recall) of finding a criterion by its paraphrase.

    Each paraphrase is looked for twice, in a conversation that the principle applies to: among all criteria whose topic fits,
    and among those of other principles only, where any find is wrong. Foreign rubrics are mostly of the second kind.
    """
    records, vectors = index.vectors_of("criterion")  # text and paraphrase of each criterion, in turn
    texts, paraphrases = vectors[0::2], vectors[1::2]
    owners = np.array([record.principle_id for record in records[0::2]])
    finds: list[tuple[float, bool]] = []
    for principle in index.library:
        user_words = principle.applies_when.situations[0]
        fits = np.array([is_on_topic(index.library.by_id[owner], user_words) for owner in owners])
        for number in np.flatnonzero(owners == principle.id):
            products = texts @ paraphrases[number]
            for allowed in (fits, fits & (owners != principle.id)):
                best = int(np.where(allowed, products, -1.0).argmax())
                finds.append((float(products[best]), bool(owners[best] == principle.id)))
    similarity = np.array([value for value, _ in finds])
    right = np.array([hit for _, hit in finds])
    for threshold in np.arange(0.4, 0.95, 0.01):
        taken = similarity >= threshold
        if right[taken].mean() >= MIN_MAPPING_PRECISION:
            return round(float(threshold), 2), float(right[taken].mean()), float((taken & right).sum() / len(owners))
    raise SystemExit(f"no threshold maps paraphrases with precision {MIN_MAPPING_PRECISION}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the written file instead of writing it")
    check = parser.parse_args().check
    library, embedder = load_library(), load_embedder()
    index = open_index(library, embedder, default_store_dir())
    rows = samples(index)
    meaning = fit_meaning(rows)
    pairs = cross_validated(rows)
    known = [("met" if truth == "holds" else "unmet", verdict) for truth, verdict in pairs if verdict != "unknown"]
    truths, verdicts = [t for t, _ in known], [v for _, v in known]
    print(f"{len(rows)} samples of {len(library)} principles, {FOLDS} folds by principle, seed {SEED}")
    unknown = 1 - len(known) / len(pairs)
    print(
        f"kappa {cohen_kappa(truths, verdicts):.3f}, macro-F1 {macro_f1(truths, verdicts):.3f}, unknown {unknown:.3f}"
    )
    for truth in ("holds", "opposite", "unrelated"):
        given = [verdict for t, verdict in pairs if t == truth]
        print(
            f"  {truth}: "
            + ", ".join(f"{value} {given.count(value) / len(given):.3f}" for value in ("met", "unmet", "unknown"))
        )
    same, precision, recall = fit_mapping(index)
    print(f"same criterion: threshold {same}, precision {precision:.3f}, recall {recall:.3f} on the paraphrases")
    fitted = {
        "library_hash": library.content_hash,
        "embedder": embedder.id,
        "thresholds": {**meaning._asdict(), "same_criterion": same},
    }
    if check:
        fits = json.loads(THRESHOLDS.read_text(encoding="utf-8")) == fitted
        print("thresholds fit the library" if fits else "thresholds are older than the library: run without --check")
        return 0 if fits else 1
    THRESHOLDS.write_text(json.dumps(fitted, indent=2) + "\n", encoding="utf-8")
    print(f"wrote {THRESHOLDS}: {fitted['thresholds']}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
