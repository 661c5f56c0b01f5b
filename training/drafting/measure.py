"""What the checks of a rubric find and cost, on the shipped rubrics or others: `python -m training.drafting.measure`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated

import typer

from principles_store.rubric_entry import RubricCriterion
from principles_store.rubric_lint import MAX_LIKENESS
from training.rubric_checks import MAX_OPPOSED_LIKENESS, contradictions
from training.rubric_wording import MIN_SHARED_IF_ALIKE, is_turned, shared

if TYPE_CHECKING:
    from principles_store.embedding import Embedder, Vectors

_VERBS = ("Says", "Explains", "States", "Mentions", "Notes", "Tells the reader")
_SMALL = {"a": "the", "the": "a", "and": "or", "for": "about", "with": "in"}


@dataclass(frozen=True)
class Measured:
    """What was seen."""

    criteria: int
    alike: int
    """Pairs of criteria, also of different rubrics, beyond the limit of their cosine that no word turns."""
    overlooked: int
    """Of them, those that share too few words to be encoded."""
    encoded: int
    """Criteria that a check of their rubric encodes."""
    planted: int
    found: int
    found_by_words: int

    def told(self) -> list[str]:
        """Return it in a few lines."""
        return [
            f"{self.criteria:,} criteria; {self.encoded / self.criteria:.1%} of them are encoded when their rubric is checked",
            f"{self.alike:,} pairs are alike by embedding; {self.overlooked:,} of them share too few words to be looked at",
            f"{self.planted:,} planted contradictions: {self.found / max(self.planted, 1):.1%} found, "
            f"{self.found_by_words / max(self.planted, 1):.1%} by words alone",
        ]


def measure(rubrics: Sequence[Sequence[RubricCriterion]], embedder: Embedder) -> Measured:
    """Return what the checks find among these rubrics, and in contradictions made out of them."""
    criteria = [item for rubric in rubrics for item in rubric]
    alike = list(_alike(criteria, embedder.encode([item.criterion for item in criteria])))
    counting = _Counting(embedder)
    for rubric in rubrics:
        contradictions(rubric, counting)
    planted = list(_planted(criteria, Random(0)))
    return Measured(
        len(criteria),
        len(alike),
        sum(shared(one, other) < MIN_SHARED_IF_ALIKE for one, other in alike),
        counting.texts,
        len(planted),
        sum(any(found.kind == "contradiction" for found in contradictions(pair, embedder)) for pair in planted),
        sum(any(found.kind == "contradiction" for found in contradictions(pair)) for pair in planted),
    )


class _Counting:
    def __init__(self, embedder: Embedder) -> None:
        self.id, self._embedder, self.texts = embedder.id, embedder, 0

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.texts += len(texts)
        return self._embedder.encode(texts)


def _alike(criteria: Sequence[RubricCriterion], vectors: Vectors) -> Iterator[tuple[str, str]]:
    from training.selection.likeness import near_within

    for first, second, cosine in near_within(vectors, MAX_LIKENESS):
        one, other = criteria[first], criteria[second]
        limit = MAX_LIKENESS if (one.points > 0) == (other.points > 0) else MAX_OPPOSED_LIKENESS
        if cosine > limit and not is_turned(one.criterion, other.criterion):
            yield one.criterion, other.criterion


def _planted(criteria: Sequence[RubricCriterion], chance: Random) -> Iterator[tuple[RubricCriterion, RubricCriterion]]:
    """Yield criteria beside themselves with sign and verb turned, and every small word exchanged."""
    for item in criteria:
        verb = next((verb for verb in _VERBS if item.criterion.startswith(f"{verb} ")), None)
        if verb is None or item.points < 0:
            continue
        other = chance.choice([name for name in _VERBS if name != verb])
        words = [_SMALL.get(word, word) for word in item.criterion.removeprefix(verb).split()]
        text = f"{other} {' '.join(words)}"
        yield item, item.model_copy(update={"criterion": text, "points": -item.points})


def checks_measure(
    rubrics: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Rows with rubrics; without: the shipped ones.")
    ] = None,
) -> None:
    """Measure how many criteria a check encodes, what it overlooks by that, and how many planted contradictions it finds."""
    from principles_store.rubric_set import load_rubrics
    from training.preference_files import read_preferences
    from training.selection.cli import open_embedder

    read = read_preferences(rubrics) if rubrics else load_rubrics()
    for line in measure([list(entry.rubric) for entry in read if entry.rubric], open_embedder()).told():
        typer.echo(line)


if __name__ == "__main__":
    typer.run(checks_measure)
