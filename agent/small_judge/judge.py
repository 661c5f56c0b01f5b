"""The small judge: from a criterion, a conversation and an answer to a verdict, on the processor and without a model server.

Deterministic, and blind by construction: each answer is read by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from agent.errors import ConfigError
from agent.ledger import Ledger
from agent.rubric import Criterion, Verdict, VerdictValue
from agent.small_judge.calibration import Calibration, polarity
from agent.small_judge.folder import JudgeFolder, Precision, read_judge_folder
from agent.small_judge.reading import Pair, PairReader
from agent.small_judge.scorer import PairScorer
from principles_store.conversation import Conversation
from principles_store.embedding import DEFAULT_ID
from principles_store.shared_embedding import shared_embedder

_IN_WORDS: Mapping[VerdictValue, str] = {
    "met": "holds:",
    "unmet": "does not hold:",
    "unknown": "may hold, this judge is not sure enough:",
}
"""Also read by a model that is to mend what doesn't hold."""


class SmallJudge:
    """Gives a verdict where its calibration keeps the stated risk, and else says that it doesn't know."""

    def __init__(self, name: str, calibration: Calibration, reader: PairReader, scorer: PairScorer) -> None:
        """`name` names weights, layout and calibration; every answer carries it."""
        self.name = name
        self._calibration, self._reader, self._scorer = calibration, reader, scorer

    def judge(
        self, conversation: Conversation, answers: Sequence[str], rubric: Sequence[Criterion], *, ledger: Ledger
    ) -> list[list[Verdict]]:
        """Return verdicts[answer][criterion]; raises as the ledger does where nobody waits any more or a limit is reached."""
        pairs = self._reader.read(conversation, answers, rubric)
        return [
            [self._verdict(criterion, pair, p) for criterion, pair, p in zip(rubric, row, found, strict=True)]
            for row, found in zip(pairs, self._probabilities(pairs, rubric, ledger.check), strict=True)
        ]

    def probabilities(
        self, conversation: Conversation, answers: Sequence[str], rubric: Sequence[Criterion]
    ) -> list[list[float]]:
        """Return the calibrated probability that the criterion is met, [answer][criterion]."""
        return self._probabilities(self._reader.read(conversation, answers, rubric), rubric, None)

    def likelier(self) -> SmallJudge:
        """Return the same judge without bounds, which always gives the likelier verdict, to study all that it thinks."""
        return SmallJudge(f"{self.name} without bounds", self._calibration.without_bounds(), self._reader, self._scorer)

    def _probabilities(
        self, pairs: Sequence[Sequence[Pair]], rubric: Sequence[Criterion], before_batch: Callable[[], None] | None
    ) -> list[list[float]]:
        logits = iter(self._scorer.logits([pair for row in pairs for pair in row], before_batch=before_batch))
        sides = [self._calibration.of(polarity(criterion)) for criterion in rubric]
        return [[side.probability(float(next(logits))) for side in sides] for _ in pairs]

    def _verdict(self, criterion: Criterion, pair: Pair, probability: float) -> Verdict:
        value = self._calibration.of(polarity(criterion)).verdict(probability)
        reason = f"{_IN_WORDS[value]} its probability is {probability:.2f}"
        return Verdict(value, pair.nearest if value == "met" else "", reason)


_opened: dict[tuple[Path, str, int | None], SmallJudge] = {}
_opening = threading.Lock()


def load_small_judge(
    path: Path,
    *,
    cache_dir: Path | None = None,
    threads: int | None = None,
    precision: Precision | None = None,
) -> SmallJudge:
    """Return the judge of a folder, once per process as long as the folder stays the same.

    `precision`: one that doesn't serve shows in the name, since it changes verdicts. Raises ConfigError for a folder that can't be
    used.
    """
    folder = read_judge_folder(path)
    name = folder.name if precision in (None, folder.facts.serves) else f"{folder.name} {precision}"
    key = (path.resolve(), name, threads)
    with _opening:
        if key not in _opened:
            reader = _reader(folder, cache_dir, threads)
            scorer = PairScorer(folder.model(precision), threads=threads)
            _opened[key] = SmallJudge(name, folder.facts.calibration, reader, scorer)
        return _opened[key]


def check_encoder(folder: JudgeFolder) -> None:
    """Raise ConfigError if the judge was trained on passages that another encoder than ours has chosen."""
    if folder.facts.embedder != DEFAULT_ID:
        raise ConfigError(
            f"{folder.path} chooses passages by the encoder {folder.facts.embedder}, here is {DEFAULT_ID}: "
            "make it anew with clinalign eval distil-judge"
        )


def _reader(folder: JudgeFolder, cache_dir: Path | None, threads: int | None) -> PairReader:
    from tokenizers import Tokenizer

    check_encoder(folder)
    embedder = shared_embedder(cache_dir=cache_dir, threads=threads)
    try:
        tokenizer = Tokenizer.from_file(str(folder.tokenizer))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return PairReader(tokenizer, embedder, folder.facts.layout)
    except Exception as error:  # tokenizers raises no class of its own
        raise ConfigError(f"{folder.tokenizer} is no tokenizer of a small judge: {error}") from error
