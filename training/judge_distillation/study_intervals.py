"""How far the study's κ could be otherwise with other conversations of the kind: mean over the seeds, conversations resampled.

One draw of conversations serves all seeds, since they share them; a seed has those of the drawn ones that are in its testing half.
The judges are the trained ones: what other conversations to train on would change is in the spread over the seeds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evals.agreement.measures import measures
from evals.bootstrap import cluster_counts, interval
from training.judge_distillation.baselines import Floats
from training.judge_distillation.cascading import counted
from training.judge_distillation.study_results import SERVING, Result

_SAMPLES, _SEED = 2000, 0
_JUDGES = {
    "small judge": SERVING,
    "logistic regression on similarities": "similarities",
    "commoner verdict per polarity": "majority",
}


def interval_table(results: Sequence[Result]) -> str:
    """Return κ of each judge, and by how much the small one's is above the others', with 95 % intervals."""
    drawn = {label: resampled_kappas(results, name) for label, name in _JUDGES.items()}
    ours = drawn["small judge"]
    rows = {
        **drawn,
        **{f"small judge less {label}": ours - other for label, other in drawn.items() if other is not ours},
    }
    lines = ["**κ with 95 % intervals, conversations resampled**", "", "| judge | κ | interval |", "|---|---|---|"]
    for label, kappas in rows.items():
        bounds = interval(kappas[1:])
        shown = "–" if bounds is None else f"{bounds[0]:.3f} to {bounds[1]:.3f}"
        lines.append(f"| {label} | {kappas[0]:.3f} | {shown} |")
    return "\n".join(lines)


def resampled_kappas(results: Sequence[Result], name: str) -> Floats:
    """Return the mean κ over the results, first as it is and then in each resample, shape (1 + samples,)."""
    names = sorted({key for result in results for key in result.conversation.tolist()})
    draws = cluster_counts(len(names), _SAMPLES, _SEED)
    weights = np.concatenate([np.ones((1, len(names))), draws])  # (1 + samples, conversations)
    kappas = [
        measures(np.tensordot(weights, _by_conversation(one, name, names), 1), "left out")["kappa"] for one in results
    ]
    mean: Floats = np.mean(kappas, axis=0)
    return mean


def _by_conversation(result: Result, name: str, names: Sequence[str]) -> Floats:  # (conversations, 2, 3)
    said = result.said(name)
    found = np.zeros((len(names), 2, 3))
    for number, key in enumerate(names):
        where = result.conversation == key
        found[number] = counted(result.met[where], said[where])
    return found
