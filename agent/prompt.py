"""Prompts as text files with `{{holes}}`, and the fences that keep other people's text from being read as ours.

A prompt is rendered in one pass, so a field that holds "{{draft}}" stays as it is. Whatever we did not write ourselves goes in
as `Fenced`: inside, what looks like one of our tags or like a control token of a chat template has its brackets changed. A fence
says where data begins and ends; it can't make a model ignore what the data says (tests/test_injection.py shows what holds then).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

PROMPT_FOLDER = Path(__file__).parent / "prompts"

FENCE_TAGS = frozenset(
    """
    answer asked author candidate case context conversation criteria criterion data document draft edit error example
    fact finding form instruction limit message note output passage plan principle problem question reply request response
    revised revision rubric rule scenario seed source system task text turn user assistant verdict version warning
    """.split()
)
"""What a fence's tag may begin with: "draft", "drafts", "draft_2". Text inside any fence can't hold a tag that begins so."""

_HOLE = re.compile(r"\{\{ ?([a-z][a-z0-9_]*) ?\}\}")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TAG_CHARACTERS = dict.fromkeys(range(0xE0000, 0xE0080))
"""Unicode's invisible copy of ASCII: a reader doesn't see it, a model does."""
_LOOKALIKES = str.maketrans("‹〈⟨˂❮ᐸ›〉⟩˃❯ᐳ⁄∕╱\\∣│ǀаеорсухіѕԁѡυοαѵτ", "<<<<<<>>>>>>////|||aeopcyxisdwuoavt")
_CONTROL_WORDS = """
    s bos eos pad unk sys think tool_call tool_response start_of_turn end_of_turn start_of_image
    fim_prefix fim_middle fim_suffix start_header_id end_header_id im_start im_end eot_id
""".split()
_SQUARE_WORDS = """
    inst system_prompt tool_calls tool_results tool_content available_tools think img args call_id prefix suffix middle
""".split()


@dataclass(frozen=True)
class Fenced:
    """Text that we did not write: rendered between `<tag …>` and `</tag>`, which it can't close."""

    tag: str
    """Begins with one of FENCE_TAGS, so that every other fence knows it."""
    text: str | Sequence[Fenced]
    """Fences may hold fences: a conversation its turns."""
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.tag) or not self.tag.startswith(tuple(FENCE_TAGS)):
            raise ValueError(
                f"unknown fence {self.tag!r}; add the word it begins with to FENCE_TAGS in agent/prompt.py"
            )
        if wrong := [name for name in self.attributes if not _NAME.fullmatch(name)]:
            raise ValueError(f"attribute {wrong[0]!r} of fence {self.tag!r} is no name")

    def __str__(self) -> str:
        attributes = "".join(f' {name}="{_attribute(value)}"' for name, value in self.attributes.items())
        inside = neutralise(self.text) if isinstance(self.text, str) else "\n".join(map(str, self.text))
        return f"<{self.tag}{attributes}>\n{inside}\n</{self.tag}>"


Field: TypeAlias = str | Fenced | Sequence[Fenced]
"""What fills a hole. A bare str goes in as it is: it must be our own words, never a user's, a model's or a store's."""


@dataclass(frozen=True)
class Prompt:
    """One prompt text with its holes."""

    name: str
    text: str

    def __post_init__(self) -> None:
        if "{{" in _HOLE.sub("", self.text):
            raise ValueError(f"prompt {self.name!r} has a malformed hole; write it {{{{lower_case}}}}")

    @property
    def holes(self) -> frozenset[str]:
        """Names of the fields that `render` wants."""
        return frozenset(_HOLE.findall(self.text))

    @property
    def hash(self) -> str:
        """First 16 hex digits of the text's SHA-256; every call record carries them."""
        return sha256(self.text.encode()).hexdigest()[:16]

    def render(self, **fields: Field) -> str:
        """Return the text with every hole filled, in one pass; ValueError with the names if holes ≠ fields."""
        if self.holes != fields.keys():
            missing, unknown = sorted(self.holes - fields.keys()), sorted(fields.keys() - self.holes)
            raise ValueError(f"prompt {self.name!r}: missing fields {missing}, unknown fields {unknown}")
        return _HOLE.sub(lambda hole: _filled(fields[hole[1]]), self.text)


@cache
def load_prompt(name: str) -> Prompt:
    """Return the prompt `agent/prompts/<name>.md`; ValueError that lists the names there are."""
    path = PROMPT_FOLDER / f"{name}.md"
    if not _NAME.fullmatch(name) or not path.is_file():
        known = ", ".join(sorted(found.stem for found in PROMPT_FOLDER.glob("*.md")))
        raise ValueError(f"no prompt {name!r}; there are: {known}")
    return Prompt(name, path.read_text(encoding="utf-8").strip())


def neutralise(text: str) -> str:
    """Return the text with round brackets on our tags and on control tokens: `(/draft)`, `(|im_end|)`, `(INST)`.

    Also where they are spaced, in capitals, in full-width or look-alike letters, or have invisible characters inside. All other
    text stays as it is ("HbA1c <7%", "<b>"), so that an edit can still quote it.
    """
    text = text.translate(_TAG_CHARACTERS)
    shape = _shape(text)
    if not any(opening in shape for opening in ("<", "[", "&", "/u003c")):
        return text
    parts, done = [], 0
    for match in _pattern().finditer(shape):
        end = match.start("close") if match["close"] else match.end()
        parts += [text[done : match.start()], "(", text[match.end("open") : end], ")" if match["close"] else ""]
        done = match.end()
    return "".join([*parts, text[done:]])


def _filled(value: Field) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, Fenced) else "\n".join(map(str, value))


def _attribute(value: str) -> str:
    return " ".join(neutralise(value).translate(str.maketrans('"<>', "'[]")).split())


def _shape(text: str) -> str:
    """Return the text as it looks, lower-case and of the same length: U+200B for whatever can't be seen."""
    if text.isascii():
        return text.replace("\\", "/").lower()
    looks = {ord(character): _look(character) for character in set(text) if not character.isascii()}
    return text.translate(looks).translate(_LOOKALIKES).lower()


def _look(character: str) -> str:
    if unicodedata.category(character) in {"Cf", "Mn", "Me", "Cc"}:
        return "\u200b"
    first = unicodedata.normalize("NFKD", character)[0]
    return first if len(first.lower()) == 1 else character


@cache
def _pattern() -> re.Pattern[str]:
    gap = r"[\s\u200b\x00-\x1f]*+"  # possessive: a long run of blanks is passed once

    def spaced(words: Iterable[str]) -> str:
        return "|".join(gap.join(map(re.escape, word)) for word in sorted(words))

    angle = rf"(?:<|&lt;?|&#0*60;?|&#x0*3c;?|/u003c){gap}"
    named = rf"(?:/{gap})?+(?:{spaced(FENCE_TAGS)}|\||(?:{spaced(_CONTROL_WORDS)})(?!\w))"
    square = rf"\[{gap}(?=(?:/{gap})?+(?:{spaced(_SQUARE_WORDS)})(?!\w))"
    close = r"(?:/?[^<>\[\]&/]{0,200}?(?P<close>>|&gt;|\]))?+"
    return re.compile(rf"(?P<open>{angle}(?={named})|{square}){close}")
