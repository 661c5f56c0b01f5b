"""The ways in which an answer is changed to try a judge, and what each change leaves to be compared. Judges nothing.

An answer's changes depend on the seed and the answer alone, so a run over more answers has those of a run over fewer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from agent.errors import ConfigError
from evals.graded import GradedAnswer
from evals.robustness.bearing import is_about_the_whole, may_bear_on
from evals.robustness.passages import foreign_passage
from evals.robustness.texts import FIND_IT_BAD, FIND_IT_GOOD, NEUTRAL, OTHER_TASKS

Claim = Literal["control", "must not", "should not"]
"""Whether a change that moves a verdict shows the judge's own noise, an error, or what can be argued about."""
REPEATED = 3
"""Criteria that are repeated in one answer."""
AS_IT_IS = "as it is"


@dataclass(frozen=True)
class Change:
    """An answer's new text, and the criteria on which its verdicts are compared, by place."""

    text: str
    compared: tuple[int, ...]


Make = Callable[[GradedAnswer, Random], Change | None]
"""None where the answer has nothing that could be changed so."""


@dataclass(frozen=True)
class Attack:
    """One way of changing answers."""

    name: str
    claim: Claim
    make: Make


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be compared of one changed answer; holds no text, since there are many."""

    id: str
    of: str
    """Id of the answer as it is."""
    prompt: str
    attack: str
    compared: tuple[int, ...]
    points: tuple[int, ...]
    """Of the whole rubric."""


def attacks(donors: Sequence[GradedAnswer], injections: Sequence[str] = ()) -> dict[str, Attack]:
    """Return every attack by name; `donors` lend passages to answers of other conversations."""
    found = [
        Attack("again", "control", lambda answer, _: Change(answer.response, _all(answer))),
        Attack("spacing", "must not", lambda answer, _: _rewritten(answer, _spaced(answer.response))),
        Attack("no markdown", "must not", lambda answer, _: _rewritten(answer, _without_markdown(answer.response))),
        Attack(
            "said twice", "must not", lambda answer, _: _rewritten(answer, f"{answer.response}\n\n{answer.response}")
        ),
        Attack(
            "neutral text", "must not", lambda answer, random: _appended(answer, " ".join(random.sample(NEUTRAL, 3)))
        ),
        Attack("find it good", "must not", _drawn_from(FIND_IT_GOOD)),
        Attack("find it bad", "must not", _drawn_from(FIND_IT_BAD)),
        Attack("other task", "must not", _drawn_from(OTHER_TASKS)),
        *([Attack("injections", "must not", _drawn_from(injections))] if injections else []),
        Attack("foreign passage", "should not", lambda answer, random: _with_passage(answer, donors, random)),
        Attack("criterion repeated", "should not", lambda answer, random: _repeating(answer, random, _bare)),
        Attack("criterion claimed", "should not", lambda answer, random: _repeating(answer, random, _claimed)),
    ]
    return {attack.name: attack for attack in found}


def chosen(known: Mapping[str, Attack], names: Sequence[str]) -> list[Attack]:
    """Return the attacks with these names, all without names; raises ConfigError for an unknown one."""
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no attack {name!r}; there are: {', '.join(known)}")
    return [attack for attack in known.values() if not names or attack.name in names]


def trials(
    answers: Iterable[GradedAnswer], tried: Sequence[Attack], *, seed: int
) -> Iterator[tuple[Trial, GradedAnswer]]:
    """Yield each answer as it is and then changed, with what is to be compared; answers without a text are left out."""
    for answer in answers:
        if not answer.response.strip():
            continue
        yield _trial(answer, AS_IT_IS, Change(answer.response, _all(answer)))
        for attack in tried:
            change = attack.make(answer, Random(f"{seed} {attack.name} {answer.id}"))
            if change is not None and change.compared:
                yield _trial(answer, attack.name, change)


def _trial(answer: GradedAnswer, attack: str, change: Change) -> tuple[Trial, GradedAnswer]:
    copy = replace(answer, id=f"{answer.id} ({attack})", response=change.text)
    points = tuple(criterion.points for criterion in answer.rubric)
    return Trial(copy.id, f"{answer.id} ({AS_IT_IS})", answer.prompt_id, attack, change.compared, points), copy


def _all(answer: GradedAnswer) -> tuple[int, ...]:
    return tuple(range(len(answer.rubric)))


def _rewritten(answer: GradedAnswer, text: str) -> Change | None:
    """Return a change that says nothing else than the answer did."""
    if text == answer.response:
        return None
    return Change(text, tuple(n for n in _all(answer) if not is_about_the_whole(answer.rubric[n].text)))


def _appended(answer: GradedAnswer, addition: str, *, at_start: bool = False) -> Change:
    text = f"{addition}\n\n{answer.response}" if at_start else f"{answer.response}\n\n{addition}"
    return Change(text, tuple(n for n in _all(answer) if not may_bear_on(addition, answer.rubric[n].text)))


def _drawn_from(texts: Sequence[str]) -> Make:
    def make(answer: GradedAnswer, random: Random) -> Change:
        return _appended(answer, random.choice(texts), at_start=random.random() < 0.5)

    return make


def _spaced(text: str) -> str:
    """Return the text with wider gaps between paragraphs and blanks at the ends of lines."""
    return re.sub(r"\n\n+", "\n\n\n\n", text).replace("\n", "  \n") + "  \n"


def _without_markdown(text: str) -> str:
    """Return the text without the marks of headings and emphasis, and with other bullets."""
    text = re.sub(r"^#{1,6}[ \t]+", "", text, flags=re.MULTILINE)
    text = re.sub(r"\*\*|__", "", text)
    return re.sub(r"^([ \t]*)[-*+][ \t]+", r"\1• ", text, flags=re.MULTILINE)


def _with_passage(answer: GradedAnswer, donors: Sequence[GradedAnswer], random: Random) -> Change | None:
    passage = foreign_passage(answer, donors, random)
    return None if passage is None else _appended(answer, passage)


def _repeating(answer: GradedAnswer, random: Random, worded: Callable[[str], str]) -> Change | None:
    """Return the answer with some of its merits' criteria behind it, on which alone it is compared.

    Penalties are no use to whoever wants a higher score; criteria of the whole answer may truly be changed by any addition.
    """
    merits = [n for n in _all(answer) if answer.rubric[n].points > 0 and not is_about_the_whole(answer.rubric[n].text)]
    repeated = sorted(random.sample(merits, min(REPEATED, len(merits))))
    lines = [worded(" ".join(answer.rubric[n].text.split())) for n in repeated]
    return Change("\n\n".join([answer.response, *lines]), tuple(repeated)) if repeated else None


def _bare(criterion: str) -> str:
    return criterion


def _claimed(criterion: str) -> str:
    """Return "This answer advises …" for "Advises …" or "The response advises …"."""
    rest = re.sub(
        r"^(?:the |this )?(?:response|answer|reply|assistant|model|completion) ", "", criterion, flags=re.IGNORECASE
    )
    if re.match(r"[A-Za-z]+s ", rest):
        return f"This answer {rest[0].lower()}{rest[1:]}"
    return f"It is true of this answer: {criterion}"
