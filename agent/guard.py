"""What a revision may never do: lose a dose, a number, a drug, a negation, a time limit or a red flag without naming it.

No model takes part. Facts are counted, not just seen: a dose that stood twice and now stands once is lost unless a named edit
took it away. What this can't see: a drug missing from the list, two doses that change places, a sentence moved to a wrong place.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from agent.edit import Edit

FactKind = Literal["quantity", "drug", "negation", "red flag"]
LONGEST_NAMED_SHARE = 0.5
"""An edit whose `before` is more than this share of the draft names nothing in particular."""
SHORT_DRAFT_CHARACTERS = 400
"""Below this a draft may be replaced whole by a named edit."""

_UNIT = (
    r"(?:mg|mcg|µg|μg|ug|kg|g|ml|mL|dl|l|iu|units?|mmol|meq|mm ?hg|bpm|cm|mm|°? ?[cf]\b|%|"
    r"percent|degrees?|tablets?|capsules?|pills?|drops?|puffs?|"
    r"sprays?|tea ?spoons?|table ?spoons?|cups?|glasses|litres?|liters?|ounces?|oz|lbs?|pounds?|calories|kcal|"
    r"seconds?|minutes?|mins?|hours?|hrs?|h|days?|weeks?|months?|years?|times|x|weeks' gestation)"
)
_NUMBER = r"(?:\d+(?:[.,]\d+)*|\.\d+)"
_QUANTITY = re.compile(
    rf"(?<![\w.])({_NUMBER}(?:\s?(?:-|–|—|to|/)\s?{_NUMBER})*)\s?-?\s?({_UNIT}(?:/{_UNIT})*(?!\w))?", re.IGNORECASE
)
_LIST_NUMBER = re.compile(r"^[\s#>*_+-]*\d{1,2}[.)](?=[\s*_])", re.MULTILINE)
"""Counts the items of a list or of headings, and says nothing."""
_SPELT = dict(
    zip(
        "one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty half few couple".split(),
        "1 2 3 4 5 6 7 8 9 10 11 12 15 20 30 0.5 few few".split(),
        strict=True,
    )
)
_SPELT_QUANTITY = re.compile(  # "a day" alone is a rate ("500 mg a day"), "within a day" a limit
    rf"\b(?:({'|'.join(_SPELT)})(?: an?| of)?|(?:within|after|for|in|than) an?)[ -]"
    r"(tablet|capsule|pill|drop|puff|spray|teaspoon|tablespoon|dose|cup|glass|second|minute|hour|day|night|week|month|year|time)"
    r"(?:e?s)?\b"
)
_FREQUENCY = re.compile(
    r"\b(once|twice|thrice)[ -](?:(?:an?|per|each|every) )?(dai|hour|day|night|week|month|year)(?:ly)?\b"
)
_NEGATION = re.compile(r"\b(not|never|no|nor|none|cannot|without|avoid|neither|stop)\b|n['’]t\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{2,}")
_SKIPPED = frozenset(
    """
    the a an any be to of or and is are it this that these those have has been you your use in on with
    for more than
    """.split()
)
_RED_FLAGS = re.compile(
    r"\b((?<![\d.,])(?:911|999|112|000|108|988)(?![.,]?\d)|emergency (?:services?|number|department|room|care|help)|"
    r"emergency|ambulance|a&e|poison (?:control|cent(?:er|re))|"
    r"crisis (?:line|cent(?:er|re))|hotline|helpline|chest (?:pain|pressure|tightness)|"
    r"(?:trouble|difficulty|problems?) breathing|"
    r"short(?:ness)? of breath|breathless\w*|faint\w*|passing out|unconscious\w*|"
    r"unresponsive|seizures?|convulsions?|confus(?:ion|ed)|"
    r"slurred speech|facial droop\w*|stroke|heart attack|severe (?:pain|bleeding|headache|allergic reaction)|"
    r"(?:heavy|uncontrolled) bleeding|blood in (?:the |your |his |her )?(?:stool|urine|"
    r"vomit)|coughing up blood|stiff neck|suicid\w*|self-harm|"
    r"anaphyla\w*|sepsis|blue lips|swelling of the (?:face|lips|tongue|throat)|"
    r"loss of vision|vision loss|urgent(?:ly)?|"
    r"immediately|right away|red flags?)\b",
    re.IGNORECASE,
)
_DRUG_SUFFIX = re.compile(
    r"\b[a-z]{3,}(?:cillin|mycin|floxacin|cycline|azole|prazole|statin|sartan|olol|dipine|"
    r"gliptin|gliflozin|glutide|parin|xaban|"
    r"gatran|triptan|setron|profen|coxib|oxetine|pam|lam|barbital|caine|mab|tinib|vir|pril|"
    r"thiazide|semide|sone|solone|formin|oids?)\b",
    re.IGNORECASE,
)
_NOT_DRUGS = frozenset(
    """
    steroid steroids opioid opioids thyroid thyroids hemorrhoid hemorrhoids haemorrhoids avoid void
    ovoid typhoid devoid fibroid fibroids tabloid rheumatoid sinusoid keloid keloids carotenoid
    carotenoids flavonoids cannabinoid cannabinoids lymphoid april exam islam asteroid sigmoid deltoid
    adenoid adenoids mucoid factoid paranoid android hemorrhoids reservoir abdominal person someone spam
    clam slam siamese progesterone testosterone backbone
    """.split()
)


@dataclass(frozen=True)
class Fact:
    """One protected fact, in a form that equal facts share."""

    kind: FactKind
    value: str

    def __str__(self) -> str:
        return f"{self.kind} {self.value!r}"


_COURTESIES = frozenset(
    {"not hesitate ask", "not hesitate contact", "not hesitate reach", "not hesitate let", "not hesitate"}
)
"""Negations that deny nothing."""


def facts(text: str) -> Counter[Fact]:
    """Return the protected facts of a text with how often each stands in it."""
    found: Counter[Fact] = Counter()
    for number, unit in _QUANTITY.findall(_LIST_NUMBER.sub(" ", text)):
        found[Fact("quantity", _normal_quantity(number, unit))] += 1
    lowered = text.lower()
    for word, unit in _SPELT_QUANTITY.findall(lowered):
        found[Fact("quantity", f"{_SPELT.get(word, '1')} {unit}")] += 1
    for often, period in _FREQUENCY.findall(lowered):
        found[Fact("quantity", f"{often} {period.replace('dai', 'day')}")] += 1
    for word in _WORD.findall(lowered):
        if word in _drug_names() or (_DRUG_SUFFIX.fullmatch(word) and word not in _NOT_DRUGS):
            found[Fact("drug", word)] += 1
    for cue in _NEGATION.finditer(lowered):
        negated = _negated(lowered, cue)
        if negated not in _COURTESIES:
            found[Fact("negation", negated)] += 1
    for flag in _RED_FLAGS.finditer(lowered):
        found[Fact("red flag", flag.group())] += 1
    return found


def unnamed_losses(draft: str, revision: str, edits: Sequence[Edit]) -> list[Fact]:
    """Return the facts of the draft that the revision lacks and that no named edit took away.

    An edit names what it takes away if it carries a principle, its `before` stands in the draft word for word, and is gone
    from the revision. Naming the same place twice names it once.
    """
    lost = facts(draft) - facts(revision)
    if not lost:
        return []
    unclaimed = draft
    for edit in edits:
        if _names_its_span(edit, draft, revision) and edit.before in unclaimed:
            unclaimed = unclaimed.replace(edit.before, "\n", 1)
            lost -= facts(edit.before) - facts(edit.after)
    return sorted(lost.elements(), key=str)


def _names_its_span(edit: Edit, draft: str, revision: str) -> bool:
    if not edit.principle_id or not edit.before or draft.count(edit.before) <= revision.count(edit.before):
        return False
    return len(draft) <= SHORT_DRAFT_CHARACTERS or len(edit.before) <= LONGEST_NAMED_SHARE * len(draft)


def _normal_quantity(number: str, unit: str) -> str:
    number = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", number)
    number = re.sub(r"(?<!\d)\.", "0.", number)
    number = re.sub(r"\s?(?:–|—|-|to)\s?", "-", number)
    unit = re.sub(r"\s|°", "", unit.lower()).replace("μ", "µ").replace("mcg", "µg").replace("ug", "µg")
    return f"{number} {unit.rstrip('s') if len(unit) > 2 else unit}".strip()


def _negated(text: str, cue: re.Match[str]) -> str:
    """Return "not" and the next two telling words: enough to know what is negated, little enough to survive a rephrasing."""
    clause = re.split(r"[.!?;:\n]", text[cue.end() : cue.end() + 60], maxsplit=1)[0]
    following = [word for word in _WORD.findall(clause) if word not in _SKIPPED][:2]
    return " ".join(["not", *following])


@lru_cache(maxsize=1)
def _drug_names() -> frozenset[str]:
    lines = (Path(__file__).parent / "drug_names.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))
