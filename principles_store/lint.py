"""Quality of a library beyond its form: what the schema in `principle.py` can't see, told by file, entry and field.

Nothing medical is judged here; that takes a clinician. A detector is run on the exemplars of its own criterion, so that a
pattern that says the opposite of what it should is found before it judges an answer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from principles_store.entry_files import Fault
from principles_store.library import SHIPPED, Library
from principles_store.principle import SCENARIO_VALUES, Detection, Guidance, Principle, PrincipleCriterion

if TYPE_CHECKING:
    from principles_store.embedding import Embedder

MIN_SITUATIONS = 4
MAX_WORDING_WORDS = 40
"""Of a ready wording: more would turn an answer into a leaflet."""
MAX_STATEMENT_LIKENESS = 0.80
"""Cosine of two statements. The likest pair of the shipped library, a do and an avoid on the same matter, has 0.76."""
ENTRIES = 119
"""As many as HealthPrinciples has in ClinAlign (arXiv 2602.09653)."""
MIN_AVOID_SHARE = 0.25
"""Without enough principles that hold back, every revision adds text."""
MIN_PER_SCENARIO = 4
SETTINGS: Mapping[str, str] = {
    "regional emergency numbers": r"\bemergency number",
    "paediatrics": r"\b(child|infant|bab(y|ies)\b|paediatric)",
    "pregnancy": r"\bpregnan",
    "older adults": r"\bolder (adult|people|person)",
    "kidney and liver dosing": r"\b(kidney|renal)\b.{0,40}\b(function|medicine|disease|dos)",
    "drug interactions": r"\binteraction",
    "mental-health crisis": r"\bsuicid",
    "red flags": r"\b(red flag|(danger|warning|emergency) (sign|feature))",
    "safety-netting": r"\bif-then|\bdate to be seen|\bwhen to (return|come back|seek)",
    "uncertainty": r"\b(uncertain|nobody can|no certainty)",
    "test interpretation": r"\btest result|\bhome test|\bscreening",
    "documentation tasks": r"\bclinical (document|note)",
    "low-resource settings": r"\bfew resources|\bfar from care|\bhospital is far",
}
"""Clinical settings the shipped library must cover, and what the title or statement of a principle on each says."""

Level = Literal["fault", "note"]
Finding = tuple[str, str]
"""Field and message."""


def lint_library(library: Library, embedder: Embedder | None = None) -> list[Fault]:
    """Return every fault of a library: its entries in order, then the library as a whole.

    Near-duplicates are looked for if an embedder is given. What a library must hold as a whole, and what an entry needs beyond
    being sound, is a fault in the shipped one and a note in a user's own.
    """
    level: Level = "fault" if _is_shipped(library) else "note"
    faults: list[Fault] = []
    for principle in library:
        faults += [_entry_fault(library, principle.id, *finding) for finding in _lint_principle(principle)]
        faults += [_entry_fault(library, principle.id, *finding, level) for finding in _lint_support(principle)]
    faults += [_entry_fault(library, *finding) for finding in _repeated_criteria(library)]
    if embedder is not None and len(library):
        faults += [_entry_fault(library, *finding) for finding in _near_duplicates(library, embedder)]
    return faults + [Fault(library.source, "", field, message, level) for field, message in _lint_whole(library)]


def _entry_fault(library: Library, principle_id: str, field: str, message: str, level: Level = "fault") -> Fault:
    return Fault(library.files.get(principle_id, library.source), principle_id, field, message, level)


def _is_shipped(library: Library) -> bool:
    return Path(library.source).resolve() == SHIPPED.resolve()


def _lint_principle(principle: Principle) -> Iterator[Finding]:
    yield from _lint_condition(principle)
    negative = any(criterion.points < 0 for criterion in principle.criteria)
    if principle.polarity == "avoid" and not negative:
        yield "criteria", "polarity is avoid, but no criterion has negative points"
    if principle.polarity == "do" and not any(criterion.points > 0 for criterion in principle.criteria):
        yield "polarity", "every criterion is a penalty: this is an avoid"
    for number, criterion in enumerate(principle.criteria):
        for field, message in _lint_detection(criterion):
            yield f"criteria.{number}.{field}", message
    yield from _lint_guidance(principle)


def _lint_support(principle: Principle) -> Iterator[Finding]:
    """Yield what a principle lacks that is usable all the same: evidence, or help for the search and for the embedded judge."""
    if not principle.sources:
        yield "sources", "no source; name the guideline or consensus it rests on"
    situations = len(principle.applies_when.situations)
    if situations < MIN_SITUATIONS:
        yield "applies_when.situations", f"{situations} of at least {MIN_SITUATIONS}"
    if not any(criterion.detect for criterion in principle.criteria):
        yield "criteria", "no criterion has a detector: without a language model it is never judged"


def _lint_condition(principle: Principle) -> Iterator[Finding]:
    condition = principle.applies_when
    for situation in condition.situations:
        if condition.topic and not _matches(condition.topic, situation):
            yield "applies_when.topic", f"doesn't match the situation {situation!r}"
        if condition.unless and _matches(condition.unless, situation):
            yield "applies_when.unless", f"rules out the situation {situation!r}"


def _lint_detection(criterion: PrincipleCriterion) -> Iterator[Finding]:
    """Yield where a detection says something else about an exemplar than the exemplar's own side."""
    if criterion.detect is None:
        return
    detection = criterion.detect
    sides = [("meets", criterion.meets), ("breaks", criterion.breaks)]
    (holding, true), (opposite, false) = sides if criterion.points > 0 else sides[::-1]
    for sentence in false:
        for field, pattern in _wrong_patterns(detection, sentence):
            yield f"detect.{field}.pattern", f"{pattern[:60]!r} matches {sentence!r}, which stands under {opposite}"
    if detection.any and all(detector.pattern for detector in detection.any):
        for sentence in true:
            if not any(_matches(detector.pattern or "", sentence) for detector in detection.any):
                yield "detect.any", f"no pattern matches {sentence!r}, which stands under {holding}"


