"""What the embedded judge makes of the warm start's answers: how much it leaves open, and how much there is to gain.

`reward.min_known` of smoke.toml rests on it. Compared are the answers that the policy is warm-started on, and answers to the same
questions that meet the weightiest criteria, which is what GRPO may find at best with as many sentences.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from statistics import fmean, median

from agent.judge import Judge
from agent.ledger import Ledger, Limits
from training.alignment.formula import Met, gold_reward, known_share
from training.alignment.rows import Row
from training.alignment.shipped import shipped_context, shipped_criteria, shipped_rows
from training.alignment.warm_rows import SENTENCES, shipped_answers

LEVELS = (0.5, 0.8)
"""Values of reward.min_known: smoke.toml's, and the default."""
_MET: dict[str, Met] = {"met": True, "unmet": False, "unknown": None}
_SEED = 0


def best_answers(rows: Sequence[Row]) -> Iterator[tuple[Row, str]]:
    """Yield each question with an answer that meets its weightiest criteria."""
    criteria = shipped_criteria()
    for row in rows:
        weighty = sorted((item for item in row.rubric if item.points > 0), key=lambda item: -item.points)
        told = [criteria[item.text].meets[0] for item in weighty if criteria[item.text].meets]
        if told:
            yield row, " ".join(told[:SENTENCES])


def warm_answers(rows: Sequence[Row]) -> Iterator[tuple[Row, str]]:
    """Yield the answers of the warm start, each with its question."""
    asked = {row.asked: row for row in rows}
    for conversation, answer in shipped_answers(_SEED):
        yield asked[Row("", conversation, ()).asked], answer


def summary(answers: Sequence[tuple[Row, str]], judge: Judge) -> list[str]:
    """Return n, the median share of the points decided, per level the share scored, and the mean score at the first level."""
    shares: list[float] = []
    scores: dict[float, list[float]] = {level: [] for level in LEVELS}
    for row, answer in answers:
        points = [item.points for item in row.rubric]
        rubric = [item.criterion for item in row.rubric]
        (verdicts,) = judge.judge(row.conversation, [answer], rubric, ledger=Ledger(Limits()))
        mets = [_MET[verdict.value] for verdict in verdicts]
        shares.append(known_share(points, mets))
        for level, found in scores.items():
            if (score := gold_reward(points, mets, min_known=level).value) is not None:
                found.append(score)
    scored = [f"{len(found) / len(shares):.0%}" for found in scores.values()]
    return [str(len(shares)), f"{median(shares):.0%}", *scored, f"{fmean(scores[LEVELS[0]]):.3f}"]


def main() -> int:
    """Print the table."""
    rows, judge = list(shipped_rows()), shipped_context().engine.judge
    levels = " | ".join(f"scored, min_known {level:g}" for level in LEVELS)
    print(f"| answers | n | points decided, median | {levels} | mean score |")
    print("|---|---|---|---|---|---|")
    for name, answers in (("of the warm start", warm_answers(rows)), ("that meet what counts", best_answers(rows))):
        print(f"| {name} | {' | '.join(summary(list(answers), judge))} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
