"""What the cross-encoder reads of a criterion, a conversation and an answer: one row of tokens, the same in training and in use.

    [CLS] good|bad: criterion [SEP] the conversation's last words [SEP] N words: the answer's passages [SEP]

An answer that doesn't fit is not cut off at its end: the passages nearest in meaning to the criterion are taken, in their order,
with a mark where some are left out. Room that the answer doesn't need goes to the conversation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.rubric import Criterion
from agent.segments import segments
from agent.sentences import count_words, plain_text
from principles_store.conversation import Conversation
from principles_store.embedding import Embedder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_MARKS = ("[CLS]", "[SEP]", "…")
_SPECIAL = 4
"""Tokens that are neither criterion nor conversation nor answer."""
_HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class Layout:
    """How the window is shared out, in tokens; part of a judge, which reads as it was trained to."""

    window: int = 256
    criterion: int = 96
    """At most; a longer one loses its end."""
    conversation: int = 64
    """At most, where the answer needs the rest."""
    passage: int = 64
    """A sentence longer than this is several passages."""

    def __post_init__(self) -> None:
        if not 0 < self.passage <= self.window - self.criterion - self.conversation - _SPECIAL - 8:
            raise ValueError(f"a window of {self.window} tokens has no room for a passage of {self.passage}")

    def as_dict(self) -> dict[str, Any]:
        """Return it as judge.json holds it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Pair:
    """One criterion beside one answer, as the model reads them."""

    ids: tuple[int, ...]
    second: int
    """Position from which the tokens are of the second text: conversation and answer."""
    nearest: str
    """The answer's passage that is nearest in meaning to the criterion, in its own words; empty for an empty answer."""

    @property
    def types(self) -> list[int]:
        """Return the token types: 0 for the criterion, 1 for the rest."""
        return [0] * self.second + [1] * (len(self.ids) - self.second)


@dataclass(frozen=True, slots=True)
class _Passage:
    text: str
    tokens: tuple[int, ...]


class PairReader:
    """Makes pairs; safe to share between threads if the embedder is."""

    def __init__(self, tokenizer: Tokenizer, embedder: Embedder, layout: Layout) -> None:
        """`tokenizer` must neither truncate nor pad; `embedder` tells which passages are near a criterion."""
        self.layout = layout
        self._tokenizer, self._embedder = tokenizer, embedder
        self._cls, self._sep, self._gap = (_id_of(tokenizer, mark) for mark in _MARKS)
        self._passages_of = lru_cache(maxsize=256)(self._passages)
        self._tokens = lru_cache(maxsize=4096)(self._encoded)

    def read(self, conversation: Conversation, answers: Sequence[str], rubric: Sequence[Criterion]) -> list[list[Pair]]:
        """Return pairs[answer][criterion]; half characters, which no tokenizer takes, are read as unknown ones."""
        answers = [_whole(answer) for answer in answers]
        rubric = [replace(criterion, text=_whole(criterion.text)) for criterion in rubric]
        turns = self._tokens(_whole("\n".join(f"{turn['role']}: {turn['content']}" for turn in conversation)))
        nearness = self._nearness(answers, rubric)
        return [
            [
                self._pair(criterion, turns, answer, likeness)
                for criterion, likeness in zip(rubric, nearness[number], strict=True)
            ]
            for number, answer in enumerate(answers)
        ]

    def _nearness(self, answers: Sequence[str], rubric: Sequence[Criterion]) -> list[Any]:
        """Return per answer the cosines of criteria and passages, shape (criteria, passages)."""
        passages = [self._passages_of(answer) for answer in answers]
        texts = [criterion.text for criterion in rubric] + [one.text for found in passages for one in found]
        vectors = self._embedder.encode(texts)
        wanted, rest = vectors[: len(rubric)], vectors[len(rubric) :]
        ends = np.cumsum([len(found) for found in passages])
        return [wanted @ rest[end - len(found) : end].T for found, end in zip(passages, ends, strict=True)]

    def _pair(self, criterion: Criterion, turns: tuple[int, ...], answer: str, likeness: Any) -> Pair:
        kind = "good" if criterion.points > 0 else "bad"
        asked = self._tokens(f"{kind}: {criterion.text}")[: self.layout.criterion]
        head = self._tokens(f"{count_words(answer)} words:")
        passages = self._passages_of(answer)
        room = self.layout.window - _SPECIAL - len(asked) - len(head)
        said = self._selected(passages, likeness, room - min(len(turns), self.layout.conversation))
        heard = _tail(turns, room - len(said))
        ids = (self._cls, *asked, self._sep, *heard, self._sep, *head, *said, self._sep)
        nearest = passages[int(np.argmax(likeness))].text if passages else ""
        return Pair(ids, len(asked) + 2, nearest)

    def _selected(self, passages: Sequence[_Passage], likeness: Any, room: int) -> tuple[int, ...]:
        """Return the tokens of the passages that fit, the nearest first served, in the answer's order."""
        if sum(len(one.tokens) for one in passages) <= room:
            return tuple(token for one in passages for token in one.tokens)
        taken: set[int] = set()
        for number in np.argsort(-likeness, kind="stable"):
            cost = len(passages[number].tokens) + 1  # with the mark of a gap before it
            if cost <= room:
                taken.add(int(number))
                room -= cost
        tokens: list[int] = []
        for number in sorted(taken):
            if number and number - 1 not in taken:
                tokens.append(self._gap)
            tokens += passages[number].tokens
        return tuple(tokens)

    def _passages(self, answer: str) -> tuple[_Passage, ...]:
        found = []
        for span in segments(answer):
            text = plain_text(answer[span.start : span.end])
            tokens = self._encoded(text)
            for start in range(0, len(tokens), self.layout.passage):
                found.append(_Passage(text, tokens[start : start + self.layout.passage]))
        return tuple(found)

    def _encoded(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)


def _whole(text: str) -> str:
    """Return a text of the same length that can be encoded."""
    return _HALF_CHARACTER.sub("\ufffd", text)


def _tail(tokens: tuple[int, ...], room: int) -> tuple[int, ...]:
    """Return the last tokens, since the last words are the question that was answered."""
    return tokens if len(tokens) <= room else tokens[len(tokens) - room :]


def _id_of(tokenizer: Tokenizer, mark: str) -> int:
    found = tokenizer.token_to_id(mark)
    if found is None:
        raise ValueError(f"the tokenizer has no token {mark}: it is none of a BERT model")
    return found
