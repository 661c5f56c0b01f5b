"""What the model is shown when it writes a rubric: rules that are always the same, then conversation, principles and seeds.

Whatever we did not write stands in a fence; the prompts are `prompts/*.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

from langchain_core.messages import HumanMessage, SystemMessage

from agent.engine import Case
from agent.llm_prompts import Asked
from agent.prompt import Fenced, Prompt
from agent.seeds import MAX_FROM_SEEDS, seeds_block
from principles_store.index import Retrieved
from principles_store.rubric_entry import TAGS
from principles_store.scenario import Scenario
from training.rubric_checks import MAX_CRITERIA, MIN_CRITERIA

PROMPTS = Path(__file__).parent / "prompts"
STEP = "rubric"


def rubric_prompt(case: Case) -> Asked:
    """Ask for the rubric of a conversation, of which the case holds scenario, principles and seeds."""
    turns = [Fenced("turn", message["content"], {"role": message["role"]}) for message in case.conversation]
    principles, seeds = case.principles, case.seeds
    text = _prompt("rubric").render(
        conversation=Fenced("conversation", turns),
        principles=Fenced("principles", _listed(principles) or "none was found"),
        seeds=seeds_block(seeds),
        scenario=_told(case.scenario),
        principle_note=f"The principles are numbered 1 to {len(principles)}."
        if principles
        else "There are no principles.",
        least=str(MIN_CRITERIA),
        most=str(MAX_CRITERIA),
        seed_note=f", at most {MAX_FROM_SEEDS} of them from seeds (minus the number of the seed)" if seeds else "",
    )
    return Asked(STEP, (SystemMessage(_rules()), HumanMessage(text)), prompt_hash())


def prompt_hash() -> str:
    """Return the hash of rules and task together, as they stand in a call's record."""
    return sha256(f"{_rules()}\0{_prompt('rubric').text}".encode()).hexdigest()[:16]


@cache
def _rules() -> str:
    return _prompt("rules").render(tags="\n".join(f"  {name}: {meaning}" for name, meaning in TAGS.items()))


@cache
def _prompt(name: str) -> Prompt:
    return Prompt(name, (PROMPTS / f"{name}.md").read_text(encoding="utf-8").strip())


def _listed(principles: Sequence[Retrieved]) -> list[Fenced]:
    """Return each principle with its criteria: what it asks for in general, to be made specific."""
    return [
        Fenced(
            "principle",
            "\n".join(
                [
                    f"{found.principle.title}. {found.principle.statement}",
                    *(f"- ({criterion.points:+d}) {criterion.text}" for criterion in found.principle.criteria),
                ]
            ),
            {"number": str(number)},
        )
        for number, found in enumerate(principles, start=1)
    ]


def _told(scenario: Scenario) -> str:
    return ", ".join(f"{name} {value}" for name, value in scenario.labels.items())
