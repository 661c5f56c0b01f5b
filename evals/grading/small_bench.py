"""What a small judge costs: verdicts per second beside bare encoder passes, the wait for one answer, and memory.

The machine's other work falls on all alike: every round measures all of them, one after the other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from agent.errors import InputError
from agent.ledger import Ledger
from agent.rubric import Criterion
from evals.batch.process_usage import peak_bytes
from principles_store.conversation import Conversation

if TYPE_CHECKING:
    from agent.judge import Judge
    from agent.small_judge.folder import Precision
    from agent.small_judge.reading import Pair

PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
Arm = tuple[str, int]
"""What is timed, and its threads."""
CRITERIA = 12
"""Per answer, as in HealthBench."""
ENCODER = "encoder"
_SENTENCES = 20
"""Of a made-up answer: about 1,900 characters."""
_LONG = "rest and drink " * 100
"""More than the encoder reads, which takes the first 256 tokens of it."""


@dataclass(frozen=True)
class Case:
    """An answer that is judged for the clock's sake."""

    conversation: Conversation
    response: str
    rubric: Sequence[Criterion]


@dataclass(frozen=True)
class Spread:
    """Median of the rounds, and the least and the most."""

    median: float
    least: float
    most: float


@dataclass(frozen=True)
class Cost:
    """What one model costs with so many threads."""

    what: str
    """A precision of the judge, or the encoder."""
    threads: int
    per_second: Spread
    """Pairs of a criterion and an answer that fill the window, or texts that fill the encoder's; both already read."""
    answer_seconds: Spread | None
    """Of one answer with 12 criteria, from its text on, the choice of passages included; None for the encoder."""


@dataclass(frozen=True)
class Memory:
    """The most that a process of its own had in memory after one answer, in bytes."""

    what: str
    peak: int


@dataclass(frozen=True)
class JudgeCosts:
    """All that was measured."""

    judge: str
    serves: Precision
    pairs: int
    """Per round."""
    tokens: int
    """Of a pair; the encoder's texts have 256."""
    rounds: int
    costs: tuple[Cost, ...]
    memory: tuple[Memory, ...]


def measure_costs(
    folder: Path, cases: Sequence[Case], *, pairs: int, rounds: int, threads: Sequence[int]
) -> JudgeCosts:
    """Time a folder's two models and the encoder with each number of threads, round by round, and weigh their processes."""
    from agent.small_judge.folder import read_judge_folder

    read = read_judge_folder(folder)
    chosen = _full_pairs(read.facts.layout.window, pairs)
    arms = {(what, count): _arm(folder, what, count, chosen) for count in threads for what in (*PRECISIONS, ENCODER)}
    waits: dict[Arm, Callable[[], object]] = {
        (what, count): _wait(folder, what, count, cases) for count in threads for what in PRECISIONS
    }
    took, waited = _timed(arms, rounds), _timed(waits, rounds)
    return JudgeCosts(
        judge=read.name,
        serves=read.facts.serves,
        pairs=len(chosen),
        tokens=read.facts.layout.window,
        rounds=rounds,
        costs=tuple(
            Cost(
                what,
                count,
                _spread([len(chosen) / seconds for seconds in found]),
                _spread(waited[what, count]) if (what, count) in waited else None,
            )
            for (what, count), found in took.items()
        ),
        memory=tuple(Memory(what, _peak_of(folder, what, cases[0])) for what in (ENCODER, *PRECISIONS)),
    )


def made_up_cases(count: int) -> list[Case]:
    """Return cases of the shipped rubrics' conversations, with the library's example sentences as answers and its criteria."""
    from principles_store.library import load_library
    from principles_store.rubric_set import load_rubrics

    items = [item for principle in load_library() for item in principle.criteria]
    sentences = cycle([text for item in items for text in item.meets])
    criteria = cycle([Criterion(item.text, item.points) for item in items])
    conversations = cycle([list(entry.conversation) for entry in load_rubrics()])
    return [
        Case(next(conversations), " ".join(islice(sentences, _SENTENCES)), tuple(islice(criteria, CRITERIA)))
        for _ in range(count)
    ]


def graded_cases(file: Path, count: int) -> list[Case]:
    """Return the first answers of graded rows, with their own rubrics; raises InputError where there is none."""
    from evals.graded import read_graded

    answers = (one for one in read_graded(file) if not one.is_missing)
    cases = [Case(one.conversation, one.response, one.rubric) for one in islice(answers, count)]
    if not cases:
        raise InputError(f"{file}: no answer in it, only errors; leave GRADED out to time made-up answers")
    return cases


def _full_pairs(window: int, count: int) -> list[Pair]:
    """Return pairs that fill the window; which tokens they are makes no difference to the time."""
    from agent.small_judge.reading import Pair

    return [
        Pair(tuple(1 + (number + place) % 50 for place in range(window)), window // 4, "") for number in range(count)
    ]


def _arm(folder: Path, what: str, threads: int, pairs: Sequence[Pair]) -> Callable[[], object]:
    if what == ENCODER:
        from principles_store.embedding import load_embedder

        embedder = load_embedder(threads=threads)
        texts = [f"{_LONG} {number}" for number in range(len(pairs))]
        return lambda: embedder.encode(texts)
    from agent.small_judge.folder import read_judge_folder
    from agent.small_judge.scorer import PairScorer

    scorer = PairScorer(read_judge_folder(folder).model(_precision(what)), threads=threads)
    return lambda: scorer.logits(pairs)


def _wait(folder: Path, what: str, threads: int, cases: Sequence[Case]) -> Callable[[], object]:
    """Return what judges the next of the cases, each from its text on."""
    from agent.small_judge.judge import load_small_judge
    from principles_store.shared_embedding import shared_embedder

    judge = load_small_judge(folder, threads=threads, precision=_precision(what))
    left, embedder = cycle(cases), shared_embedder(threads=threads)

    def judge_next() -> None:
        embedder.forget()  # what the other precision has had it encode
        _judge_one(judge, next(left))

    return judge_next


def _precision(what: str) -> Precision:
    return "int8" if what == "int8" else "fp32"


def _judge_one(judge: Judge, case: Case) -> None:
    rubric = list(islice(cycle(case.rubric), CRITERIA))
    judge.judge(case.conversation, [case.response], rubric, ledger=Ledger())


def _timed(arms: Mapping[Arm, Callable[[], object]], rounds: int) -> dict[Arm, list[float]]:
    """Return the seconds of each arm in each round, after one that isn't counted."""
    seconds: dict[Arm, list[float]] = {arm: [] for arm in arms}
    for number in range(rounds + 1):
        for arm, work in arms.items():
            began = time.perf_counter()
            work()
            if number:
                seconds[arm].append(time.perf_counter() - began)
    return seconds


def _spread(values: Sequence[float]) -> Spread:
    return Spread(median(values), min(values), max(values))


def _peak_of(folder: Path, what: str, case: Case) -> int:
    """Return the peak of a new process that judges one answer, or only encodes it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_judged_alone, folder, what, case).result()


def _judged_alone(folder: Path, what: str, case: Case) -> int:
    if what == ENCODER:
        from principles_store.embedding import load_embedder

        load_embedder().encode([case.response, *(criterion.text for criterion in case.rubric)])
    else:
        from agent.small_judge.judge import load_small_judge

        _judge_one(load_small_judge(folder, precision=_precision(what)), case)
    return peak_bytes(os.getpid())
