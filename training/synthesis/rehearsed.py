"""A model that has rehearsed its part: rubrics of a usual size that only fill templates in, to time and test what is around it.

It takes criteria off the principles it is shown and puts words of the question behind each, which are others for each where the
question has enough: what a lazy model would do, and so the worst case for copies across questions. Of its criteria about as many
have to be compared by meaning as of real ones (docs/synthesis.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from agent.testing import Reply

_PRINCIPLE = re.compile(r'<principle number="(\d+)">\n(.*?)\n</principle>', re.DOTALL)
_CRITERION = re.compile(r"^- \(([+-]\d+)\) (.+)$", re.MULTILINE)
_LAST_TURN = re.compile(r'<turn role="user">\n(.*?)\n</turn>\n</conversation>', re.DOTALL)
_CASE = re.compile(r"\(case (\d+)\)")
_POSITIVE, _PENALTIES = 6, 3
_OWN: Sequence[tuple[int, str]] = (
    (9, "Says first what has to be done about"),
    (6, "Gives the usual course in days of"),
    (5, "Names the medicine with its main caution for"),
    (4, "Explains in plain words the cause of"),
    (3, "Asks for the one fact that would change the advice on"),
    (2, "Names a person to turn to with"),
    (-6, "Tells the reader to wait for weeks with"),
    (-4, "Repeats three times the same warning about"),
    (-3, "Quotes a study without its year in the matter of"),
)
BROKEN = {"criterion": "Fails to mention it", "points": -5}
"""A penalty that no check lets through."""


@dataclass(frozen=True)
class RehearsedRubricWriter:
    """Replies to the prompt of synthesis after a while."""

    delay_s: float = 0.0
    faulty_every: int = 0
    """Every so-many-th case has a faulty first reply; 0: none has."""

    def __call__(self, body: Mapping[str, Any]) -> Reply:
        messages = [str(message["content"]) for message in body["messages"]]
        asked = next((text for text in messages if text.rstrip().endswith("Task: RUBRIC")), None)
        if asked is None:
            raise ValueError("no task RUBRIC in the request: it is none of synthesis")
        criteria = written(asked)
        if self._is_faulty(asked, is_second=messages[-1] != asked):
            criteria[-1] |= BROKEN
        return Reply(json.dumps({"criteria": criteria}), delay_s=self.delay_s, chunk_size=400)

    def _is_faulty(self, asked: str, *, is_second: bool) -> bool:
        found = _CASE.search(asked)
        return bool(self.faulty_every and not is_second and found and int(found[1]) % self.faulty_every == 0)


def written(asked: str) -> list[dict[str, Any]]:
    """Return nine criteria: of two principles that are shown and a penalty of a third, then some that would do for anything."""
    shown = []
    for principle in _PRINCIPLE.finditer(asked):
        first = _CRITERION.search(principle[2])
        shown += [(int(principle[1]), int(first[1]), first[2].rstrip("."))] if first else []
    own = [(0, points, text) for points, text in _OWN]
    rewarded = [item for item in shown if item[1] > 0]
    apart = [*rewarded[:1], *rewarded[1:][-1:]]  # the nearest and the farthest: neighbours are too like each other
    positive = apart + [item for item in own if item[1] > 0]
    penalties = [item for item in shown if item[1] < 0][:1] + [item for item in own if item[1] < 0]
    chosen = [*positive[:_POSITIVE], *penalties[:_PENALTIES]]
    return [
        {
            "principle": number,
            "criterion": f"{text.replace(';', ',')} {topic}.",
            "points": points,
            "axis": "accuracy",
            "tags": ["diagnosis"],
        }
        for (number, points, text), topic in zip(chosen, _topics(asked), strict=False)
    ]


def _topics(asked: str) -> Iterator[str]:
    """Yield pairs of words of the last turn, the longest first, again and again."""
    found = _LAST_TURN.search(asked)
    told = sorted(set(re.findall(r"[a-z]{4,}", found[1].lower() if found else "")), key=lambda word: (-len(word), word))
    longest = cycle(told[: 2 * (_POSITIVE + _PENALTIES)] or ["this"])
    while True:
        yield f"{next(longest)} {next(longest)}"
