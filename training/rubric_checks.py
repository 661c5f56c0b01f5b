"""What is wrong with a rubric that somebody proposes for a conversation: form, doubles, contradictions, leakage, copies, use.

Nothing medical is judged. A criterion's place is counted from 0 in `Problem.criteria` and from 1 in its words, which are shown to
the model that is asked again. Thresholds were set on the shipped rubrics (docs/rubrics-draft.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal, NamedTuple

from agent.rubric import Criterion, Verdict, VerdictValue, score
from principles_store.conversation import Conversation
from principles_store.rubric_entry import RubricCriterion
from principles_store.rubric_lint import MAX_LIKENESS, lint_criteria
from training.rubric_wording import MIN_SHARED_IF_ALIKE, Likeness, is_turned, likeness, runs, shared, words

if TYPE_CHECKING:
    from principles_store.embedding import Embedder

Kind = Literal["form", "double", "contradiction", "leakage", "copied seeds", "no use"]

MIN_CRITERIA, MAX_CRITERIA = 7, 15
MAX_OPPOSED_LIKENESS = 0.93
"""Cosine of a criterion and a penalty, beyond which one rewards what the other punishes."""
MAX_COPIED_WORDS = 8
"""In a row, from a response, that the conversation doesn't hold: beyond, a criterion tests for a text and not for a meaning."""
MAX_COPIED_SEEDS = 3
"""Criteria that are another conversation's, word by word."""
_NAMES_A_RESPONSE = re.compile(
    r"\b(preferred|chosen|rejected) (response|answer)\b|\bthe (better|worse|first|second|other) response\b(?! (to|rate)\b)"
    r"|\b([Rr]esponse|[Aa]nswer) (A|B|1|2)\b|\bboth (responses|answers)\b"
)
_FIELD = re.compile(r"rubric\.(\d+)")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    kind: Kind
    message: str
    """One sentence; names the criteria by their numbers from 1."""
    criteria: tuple[int, ...] = ()
    """Positions from 0 of those that are meant; empty: the rubric as a whole."""

    def __str__(self) -> str:
        return self.message


class Margin(NamedTuple):
    """How far the preferred response is ahead of the other by the rubric's score; equal where no verdict is unknown."""

    low: float
    high: float


def check_rubric(
    criteria: Sequence[RubricCriterion],
    *,
    conversation: Conversation,
    responses: Sequence[str] = (),
    verdicts: Sequence[Sequence[VerdictValue]] | None = None,
    preferred: int | None = None,
    seeds: Sequence[str] = (),
    embedder: Embedder | None = None,
) -> list[Problem]:
    """Return every problem, those of form first; empty for a rubric that can be used.

    `verdicts`: of each response, one per criterion. `seeds`: texts that its author was shown. Without an embedder criteria are
    compared by their words only; without verdicts and a preferred response nobody asks whether it tells them apart.
    """
    found = [*_form(criteria), *contradictions(criteria, embedder), *_leakage(criteria, conversation, responses)]
    found += _copied(criteria, seeds)
    if verdicts is not None and preferred is not None:
        found += _useless(criteria, margin(criteria, verdicts, preferred))
    return found


def contradictions(criteria: Sequence[RubricCriterion], embedder: Embedder | None = None) -> list[Problem]:
    """Return the pairs of criteria that ask for the same twice, or that no answer can satisfy together.

    What their words tell isn't encoded: that is most of what a check costs.
    """
    pairs = list(combinations(range(len(criteria)), 2))
    wordings = {pair: likeness(*_texts(criteria, pair)) for pair in pairs}
    open_pairs = [
        pair for pair, wording in wordings.items() if wording == "different" and _may_be_alike(criteria, pair)
    ]
    cosines = _cosines(criteria, open_pairs, embedder) if embedder is not None and open_pairs else {}
    found = []
    for pair in pairs:
        first, second = pair
        if told := _clash(criteria[first], criteria[second], wordings[pair], cosines.get(pair, 0.0)):
            kind, what = told
            found.append(Problem(kind, f"criteria {first + 1} and {second + 1} {what}", pair))
    return found


