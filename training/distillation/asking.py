"""What the model is shown of a cluster: rules that are always the same, then its criteria and what was asked.

Whatever we did not write stands in a fence; the prompts are `prompts/*.md`.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from langchain_core.messages import HumanMessage, SystemMessage

from agent.llm_prompts import Asked
from agent.prompt import Fenced, Prompt
from training.distillation.material import Material

PROMPTS = Path(__file__).parent / "prompts"
STEP = "principle"
_LEAST_SHARE = 0.1
"""Scenario values that are rarer behind a cluster aren't told."""


def principle_prompt(material: Material, conversations: int) -> Asked:
    """Ask for the principle behind a cluster that stems from so many conversations."""
    criteria = [Fenced("criterion", text, {"points": f"{points:+d}"}) for points, text in material.criteria]
    shares = [f"{value} {share:.0%}" for value, share in material.key.shares.items() if share >= _LEAST_SHARE]
    is_asked_for = material.polarity == "do"
    text = _prompt(STEP).render(
        criteria=Fenced("criteria", criteria),
        questions=Fenced("questions", [Fenced("question", question) for question in material.questions]),
        polarity=material.polarity,
        polarity_note="are asked for" if is_asked_for else "are penalties: each names a mistake",
        scenarios=", ".join(shares),
        count=f"{len(material.cluster.members):,}",
        conversations=f"{conversations:,}",
        shown=str(len(criteria)),
    )
    return Asked(STEP, (SystemMessage(_prompt("rules").text), HumanMessage(text)), prompt_hash())


def prompt_hash() -> str:
    """Return the hash of rules and task together, as they stand in a call's record."""
    return sha256(f"{_prompt('rules').text}\0{_prompt(STEP).text}".encode()).hexdigest()[:16]


@cache
def _prompt(name: str) -> Prompt:
    return Prompt(name, (PROMPTS / f"{name}.md").read_text(encoding="utf-8").strip())
