"""How often the warning of drift is wrong, and how often right: policies that stay, and that drift, in a simulation.

`python -m training.alignment.drift_simulation` prints the table of docs/rewards.md. A question has its own share of verdicts that
are wrong and pay, 10 % on average; a judgement draws ten verdicts of each; drift raises all shares evenly from first to last.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence

from training.alignment.disagreement import Compared, Disagreement, disagreement
from training.alignment.drift import drift_warnings

JUDGEMENTS = 20
QUESTIONS, RISES = (16, 64), (0.0, 0.03, 0.06, 0.10)
_VERDICTS = 10
_RUNS, _SEED = 400, 0
_NOISE = 0.1
"""Standard deviation of the gap of the scores beside what the wrong verdicts make of it."""


def is_told(random_: random.Random, *, questions: int, rise: float) -> bool:
    """Tell whether a run's warnings tell of drift; `rise`: of the share of wrong verdicts, over all judgements."""
    shares = [random_.betavariate(1, 9) for _ in range(questions)]
    steps = [rise * number / (JUDGEMENTS - 1) for number in range(JUDGEMENTS)]
    course = [_judgement(random_, [min(1.0, share + more) for share in shares]) for more in steps]
    return any(drift_warnings(course[:end]) for end in range(1, JUDGEMENTS + 1))


def _judgement(random_: random.Random, shares: Sequence[float]) -> Disagreement:
    answers = [(str(number), _answer(random_, share)) for number, share in enumerate(shares)]
    found = disagreement(answers, judge="simulated", risk=None)
    assert found is not None  # noqa: S101  # there are answers
    return found


def _answer(random_: random.Random, share: float) -> Compared:
    gold = tuple(random_.random() >= share for _ in range(_VERDICTS))  # the reward's judge says met of all
    wrong = gold.count(False) / _VERDICTS
    return Compared(
        (1,) * _VERDICTS, (None,) * _VERDICTS, (True,) * _VERDICTS, gold, wrong + random_.gauss(0, _NOISE), 0.0
    )


def main() -> int:
    """Print the table."""
    print(
        "| questions | " + " | ".join(f"rise {rise:.0%}" if rise else "no drift" for rise in RISES) + " | runs each |"
    )
    print("|---" * (len(RISES) + 2) + "|")
    for questions in QUESTIONS:
        random_ = random.Random(_SEED)  # no secret
        told = [sum(is_told(random_, questions=questions, rise=rise) for _ in range(_RUNS)) / _RUNS for rise in RISES]
        print(f"| {questions} | " + " | ".join(f"{share:.0%}" for share in told) + f" | {_RUNS} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
