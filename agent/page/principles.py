"""Principles as pieces of a web page: a card that opens from its title, and a run's principles as such cards. All text is escaped.

Native `<details>` open them, so they work by keyboard and without a script. Nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from agent.page.wording import counted
from principles_store.library import Library
from principles_store.principle import (
    DIMENSION_OF,
    SCENARIO_VALUES,
    Principle,
    PrincipleCriterion,
    Source,
)

DIMENSION_WORDS: dict[str, str] = {
    "urgency": "Urgency",
    "uncertainty": "Uncertainty",
    "expertise": "Who is asking",
    "task_type": "What is asked for",
}
"""The clinical dimensions as the page names them, in its order."""
SCENARIO_WORDS: dict[str, str] = {
    "emergent": "an emergency",
    "conditionally-emergent": "an emergency under some conditions",
    "non-emergent": "no emergency",
    "none": "nothing uncertain",
    "reducible": "uncertain, but more information would help",
    "irreducible": "uncertain, whatever else is asked",
    "professional": "a health professional",
    "layperson": "a layperson",
    "simple-question": "a simple question",
    "detailed-question": "a detailed question",
    "data-task-complete": "work on data that is all there",
    "data-task-incomplete": "work on data of which some is missing",
    "setting-irrelevant": "the place of care does not matter",
    "setting-clear": "the place of care matters and is known",
    "setting-unclear": "the place of care matters and is not known",
}
POLARITY_WORDS: dict[str, str] = {
    "do": "do (what an answer should do)",
    "avoid": "avoid (what an answer should not do)",
}
_GONE = "This principle is no longer in the library, or has another id there. The run knew it by this name."


def principle_card(principle: Principle, *, why: Sequence[str] = ()) -> str:
    """Return a principle behind its title, which opens it in full; `why` are the reasons it was retrieved for."""
    told = (
        _list("Why it was retrieved", why),
        _field("Dimension", escape(DIMENSION_WORDS[principle.dimension])),
        _list("Applies to", _scenarios(principle)),
        _field("Severity", escape(principle.severity)),
        _field("Polarity", escape(POLARITY_WORDS[principle.polarity])),
        _list("What it asks of an answer", [_criterion(criterion) for criterion in principle.criteria]),
        _list("Sources", [_source(source) for source in principle.sources]),
        _field("Id", _code(principle.id)),
    )
    severity = f" <span class='severity'>{escape(principle.severity)}</span>"
    return _opening(principle.title, principle.statement, "".join(told), mark=severity)


def chips(found: Sequence[Mapping[str, Any]], library: Library) -> str:
    """Return a run's principles by clinical dimension, each with why it was retrieved; empty if there are none.

    `found` are the rows of AgentOutput["principles"]. One that is not in the library any more is still named.
    """
    known = [name for name in DIMENSION_WORDS if any(row["dimension"] == name for row in found)]
    other = dict.fromkeys(row["dimension"] for row in found if row["dimension"] not in DIMENSION_WORDS)
    groups = "".join(_group(name, found, library) for name in [*known, *other])
    return f"<div class='chips'>{groups}</div>" if groups else ""


def seed_cards(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the kept rubrics of similar conversations that the model was shown; `found` are the rows of AgentOutput["seeds"]."""
    items = "".join(f"<li>{_seed(row)}</li>" for row in found)
    return f"<div class='chips'><ul>{items}</ul></div>" if items else ""


def _seed(row: Mapping[str, Any]) -> str:
    checked = "checked by clinicians" if row["verified"] else "synthetic or unchecked: no clinician has verified it"
    told = [
        f"similarity {row['similarity']:.2f}",
        checked,
        f"{counted(row['criteria'], 'criterion')} shown to the model, to be made to fit",
    ]
    return _opening(
        row["question"] or row["rubric_id"], "", _list("What it is", told) + _field("Id", _code(row["rubric_id"]))
    )


def _group(dimension: str, found: Iterable[Mapping[str, Any]], library: Library) -> str:
    name = escape(DIMENSION_WORDS.get(dimension, dimension))
    items = "".join(f"<li>{_found(row, library)}</li>" for row in found if row["dimension"] == dimension)
    return f"<section><p class='dimension'>{name}</p><ul>{items}</ul></section>"


def _found(row: Mapping[str, Any], library: Library) -> str:
    why = [*row["why"], f"strength of the match: {row['score']:.2f}"]
    if principle := library.by_id.get(row["id"]):
        return principle_card(principle, why=why)
    return _opening(row["title"], _GONE, _list("Why it was retrieved", why) + _field("Id", _code(row["id"])))


def _opening(title: str, text: str, fields: str, *, mark: str = "") -> str:
    told = f"<p>{escape(text)}</p><dl>{fields}</dl>"
    return f"<details class='principle'><summary>{escape(title)}{mark}</summary>{told}</details>"


def _scenarios(principle: Principle) -> list[str]:
    """Return a line per dimension that is listed: any of its values will do, but every dimension must fit."""
    lines = []
    for dimension in SCENARIO_VALUES:
        values = [SCENARIO_WORDS[value] for value in principle.scenarios if DIMENSION_OF[value] == dimension]
        lines += [f"{DIMENSION_WORDS[dimension]}: {', or '.join(values)}"] if values else []
    return lines


def _criterion(criterion: PrincipleCriterion) -> str:
    size = counted(abs(criterion.points), "point")
    role = f"✓ Wanted, {size}" if criterion.points > 0 else f"✗ A mistake, costs {size}"
    return f"{role}: {criterion.text}"


def _source(source: Source) -> str:
    return f"{source.title}. {source.organisation}, {source.year}"


def _list(name: str, lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return _field(name, f"<ul>{items}</ul>") if items else ""


def _field(name: str, content: str) -> str:
    return f"<dt>{name}</dt><dd>{content}</dd>"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"