def _wrong_patterns(detection: Detection, sentence: str) -> list[Finding]:
    """Return field and pattern of those that make the detection hold for a sentence for which it must not.

    Of `any` each pattern counts by itself; of `all` only all together, and likeness to exemplars may still decide.
    """
    name = "any" if detection.any else "all"
    patterns = [(f"{name}.{n}", d.pattern) for n, d in enumerate(detection.detectors) if d.pattern]
    caught = [(field, pattern) for field, pattern in patterns if _matches(pattern, sentence)]
    if detection.all and (len(caught) < len(patterns) or any(detector.meaning for detector in detection.all)):
        return []
    return caught


def _lint_guidance(principle: Principle) -> Iterator[Finding]:
    guidance = principle.guidance
    for reader, wording in _wordings(guidance):
        words = len(wording.split())
        if words > MAX_WORDING_WORDS:
            yield f"guidance.wording.{reader}", f"{words} words, more than {MAX_WORDING_WORDS}"
        if guidance.edit == "add" and not _meets_own_criterion(principle, wording):
            yield f"guidance.wording.{reader}", "adding it meets none of the principle's criteria by their patterns"
    if guidance.edit in ("remove", "replace", "rewrite") and not any(_penalty_patterns(principle)):
        yield "guidance.edit", f"{guidance.edit} needs a penalty with a pattern, which tells the sentence to correct"
    for number, rewrite in enumerate(guidance.rewrites):
        try:
            re.compile(rewrite.find, re.IGNORECASE).sub(rewrite.replace, "")
        except (re.error, IndexError) as error:
            yield f"guidance.rewrites.{number}.replace", f"not a replacement for its pattern ({error})"


def _wordings(guidance: Guidance) -> list[tuple[str, str]]:
    pairs = [("lay", guidance.wording.lay), ("professional", guidance.wording.professional)]
    return [(reader, wording) for reader, wording in pairs if wording]


def _meets_own_criterion(principle: Principle, wording: str) -> bool:
    """Tell whether a wording matches a pattern of a positive criterion; True where none has a pattern."""
    patterns = [
        detector.pattern
        for criterion in principle.criteria
        if criterion.points > 0 and criterion.detect
        for detector in criterion.detect.detectors
        if detector.pattern
    ]
    sentences = re.split(r"(?<=[.!?])\s+", wording)
    return not patterns or any(_matches(pattern, sentence) for pattern in patterns for sentence in sentences)


def _penalty_patterns(principle: Principle) -> Iterator[str]:
    for criterion in principle.criteria:
        if criterion.points < 0 and criterion.detect:
            yield from (detector.pattern for detector in criterion.detect.detectors if detector.pattern)


def _matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


def _repeated_criteria(library: Library) -> Iterator[tuple[str, str, str]]:
    """Yield (principle, field, message) of criteria whose text is used before: a verdict finds its criterion by text."""
    owners: dict[str, str] = {}
    for principle in library:
        for number, criterion in enumerate(principle.criteria):
            owner = owners.setdefault(criterion.text, f"{principle.id} ({number})")
            if owner != f"{principle.id} ({number})":
                yield principle.id, f"criteria.{number}.text", f"the same as that of {owner}"


def _near_duplicates(library: Library, embedder: Embedder) -> Iterator[tuple[str, str, str]]:
    vectors = embedder.encode([principle.statement for principle in library])
    for later, principle in enumerate(library):
        likeness = vectors[:later] @ vectors[later]
        for earlier in (likeness >= MAX_STATEMENT_LIKENESS).nonzero()[0].tolist():
            other = f"{library.principles[earlier].id} (cosine {likeness[earlier]:.2f})"
            yield principle.id, "statement", f"says nearly the same as {other}: merge them, or say what differs"


def _lint_whole(library: Library) -> Iterator[Finding]:
    if len(library) != ENTRIES:
        yield "(count)", f"{len(library)} principles; the full library has {ENTRIES}"
    avoid = sum(principle.polarity == "avoid" for principle in library)
    if avoid < MIN_AVOID_SHARE * len(library):
        yield "polarity", f"{avoid} of {len(library)} are avoid, less than {MIN_AVOID_SHARE:.0%}"
    yield from _uncovered_scenarios(library)
    yield from _uncovered_settings(library.principles)


def _uncovered_scenarios(library: Iterable[Principle]) -> Iterator[Finding]:
    counts = Counter(value for principle in library for value in set(principle.scenarios))
    for values in SCENARIO_VALUES.values():
        for value in values:
            if counts[value] < MIN_PER_SCENARIO:
                yield "scenarios", f"{value} is named by {counts[value]} principles, less than {MIN_PER_SCENARIO}"


def _uncovered_settings(principles: Sequence[Principle]) -> Iterator[Finding]:
    for setting, pattern in SETTINGS.items():
        if not any(_matches(pattern, f"{principle.title}. {principle.statement}") for principle in principles):
            yield "statement", f"no principle is on {setting}"
