"""How well the model of one moment puts met before unmet on the held-out conversations, and when another moment was surely better.

Few conversations tell moments apart by chance: the greatest of a handful of figures is a lucky one as often as a good one. So a
difference counts where it is larger than leaving conversations out in turn would make it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from math import sqrt
from statistics import fmean

import numpy as np

from agent.small_judge.scorer import Logits
from training.judge_distillation.measures import auc, mets_of, student_quantile
from training.judge_distillation.report import Evaluation
from training.judge_distillation.samples import Sample

SURENESS = 0.95
"""One-sided, that the moment with the greater AUC is better on such conversations."""
_PARTS = 50
"""At most, that are left out in turn; each conversation in one, with others where there are more."""


def auc_by_polarity(logits: Logits, samples: Sequence[Sample]) -> float:
    """Return how often a met criterion has the greater logit than an unmet one of the same polarity.

    Calibration sets the polarities against each other later, so that how they lie now doesn't matter. One half where no polarity
    has both classes.
    """
    mets, sides = mets_of(samples), np.array([sample.side for sample in samples])
    right, compared = 0.0, 0
    for side in np.unique(sides):
        rows = sides == side
        met, unmet = int(mets[rows].sum()), int((~mets[rows]).sum())
        if met and unmet:
            right += auc(logits[rows], mets[rows]) * met * unmet
            compared += met * unmet
    return right / compared if compared else 0.5


def aucs_without(logits: Logits, samples: Sequence[Sample]) -> list[float]:
    """Return the AUC without each part of the conversations in turn; the parts are the same for the same samples."""
    part = dict(zip(dict.fromkeys(sample.conversation for sample in samples), count()))  # in their order
    of = np.array([part[sample.conversation] % _PARTS for sample in samples])
    found = []
    for left_out in range(min(len(part), _PARTS)):
        rows = np.flatnonzero(of != left_out).tolist()
        found.append(auc_by_polarity(logits[rows], [samples[row] for row in rows]))
    return found


def is_surely_better(one: Evaluation, other: Evaluation) -> bool:
    """Tell whether the AUC of one moment is greater than another's by more than the choice of conversations explains.

    The jackknife's standard error of their difference (Tukey 1958), by Student's t; never of fewer than three parts.
    """
    apart = [a - b for a, b in zip(one["without"], other["without"], strict=True)]
    if len(apart) < 3:
        return False
    mean = fmean(apart)
    error = sqrt((len(apart) - 1) / len(apart) * sum((value - mean) ** 2 for value in apart))
    return one["auc"] - other["auc"] > student_quantile(SURENESS, len(apart) - 1) * error
