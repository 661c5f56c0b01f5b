"""What the model is shown when it drafts a rubric from a preference: rules, then conversation, responses, principles and seeds.

Whatever we did not write stands in a fence; the prompts are `prompts/*.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from agent.engine import Case
from agent.llm_prompts import Asked, conversation_fence, principles_fence
from agent.prompt import Fenced, Prompt
from agent.seeds import seed_note, seeds_block
from training.preferences import HealthRubric
from training.rubric_checks import MAX_CRITERIA, MIN_CRITERIA, Problem
from training.rubric_material import principle_note, tag_list
from training.rubric_reply import WrittenRubric

PROMPTS = Path(__file__).parent / "prompts"
STEP = "draft rubric"
_TOLD = 10
"""Problems that go back to the model at once."""


def draft_prompt(record: HealthRubric, case: Case) -> Asked:
    """Ask for the rubric of a record, of whose conversation the case holds principles and seeds."""
    text = _prompt("draft").render(
        conversation=conversation_fence(case.conversation),
        responses=_responses(record),
        note=Fenced("note", record.preference_reason, {"of": "the clinician"}) if record.preference_reason else "",
        principles=principles_fence(case.principles),
        seeds=seeds_block(case.seeds),
        preference="The first response was preferred."
        if record.preferred is not None
        else "Neither response was preferred: both are about as good, or nobody has said.",
        principle_note=principle_note(case),
        least=str(MIN_CRITERIA),
        most=str(MAX_CRITERIA),
        seed_note=seed_note(case.seeds),
    )
    return Asked(STEP, (SystemMessage(_rules()), HumanMessage(text)), prompt_hash())


def again_prompt(asked: Asked, reply: WrittenRubric, problems: Sequence[Problem]) -> Asked:
    """Ask once more, with what is wrong with the first reply."""
    told = Fenced("problems", "\n".join(f"- {problem}" for problem in problems[:_TOLD]))
    messages = (AIMessage(reply.model_dump_json()), HumanMessage(_prompt("again").render(problems=told)))
    return replace(asked, name=f"{STEP} (again)", messages=(*asked.messages, *messages))


@cache
def prompt_hash() -> str:
    """Return the hash of all that is ours in these requests, as it stands in a call's record."""
    parts = (_rules(), _prompt("draft").text, _prompt("again").text)
    return sha256("\0".join(parts).encode()).hexdigest()[:16]


@cache
def _rules() -> str:
    return _prompt("system").render(tags=tag_list())


@cache
def _prompt(name: str) -> Prompt:
    return Prompt(name, (PROMPTS / f"{name}.md").read_text(encoding="utf-8").strip())


def _responses(record: HealthRubric) -> list[Fenced]:
    """Return both responses, the preferred one first."""
    if record.chosen is None or record.rejected is None:
        return [Fenced("response", response.text) for response in record.responses]
    told = (("preferred", record.chosen), ("other", record.rejected))
    return [Fenced("response", response.text, {"name": name}) for name, response in told]
