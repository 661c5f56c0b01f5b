"""Where obvious numbers and addresses of a person stand in a text, by a cue ("MRN 12345") or an unmistakable form (an e-mail).

Rules only, for English; what they miss is in docs/privacy.md. In doubt they leave a number alone: a dose or a lab value hidden
from the model does more harm than is won. Names are found by `personal_names.py`, replacing is done by `redaction.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

Kind = Literal["EMAIL", "DATE-OF-BIRTH", "SOCIAL-SECURITY", "RECORD", "INSURANCE", "PHONE", "NAME"]


class Identifier(NamedTuple):
    """The place of one identifier in a text."""

    start: int
    end: int
    kind: Kind


# Every pattern is bounded, so that a text made to slow it down can't.
_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]{0,6}\.?"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_DATE = (
    r"(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|"
    rf"{_DAY}[ -](?:of )?{_MONTH},?[ -]\d{{2,4}}|{_MONTH} (?:{_DAY},? )?\d{{4}})(?!\d)"
)
_IS = r"(?:[ \t]*(?:is\b|was\b|[:#=.(–-]))*[ \t]*"
_NUMBER = r"(?: ?(?:number\b|no\b\.?|nr\b\.?|id\b|#))"
_CODE = (  # four characters or more; a blank inside only if nothing follows that the last digits could belong to
    r"(?P<id>\d{3} \d{3} \d{4}(?!\d)|"
    r"(?=(?:[a-z/ -]{0,4}\d){5})[a-z]{0,4}\d[\da-z]*(?:[-/][\da-z]+)*(?: \d{1,5}){1,3}(?=[.,;)](?!\d)|[ \t]*$)|"
    r"(?=(?:[a-z/-]{0,4}\d){4})[a-z]{0,4}[-/]?\d[\da-z]*(?:[-/][\da-z]+)*)"
)
_TOLL_FREE = (  # helplines are no one's own number, and the guard keeps them
    r"(?!(?:\+?1[ .-]?)?\(?8(?:00|33|44|55|66|77|88)\b|080[08]\b|116 ?\d{3}\b|13 ?\d\d ?\d\d\b|1[38]00\b)"
)
_DIGITS = r"(?P<id>[+(]?\d(?:[ ()/.-]{0,2}\d){6,14})"
_ENDS = r"(?!\d|[.,/-]\d| ?(?:mg|mcg|µg|g|ml|units?|iu)\b)"
_CALL = r"(?:(?:tele|cell|mobile )?phone|tel|cell|mobile|mob|fax|whatsapp|call|text|ring|reach|contact)"

_PATTERNS: tuple[tuple[Kind, str], ...] = (
    ("EMAIL", r"(?<![\w.+%-])(?P<id>[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5})"),
    (
        "DATE-OF-BIRTH",
        rf"\b(?:dob|d\.o\.b|date of birth|birth ?date|birthday|born(?: on)?(?: the| in)?)\b{_IS}(?P<id>{_DATE})",
    ),
    ("SOCIAL-SECURITY", r"(?<![\d-])(?P<id>\d{3}-\d{2}-\d{4})(?![\d-])"),
    ("SOCIAL-SECURITY", r"\b(?P<id>(?-i:[A-CEGHJ-PR-TW-Z]{2} ?\d\d ?\d\d ?\d\d ?[A-D]))\b"),
    (
        "SOCIAL-SECURITY",
        rf"\b(?:ssn|social security|national insurance|nino)\b{_NUMBER}?{_IS}(?P<id>\d{{3}} ?\d\d ?\d{{4}})\b",
    ),
    (
        "RECORD",
        r"\b(?:(?:mrn|urn|medical record|health record)|"
        rf"(?:medical|health|hospital|patient|clinic|chart|case|file|nhs|chi|ur)(?: record)?{_NUMBER}|"
        rf"record{_NUMBER}|id(?=[:#]| ?n(?:o|umber)\b))(?!\w){_NUMBER}?{_IS}{_CODE}",
    ),
    ("RECORD", r"\bnhs[: ]{1,3}(?P<id>\d{3}[ -]?\d{3}[ -]?\d{4})(?!\d)"),
    (
        "INSURANCE",
        r"\b(?:(?:insurance|policy|medicare|medicaid|ohip|health card)(?= ?:)|"
        r"(?:insurance|policy|member(?:ship)?|subscriber|group|plan|medicare|medicaid|ohip|health card)"
        rf"(?: (?:policy|member|card|plan))?{_NUMBER}){_IS}(?:(?-i:[A-Z])[a-z]{{1,14}} ){{0,3}}{_CODE}",
    ),
    ("INSURANCE", r"\b(?P<id>(?-i:\d[A-Z][A-Z\d]\d-?[A-Z][A-Z\d]\d-?[A-Z]{2}\d\d))\b"),
    ("PHONE", rf"(?<![\w+]){_TOLL_FREE}(?P<id>(?:\+|00)[1-9](?:[ ().-]{{0,2}}\d){{7,14}}){_ENDS}"),
    ("PHONE", rf"(?<![\w.(-]){_TOLL_FREE}(?P<id>(?:\+?1[ .-])?\(\d{{3}}\) ?\d{{3}}[ .-]\d{{4}}){_ENDS}"),
    ("PHONE", rf"(?<![\w.(-]){_TOLL_FREE}(?P<id>(?:1[.-])?\d{{3}}(?P<gap>[.-])\d{{3}}(?P=gap)\d{{4}}){_ENDS}"),
    ("PHONE", rf"(?<![\w.,/+-]){_TOLL_FREE}(?P<id>0[1-9](?P<gap>[ .-])\d\d(?:(?P=gap)\d\d){{3}}){_ENDS}"),
    ("PHONE", rf"(?<![\w.,/+-]){_TOLL_FREE}(?P<id>0[1-9]\d{{1,3}}[ /-]\d{{3,4}}[ -]?\d{{3,5}}|0[1-9]\d{{8,9}}){_ENDS}"),
    ("PHONE", r"\bph(?: ?no)?[.: ]{1,3}(?P<id>\+?\d{10,13})(?![\d.])"),  # "pH: 7.35 7.40" is none
    (
        "PHONE",
        rf"\b(?:{_CALL}\b\.?(?: (?:me|us|him|her|them|back))*{_NUMBER}?|(?:my|his|her|their|our|home|work) number)(?: at| on)?"
        rf"{_IS}{_TOLL_FREE}{_DIGITS}{_ENDS}",
    ),
)


def identifiers(text: str) -> Iterator[Identifier]:
    """Yield what is found but for names, in no order; places may overlap, and then the earlier found counts."""
    for kind, pattern in _compiled():
        for match in pattern.finditer(text):
            yield Identifier(*match.span("id"), kind)


@cache
def _compiled() -> tuple[tuple[Kind, re.Pattern[str]], ...]:
    return tuple((kind, re.compile(pattern, re.IGNORECASE | re.MULTILINE)) for kind, pattern in _PATTERNS)
