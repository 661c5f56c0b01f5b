"""What the model is shown when it writes a rubric: rules that are always the same, then conversation, principles and seeds.

Whatever we did not write stands in a fence; the prompts are `prompts/*.md`.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from langchain_core.messages import HumanMessage, SystemMessage

from agent.engine import Case
from agent.llm_prompts import Asked, conversation_fence, principles_fence
from agent.prompt import Prompt
from agent.seeds import seed_note, seeds_block
from principles_store.scenario import Scenario
from training.rubric_checks import MAX_CRITERIA, MIN_CRITERIA
from training.rubric_material import principle_note, tag_list

PROMPTS = Path(__file__).parent / "prompts"
STEP = "rubric"


def rubric_prompt(case: Case) -> Asked:
    """Ask for the rubric of a conversation, of which the case holds scenario, principles and seeds."""
    text = _prompt("rubric").render(
        conversation=conversation_fence(case.conversation),
        principles=principles_fence(case.principles),
        seeds=seeds_block(case.seeds),
        scenario=_told(case.scenario),
        principle_note=principle_note(case),
        least=str(MIN_CRITERIA),
        most=str(MAX_CRITERIA),
        seed_note=seed_note(case.seeds),
    )
    return Asked(STEP, (SystemMessage(_rules()), HumanMessage(text)), prompt_hash())


def prompt_hash() -> str:
    """Return the hash of rules and task together, as they stand in a call's record."""
    return sha256(f"{_rules()}\0{_prompt('rubric').text}".encode()).hexdigest()[:16]


@cache
def _rules() -> str:
    return _prompt("rules").render(tags=tag_list())


@cache
def _prompt(name: str) -> Prompt:
    return Prompt(name, (PROMPTS / f"{name}.md").read_text(encoding="utf-8").strip())


def _told(scenario: Scenario) -> str:
    return ", ".join(f"{name} {value}" for name, value in scenario.labels.items())
