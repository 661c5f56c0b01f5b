"""Where a person's name stands in a text: after a title, after "my name is" or on a line "Name: …", and the same words again.

Each word of a name is found for itself, so that "Anna Kowalska" and a later "Mrs Kowalska" share a placeholder. Only words with
a capital count, but after "my name is". Drugs and eponyms (Crohn, Parkinson) are left alone; docs/privacy.md tells what is missed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

from agent.guard import facts

Span = tuple[int, int]
MAX_WORDS = 4

_TITLE = re.compile(
    r"(?<![\w'’-])(?:(?P<whose>my|the|a|your|our|his|her|their|this|that|another) )?"
    r"(?P<title>Drs?|dr|Mr|mr|Mrs|mrs|Ms|Miss|Mx|Prof|prof|Professor|Doctor|Herr|Frau|Mme|Mlle|Madame|Monsieur|Señora?)"
    r"(?:(?P<dot>\.) ?| )(?=[^\W\d_])"
)
_CUE = re.compile(
    r"\b(?:(?:my|his|her|their|(?:patient|wife|husband|partner|son|daughter|child|baby|mother|father|mum|mom|dad|sister|brother|friend)"
    r"['’]?s) (?:(?:full|first|last|legal|maiden) )?(?:sur|nick)?(?P<name>name)(?:['’]s| is| was)|"
    r"(?:i am|i['’]m|he is|she is) (?:called|named)):? ",
    re.IGNORECASE,
)
_FIELD = re.compile(
    r"(?:^|(?<=[.;|,(]))[ \t*#>-]{0,5}(?:(?:full|first|last|middle|family|given|legal|maiden|preferred|patient|pt|client|child|"
    r"mother|father|parent|guardian|carer|next of kin|emergency contact|gp|doctor|nurse|physician|consultant)(?:['’]?s)? ){0,2}"
    r"(?:sur|fore)?name(?: of (?:the )?(?:patient|child|client))?"
    r"(?: ?\([^()\n]{0,20}\))?[*]{0,2}(?: ?[:=]| [–-](?= ))[*]{0,2}[ \t]{0,3}",
    re.IGNORECASE | re.MULTILINE,
)
_WORD = re.compile(r"[^\W\d_](?:['’]?[^\W\d_]|-(?=[^\W\d_]))*")
_GAP = re.compile(r" ")
_GAP_AFTER_INITIAL = re.compile(r"\.? ?")
_GAP_IN_FIELD = re.compile(r" |, (?=[^\W\d_][\w'’-]{0,40}(?: [A-Z]\.?)?[ \t]*(?:$|[\n,;|(]))")  # "Kowalska, Anna"
_END_OF_NAME = re.compile(r"[.,;!?]|\s*\n|\s*$| (?:and|i|i['’]m|from|aged?)\b")
_VALUE = re.compile(r"[ :=]{0,2}\d|:")
_PARTICLES = frozenset("van von der den de del della di da dos das du la le ten ter bin ibn binti al el".split())
_NO_NAME = frozenset(
    """
    a about after also am an and angiography anonymous any anyone appointment appt are as at because before but can
    changed child contin contrast could deceased did do does don't dose doses everyone female folic for from google had
    has have he her here hers his how i i'm i've if imaging immediately in insulin iron is it its known magnesium male
    maybe me medicine my n na name no none not note notes now of office on or orders our patient pepper please
    practitioner private promptly recommended redacted results said says scan scans scholl service services she should
    since so some soon spectroscopy surgery that the their then there these they this to told unknown unsure visit
    visits vitamin was we were what when where which who why with withheld woman would yes you your zinc
    """.split()
)
"""What follows a title or "Name:" without being one; lower case."""
_NOT_AFTER_A_NAME = frozenset(
    """
    monday tuesday wednesday thursday friday saturday sunday january february april june july august september october
    november december age aged dob sex gender date address phone tel email mrn nhs id bp hr rr ecg ekg ct mri
    cardiology oncology neurology psychiatry radiology dermatology clinic hospital ward emergency department medical
    """.split()
)
_EPONYMS = frozenset(
    """
    addison alzheimer apgar asperger babinski barrett basedow behcet behçet bell braden crohn cushing down dupuytren foley gilbert
    glasgow graves hashimoto hodgkin huntington kaposi kawasaki kernig lyme marfan meniere ménière murphy paget parkinson
    raynaud romberg sjogren sjögren still tourette turner wilson
    """.split()
)
_WORDS_TOO = frozenset(
    """
    art august april bean best bill black brown bush day dean dawn drew english faith fish foot frank french gene german grace grant
    gray green grey hand hart heart hill hope iris ivy joy june king lily long love lung mark mason may moon page pat penny
    pope price rice rich rose ruby short small sue summer sun swallow sweet violet wells white will winter wise wood young
    """.split()
)
"""Names that are words as well: found again only beside a title or cue."""
_EPONYM_NOUN = re.compile(
    r"['’]?s? (?:disease|syndrome|sign|palsy|lymphoma|thyroiditis|contracture|sarcoma|phenomenon|bottles?|formula)\b",
    re.IGNORECASE,
)


def name_spans(text: str) -> Iterator[Span]:
    """Yield the place of every word of a name that follows a title or a cue."""
    for match in _TITLE.finditer(text):
        if match["whose"] and (match["title"] == "Doctor" or (match["dot"] and match["title"] == "dr")):
            # "See a Doctor Today" is a heading, and "I asked my dr. Amoxicillin was …" ends a sentence.
            continue
        yield from _after_title(text, match)
    for match in _CUE.finditer(text):
        yield from _words(text, match.end(), any_case=True)
    for match in _FIELD.finditer(text):
        yield from _words(text, match.end(), is_field=True)


def repeated_spans(text: str, names: Set[str]) -> Iterator[Span]:
    """Yield where a word found as a name stands again without its title; not where it may be something else."""
    for match in _WORD.finditer(text):
        start, end = match.start(), _without_possessive(match)
        if text[start:end] in names and not _EPONYM_NOUN.match(text, end):
            yield start, end


def is_telling(word: str) -> bool:
    """Tell whether the word by itself is still that name, so that it is to be looked for in the rest of the text."""
    low = word.lower()
    return len(word) > 2 and word[0].isupper() and low not in _EPONYMS | _WORDS_TOO | _PARTICLES | _NOT_AFTER_A_NAME


def _after_title(text: str, title: re.Match[str]) -> list[Span]:
    found = _words(text, title.end(), any_case=title["title"] in ("mr", "mrs"))
    is_doctor = title["title"].lower() in ("dr", "doctor", "prof", "professor")
    return [] if found and is_doctor and _EPONYM_NOUN.match(text, found[-1][1]) else found


def _words(text: str, start: int, *, any_case: bool = False, is_field: bool = False) -> list[Span]:
    """Return the places of the words of the name that begins here, at most MAX_WORDS and the particles between."""
    found: list[Span] = []
    particles: list[Span] = []
    while len(found) < MAX_WORDS and len(particles) < 3 and (match := _WORD.match(text, start)):
        end = _without_possessive(match)
        word = text[start:end]
        if word in _PARTICLES:
            particles.append((start, end))
        elif _is_name(text, (start, end), found, any_case=any_case):
            found += [*particles, (start, end)]
            particles = []
        else:
            break
        gap = (_GAP_AFTER_INITIAL if len(word) == 1 else _GAP_IN_FIELD if is_field and len(found) == 1 else _GAP).match(
            text, end
        )
        if not gap or end != match.end():
            break
        start = gap.end()
    return found


def _is_name(text: str, place: Span, before: list[Span], *, any_case: bool) -> bool:
    start, end = place
    word, low = text[start:end], text[start:end].lower()
    if len(word) == 1:
        return word.isupper() and text[end : end + 1] == "."
    if low in _NO_NAME or (before and low in _NOT_AFTER_A_NAME) or any(fact.kind == "drug" for fact in facts(word)):
        return False
    if word[0].isupper():  # "Mr LEE BP 150/90": a second word in capitals is a name only if it looks like the first
        return not before or not word.isupper() or (text[slice(*before[-1])].isupper() and not _VALUE.match(text, end))
    return any_case and (not before or (text[before[-1][0]].islower() and _END_OF_NAME.match(text, end) is not None))


def _without_possessive(word: re.Match[str]) -> int:
    return word.end() - 2 if word[0][-2:].lower() in ("'s", "’s") else word.end()
