"""Turns for the tests of the page, and its HTML as a browser would read it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, cast

from agent.api import invoke
from agent.review.turn import Decision, Turn, new_turn
from agent.state import AgentContext, AgentOutput
from agent.weave import Weave

QUESTION = "My husband, 58, has had pressure in his chest for 40 minutes and his left arm feels heavy. Antacid?"
DRAFT = (
    "Great question! It's probably just heartburn & nothing to worry about.\n\nHe can take <b>500 mg</b> of an antacid."
)
EVIL = "</textarea></style><script>alert('1')</script><img src=x onerror=\"hit()\">' \" ${1} {{value}} ![x](http://192.0.2.1/x.png)"


def answered(context: AgentContext, question: str = QUESTION, draft: str | None = DRAFT) -> Turn:
    output = invoke(question, draft=draft, context=context)
    return {**new_turn(question, draft), "output": output, "answer": output["answer"]}


def decision(edit: int, said: str, comment: str = "") -> Decision:
    return cast(
        Decision, {"edit": edit, "decision": said, "comment": comment, "at": "2026-01-02T00:00:00Z", "by": None}
    )


def without(turn: Turn, *rejected: int, judged_like: int | None = None) -> Turn:
    """Return the turn with edits rejected; its own version judged like one of the critiques, or not yet."""
    output = output_of(turn)
    weave = Weave.of(output["draft"], output["patches"])
    return {
        **turn,
        "decisions": [decision(edit, "reject") for edit in rejected],
        "left_out": sorted(weave.left_out(rejected)),
        "answer": weave.text(rejected),
        "verdicts": None if judged_like is None else output["critiques"][judged_like],
    }


def output_of(turn: Turn) -> AgentOutput:
    assert turn["output"]
    return turn["output"]


def changed(turn: Turn, **fields: Any) -> Turn:
    """Return the turn with other fields in its output."""
    return {**turn, "output": cast(AgentOutput, {**output_of(turn), **fields})}


def spoiled(value: Any, *, but: Collection[str] = ()) -> Any:
    """Return the value with markup at the end of every text but those of some keys."""
    if isinstance(value, str):
        return value + EVIL
    if isinstance(value, list):
        return [spoiled(item, but=but) for item in value]
    if isinstance(value, dict):
        return {key: item if key in but else spoiled(item, but=but) for key, item in value.items()}
    return value


@dataclass
class Element:
    """An element with all the text in it."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""

    @property
    def looks(self) -> list[str]:
        return (self.attributes.get("class") or "").split()


@dataclass
class Page(HTMLParser):
    """The elements of a piece of HTML, in order."""

    html: str
    elements: list[Element] = field(default_factory=list)
    _open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)
        self.close()
        assert not self._open, f"not closed: {self._open[-1].tag}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs)))
        self._open.append(self.elements[-1])

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str | None = None, look: str | None = None, **attributes: str) -> list[Element]:
        """Return the elements with that tag, class and attributes (`data_edit` for data-edit)."""
        wanted = {name.replace("_", "-"): value for name, value in attributes.items()}
        return [
            element
            for element in self.elements
            if (tag is None or element.tag == tag)
            and (look is None or look in element.looks)
            and all(element.attributes.get(name) == value for name, value in wanted.items())
        ]

    def one(self, tag: str | None = None, look: str | None = None, **attributes: str) -> Element:
        [found] = self.all(tag, look, **attributes)
        return found

    @property
    def ids(self) -> list[str]:
        return [str(element.attributes["id"]) for element in self.elements if "id" in element.attributes]
