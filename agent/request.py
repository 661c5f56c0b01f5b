"""What the user asked of the answer's form: its length, and whether it is a text to hand on. No model involved.

Asked-for format and length outrank completeness (docs/architecture.md, precedence), so the reviser must know of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from principles_store.conversation import Conversation, last_turn

_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10, "a": 1, "single": 1}
_COUNT = r"(?P<count>\d{1,3}|one|two|three|four|five|six|ten|a single|single|a)"
_LIMITS = (
    (
        re.compile(
            rf"\b(?:in|with|using|only|just|max(?:imum)?|at most|under|fewer than|"
            rf"no more than|up to) {_COUNT} words?\b",
            re.I,
        ),
        1,
    ),
    (re.compile(rf"\b{_COUNT}[- ]words? (?:answer|reply|response|only|max)\b", re.I), 1),
    (
        re.compile(rf"\b(?:in|with|only|just|max|at most|no more than) {_COUNT} (?:short |brief )?sentences?\b", re.I),
        25,
    ),
    (re.compile(rf"\b{_COUNT}[- ]sentences? (?:answer|reply|response|summary|only|max)\b", re.I), 25),
)
_BARE = re.compile(
    r"\b(?:just|only) (?:(?:want|need)(?: (?:a|an|the))|give|tell|say|answer|list|name|write)\b|"
    r"\b(?:just|only) (?:a|an|the) (?:\w+ )?(?:answer|name|number|dose|figure|word|list|result|code|gist)\b|"
    r"\byes[- ]or[- ]no\b|\b(?:nothing else|that'?s all|no explanation|"
    r"without (?:any )?explanation|one[- ]liner|very (?:short|brief)|briefly|keep it (?:short|brief)|tl;?dr)\b",
    re.IGNORECASE,
)
_TEXT_WORK = re.compile(
    r"^\W*(?:(?:please|can you|could you|kindly|hi|hello|help me)\W+)*(?:to )?"
    r"(?:revise|rewrite|re-write|rephrase|reword|paraphrase|proofread|polish|edit|translate|"
    r"summari[sz]e|shorten|condense)\b"
    r"|^\W*(?:please )?(?:format|correct|improve)(?: this| the following)?:"
    r"|^.{0,40}\b(?:format|correct|improve)\b.{0,40}\b(?:text|note|letter|summary|message|e-?mail|report|draft|"
    r"wording|sentence|paragraph|grammar|abstract|essay)\b"
    r"|\b(?:write|draft|compose|prepare|complete|finish|generate|create|"
    r"make(?! (?:a )?notes? of\b))\b.{0,40}\b(?:note|letter|summary|message|email|e-mail|report|referral|"
    r"handout|leaflet|post|caption|essay|story|poem|script|template|document|documentation|abstract)\b",
    re.IGNORECASE,
)
BARE_WORDS = 60
"""Room for an answer that was asked to be brief without a number."""


@dataclass(frozen=True)
class AskedForm:
    """The form the user asked for."""

    max_words: int | None
    """None where no brevity was asked for."""
    quote: str
    """The words that ask for it."""
    is_text_work: bool = False
    """The answer is a text to be handed on (a note, a translation, a story), not advice to the user."""


def asked_form(conversation: Conversation) -> AskedForm:
    """Return what the last turn asks of the answer's form."""
    text = last_turn(conversation)
    text_work = _TEXT_WORK.search(text) is not None
    for pattern, words_per_unit in _LIMITS:
        if match := pattern.search(text):
            count = match["count"].lower().removeprefix("a ")
            return AskedForm((_NUMBERS.get(count) or int(count)) * words_per_unit, match.group(), text_work)
    if match := _BARE.search(text):
        return AskedForm(BARE_WORDS, match.group(), text_work)
    return AskedForm(None, "", text_work)