def margin(criteria: Sequence[RubricCriterion], verdicts: Sequence[Sequence[VerdictValue]], preferred: int) -> Margin:
    """Return score of the preferred response less score of the other; ValueError unless two responses have a score."""
    rubric = [Criterion(item.criterion, item.points) for item in criteria]
    scores = [score(rubric, [Verdict(value) for value in row]) for row in verdicts]
    if len(scores) != 2 or scores[0] is None or scores[1] is None:
        raise ValueError("a margin needs the verdicts of two responses, and a criterion with points above 0")
    ahead, behind = scores[preferred], scores[1 - preferred]
    assert ahead is not None and behind is not None  # noqa: S101 - for the type checker; looked at above
    return Margin(ahead.low - behind.high, ahead.high - behind.low)


def _form(criteria: Sequence[RubricCriterion]) -> Iterator[Problem]:
    if not MIN_CRITERIA <= len(criteria) <= MAX_CRITERIA:
        yield Problem("form", f"{len(criteria)} criteria; give {MIN_CRITERIA} to {MAX_CRITERIA}")
    for field, message in lint_criteria(criteria):
        place = _FIELD.match(field)
        number = int(place[1]) if place else None
        told = message if number is None else f"criterion {number + 1}: {message}"
        yield Problem("form", told, () if number is None else (number,))


def _may_be_alike(criteria: Sequence[RubricCriterion], pair: tuple[int, int]) -> bool:
    """Tell whether two criteria may mean the same though their words differ."""
    texts = _texts(criteria, pair)
    return shared(*texts) >= MIN_SHARED_IF_ALIKE and not is_turned(*texts)


def _cosines(
    criteria: Sequence[RubricCriterion], pairs: Sequence[tuple[int, int]], embedder: Embedder
) -> dict[tuple[int, int], float]:
    """Return the cosine of each pair, of all of which only the criteria in them are encoded, in one go."""
    numbers = sorted({number for pair in pairs for number in pair})
    vectors = dict(zip(numbers, embedder.encode([criteria[number].criterion for number in numbers]), strict=True))
    return {(first, second): float(vectors[first] @ vectors[second]) for first, second in pairs}


def _texts(criteria: Sequence[RubricCriterion], pair: tuple[int, int]) -> tuple[str, str]:
    return criteria[pair[0]].criterion, criteria[pair[1]].criterion


def _clash(one: RubricCriterion, other: RubricCriterion, wording: Likeness, cosine: float) -> tuple[Kind, str] | None:
    is_opposed = (one.points > 0) != (other.points > 0)
    says_same = wording == "same" or cosine > (MAX_OPPOSED_LIKENESS if is_opposed else MAX_LIKENESS)
    if says_same and is_opposed:
        return "contradiction", "say the same, and one rewards what the other punishes"
    if says_same:
        return "double", "ask for the same; keep one"
    if wording == "flipped" and one.points > 0 and other.points > 0:
        return "contradiction", "ask for opposite things; no answer can satisfy both"
    return None


def _leakage(
    criteria: Sequence[RubricCriterion], conversation: Conversation, responses: Sequence[str]
) -> Iterator[Problem]:
    length = MAX_COPIED_WORDS + 1
    asked = runs(" ".join(message["content"] for message in conversation), length)
    said = set().union(*(runs(text, length) for text in responses)) - asked
    for number, item in enumerate(criteria):
        if named := _NAMES_A_RESPONSE.search(item.criterion):
            what = f"criterion {number + 1} speaks of {named[0]!r}; say what any answer must say"
            yield Problem("leakage", what, (number,))
        if runs(item.criterion, length) & said:
            what = (
                f"criterion {number + 1} copies {length} words in a row or more from a response; put it in other words"
            )
            yield Problem("leakage", what, (number,))


def _copied(criteria: Sequence[RubricCriterion], seeds: Sequence[str]) -> Iterator[Problem]:
    known = {tuple(words(text)) for text in seeds}
    copies = tuple(number for number, item in enumerate(criteria) if tuple(words(item.criterion)) in known)
    if len(copies) > MAX_COPIED_SEEDS:
        listed = ", ".join(str(number + 1) for number in copies)
        what = (
            f"criteria {listed} are seeds word by word, more than {MAX_COPIED_SEEDS}; make them fit this conversation"
        )
        yield Problem("copied seeds", what, copies)


def _useless(criteria: Sequence[RubricCriterion], found: Margin) -> Iterator[Problem]:
    if found.low > 0:
        return
    if found.low == found.high:
        what = f"the preferred response doesn't score higher by this rubric (margin {found.low:+.2f})"
    else:
        what = (
            f"the preferred response may not score higher by this rubric (margin {found.low:+.2f} to {found.high:+.2f})"
        )
    yield Problem("no use", f"{what}; add what makes it the better one")
