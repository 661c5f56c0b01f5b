"""Drafting rubrics with a scripted model: replies of the right shape, a preference to draft from, runs of the real job."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scripted_model import ScriptedModel, with_model

from agent.batch.run import BatchRun
from agent.batch.runners import ThreadRunner
from agent.config import Settings
from agent.state import AgentContext
from agent.testing import FakeServer
from training.drafting.job import Drafting, DraftOpener
from training.preference_files import write_records
from training.preferences import HealthRubric

QUESTION = "My baby is 6 weeks old and has had 38.6 °C since this morning. Can I give something and wait?"
GOOD = "A fever at 6 weeks needs to be seen in hospital today, even if your baby looks well. Please go now."
POOR = "Give some paracetamol and wait two days. Babies often have a temperature and it passes by itself."
TEXTS = (
    (9, "Says that a fever of 38.6 °C at 6 weeks needs an examination in hospital the same day."),
    (7, "Explains that a young baby can look well and still have a serious infection."),
    (5, "Asks whether the baby is feeding."),
    (4, "Advises taking along a note of the temperatures."),
    (3, "Names urine infection as a frequent hidden cause at this age."),
    (-9, "Tells the parent to watch the fever at home for days."),
    (-6, "Gives a dose of a fever medicine as the whole plan."),
)


def rubric_reply(*changes: Mapping[str, Any], texts: Sequence[tuple[int, str]] = TEXTS) -> dict[str, Any]:
    """Return a reply that passes the checks; each change is laid over the criterion at its place."""
    criteria = [
        {"principle": 0, "criterion": text, "points": points, "axis": "accuracy", "tags": ["diagnosis"]}
        for points, text in texts
    ]
    for place, change in enumerate(changes):
        criteria[place] |= change
    return {"criteria": criteria}


def preference(id: str = "baby-fever", **changes: Any) -> HealthRubric:
    """Return a preference in which the first response is the better one."""
    data = {
        "id": id,
        "conversation": [{"role": "user", "content": QUESTION}],
        "responses": [{"text": GOOD}, {"text": POOR}],
        "preferred": 0,
    }
    return HealthRubric.model_validate_json(json.dumps(data | changes))


def judged(prompt: str) -> dict[str, Any]:
    """Judge as one would who reads the answers: the one that says hospital meets what is asked for, the other the penalties."""
    answers = re.findall(r'<answer name="(.)">\n(.*?)\n</answer>', prompt, re.DOTALL)
    rubric = re.findall(r"^(\d+)\. \(([+-]\d+)\)", prompt, re.MULTILINE)
    return {
        "verdicts": [
            {
                "criterion": int(number),
                "answers": {
                    label: {"reason": "so", "evidence": [1], "verdict": _verdict("hospital" in text, int(points))}
                    for label, text in answers
                },
            }
            for number, points in rubric
        ]
    }


def _verdict(is_good: bool, points: int) -> str:
    return "met" if is_good == (points > 0) else "unmet"


def drafting(
    records: Sequence[HealthRubric] | Path, server: FakeServer, context: AgentContext, output: Path, **options: Any
) -> BatchRun:
    """Return a run over records, or a file of them, with the model on the server."""
    if isinstance(records, Path):
        source = records
    else:
        source = output.with_name("preferences.jsonl")
        write_records(records, source)
    settings = Settings(model="openai:fake")
    own = with_model(context, server, max_attempts=1)
    opener = DraftOpener(settings, replace(own, seeds=options.pop("seeds", own.seeds)))
    return BatchRun(Drafting(source, settings), ThreadRunner(opener, 2), output=output, **options)


def scripted(draft: Any, judge: Any = judged) -> ScriptedModel:
    return ScriptedModel(critique={}, draft=draft, judge=judge)


def drafted_rows(run: BatchRun, output: Path) -> list[dict[str, Any]]:
    """Let a run end, and return what it has written."""
    list(run)
    return [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
