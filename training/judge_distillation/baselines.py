"""What a small judge has to beat: the commoner verdict per polarity, logistic regression on similarities, and the detectors.

Similarities are cosines of the encoder that the small judge grew out of, without any training of it. Nothing here ships.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from agent.ledger import Ledger
from agent.segments import segments
from agent.sentences import count_words, plain_text
from evals.graded import GradedAnswer
from principles_store.conversation import Conversation

if TYPE_CHECKING:
    from agent.judge import Judge
    from principles_store.embedding import Embedder

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
_NEAREST = 3
SAID = {"met": 1.0, "unmet": 0.0, "unknown": np.nan}
"""A verdict as a number."""


def similarities(answers: Sequence[GradedAnswer], embedder: Embedder) -> Floats:
    """Return the features of every criterion of every answer, in their order, shape (criteria of all answers, features)."""
    return np.concatenate([_of_answer(answer, embedder) for answer in answers])


def _of_answer(answer: GradedAnswer, embedder: Embedder) -> Floats:  # (C, 2 F)
    """Return likeness to the answer's nearest passages and to the question, and lengths; once as they are, once signed.

    Signed by the polarity of the points, so that each weight may differ between good and bad things.
    """
    passages = [plain_text(answer.response[span.start : span.end]) for span in segments(answer.response)] or [""]
    criteria = [criterion.text for criterion in answer.rubric]
    vectors = embedder.encode([*criteria, *passages, _question(answer.conversation)])
    wanted, said, asked = vectors[: len(criteria)], vectors[len(criteria) : -1], vectors[-1]
    near = np.sort(wanted @ said.T, axis=1)[:, ::-1]  # (C, passages), nearest first
    columns = (
        np.ones(len(criteria)),
        near[:, 0],
        near[:, :_NEAREST].mean(axis=1),
        near.mean(axis=1),
        wanted @ asked,
        np.full(len(criteria), np.log1p(count_words(answer.response))),
        np.log1p([count_words(text) for text in criteria]),
    )
    found = np.stack(columns, axis=1).astype(np.float64)
    signs = np.array([1.0 if criterion.points > 0 else -1.0 for criterion in answer.rubric])
    return np.concatenate([found, signs[:, None] * found], axis=1)


def _question(conversation: Conversation) -> str:
    return next((turn["content"] for turn in reversed(conversation) if turn["role"] == "user"), "")


def logistic_regression(features: Floats, met: Booleans, others: Floats) -> Floats:
    """Return P(met) of the others, (n, F), by a regression on labelled features, (m, F) and (m,); the classes weigh the same."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    model.fit(features, met)
    chances: Floats = model.predict_proba(others)[:, 1]
    return chances


def commoner_verdict(is_positive: Booleans, met: Booleans, others_positive: Booleans) -> Floats:
    """Return per other criterion how often those of its polarity were met, shape (n,); 0.5 or more says met."""
    shares = {sign: met[is_positive == sign].mean() if (is_positive == sign).any() else 0.5 for sign in (True, False)}
    return np.where(others_positive, shares[True], shares[False])


def judged(answers: Sequence[GradedAnswer], judge: Judge) -> Floats:
    """Return a judge's verdicts on every criterion, in their order: 1 met, 0 unmet, NaN unknown."""
    return np.array(
        [
            SAID[verdict.value]
            for answer in answers
            for verdict in judge.judge(answer.conversation, [answer.response], answer.rubric, ledger=Ledger())[0]
        ]
    )
