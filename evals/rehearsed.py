"""A model that has rehearsed its part: well-formed replies in the right order and of a usual size, for timing what is around it.

What it says means nothing. It finds one thing wrong with every draft, adds one sentence, and sees as a judge whether that is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.testing import Reply

ADDED = "Please have this checked by a clinician who knows you."
CRITERIA = 8
"""Per rubric; real ones have 4 to 14."""


@dataclass(frozen=True)
class RehearsedModel:
    """Replies to the engine's three prompts, and to anything else with a draft."""

    delay_s: float = 0.0

    def __call__(self, body: Mapping[str, Any]) -> Reply:
        return Reply(self._text(body["messages"]), delay_s=self.delay_s, chunk_size=200)

    def _text(self, messages: list[Mapping[str, str]]) -> str:
        last = messages[-1]["content"]
        task = re.search(r"^Task: (\w+)\s*\Z", last, re.MULTILINE)
        if task is None:
            return "It is usually nothing serious. Drink enough and rest for a day or two, and see how you feel."
        if task[1] == "CRITIQUE":
            return json.dumps({"criteria": [_criterion(number) for number in range(CRITERIA)]})
        if task[1] == "REVISE":
            edit = {
                "criterion": 1,
                "op": "ADD",
                "first": 1,
                "last": 1,
                "shape": "sentence",
                "text": ADDED,
                "why": "safer",
            }
            return json.dumps({"edits": [edit]})
        return json.dumps({"verdicts": _verdicts(last)})


def _criterion(number: int) -> dict[str, Any]:
    return {
        "principle": 0,
        "criterion": f"Says what a rehearsed critic expects, point {number} of a usual length for a statement like this",
        "points": 5,
        "reason": "The draft says nothing of it, as rehearsed." if number == 0 else "The draft says so, as rehearsed.",
        "evidence": [1],
        "verdict": "met" if number else "unmet",
        "fix": "" if number else "after [1] add a sentence",
    }


def _verdicts(prompt: str) -> list[dict[str, Any]]:
    count = int(re.findall(r"^Give (\d+) criteria", prompt, re.MULTILINE)[-1])
    answers = {part[0]: part.split("</answer>", 1)[0] for part in prompt.split('<answer name="')[1:]}

    def verdict(text: str, number: int) -> dict[str, Any]:
        holds = number > 1 or ADDED in text
        return {"reason": "As rehearsed.", "evidence": [1], "verdict": "met" if holds else "unmet"}

    return [
        {"criterion": number, "answers": {label: verdict(text, number) for label, text in answers.items()}}
        for number in range(1, count + 1)
    ]
