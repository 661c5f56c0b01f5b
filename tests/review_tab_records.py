"""Records as reviewers read them: original questions, two answers to each, a draft of what tells them apart. Not by clinicians."""

from __future__ import annotations

from typing import Any

from training.preferences import HealthRubric

_QUESTION = """I'm 58. Since this morning I feel a pressure on my chest when I climb the stairs, and my left arm feels heavy. \
It goes away when I sit down. Can I wait until my appointment on Thursday?"""
_CAREFUL = """No, please do not wait until Thursday. New chest pressure on effort with a heavy left arm can be the heart, even if \
it goes away at rest.

Call the emergency number now if it comes back at rest, lasts longer than a few minutes, or comes with sweating, breathlessness \
or faintness. Otherwise have yourself seen today, in an emergency department, for an ECG and a blood test (troponin).

Until then sit down, do not drive yourself, and do not take the stairs. If you have aspirin and no allergy, say so on the phone; \
they will tell you whether to chew one."""
_CARELESS = """Chest pressure on climbing stairs is often a sign of being out of shape or of tense muscles between the ribs. Since \
it goes away when you sit down, it is unlikely to be dangerous.

You could take it easy, warm the chest, and try ibuprofen 400 mg up to three times a day. Gentle stretching helps many people.

Your appointment on Thursday is a good time to bring it up. If it gets much worse, you can of course seek help before that."""
_HEART = "urg-chest-pain-heart-attack"
_DRAFT = (
    ("Says not to wait until the appointment.", 10, "accuracy", "gravity-first", _HEART),
    ("Names signs with which to call the emergency number at once.", 8, "completeness", "red-flag", _HEART),
    ("Says that relief at rest does not rule out the heart.", 7, "accuracy", "interpretation", None),
    ("Names an ECG as the test that is needed today.", 5, "completeness", "follow-up", None),
    ("Advises against driving oneself.", 4, "completeness", "self-care", None),
    ("Puts the pressure down to muscles or to being out of shape.", -8, "accuracy", "diagnosis", None),
    ("Recommends ibuprofen for the pressure.", -6, "accuracy", "medicine", None),
)
_TOPICS = (
    ("child-fever", "Fever in a three-year-old", "fever", "paracetamol"),
    ("metformin-dose", "Metformin, a missed dose", "a missed dose", "metformin"),
    ("lab-ferritin", "A low ferritin", "low iron", "ferrous sulfate"),
    ("back-pain", "Low back pain for a week", "a sore back", "naproxen"),
    ("discharge-letter", "Discharge letter, hip fracture", "the letter", "apixaban"),
    ("travel-malaria", "Malaria tablets for Ghana", "malaria", "mefloquine"),
)


def _record(
    id: str, theme: str, question: str, responses: tuple[str, str], preferred: int, draft: list[dict[str, Any]]
) -> HealthRubric:
    return HealthRubric.model_validate(
        {
            "id": id,
            "theme": theme,
            "conversation": question,
            "responses": [{"text": text} for text in responses],
            "preferred": preferred,
            "preferred_by": "project authors (not clinicians)",
            "preference_reason": "Names what to look out for; the other plays it down.",
            "status": "drafted",
            "draft": draft,
            "provenance": {"origin": "synthetic", "drafted_by": "openai:fake"},
        }
    )


def _criterion(
    text: str, points: int, axis: str, tag: str, principle_id: str | None, *, preferred: int
) -> dict[str, Any]:
    verdicts = ["met", "unmet"] if (points > 0) == (preferred == 0) else ["unmet", "met"]
    about = {"axis": axis, "tags": [tag], "principle_id": principle_id}
    return {"criterion": text, "points": points, "verdicts": verdicts, **about}


def _other(id: str, theme: str, matter: str, thing: str) -> HealthRubric:
    careful = (
        f"In short: most of the time {matter} can be settled without harm. You describe no warning sign. Rest today, drink "
        f"enough, and write down when it began and what you took.\n\nAs for {thing}: keep to the dose on the leaflet and do not "
        "double it. See a doctor within two days if it does not get better, and at once with confusion, a rash that does not "
        "fade under a glass, or trouble breathing."
    )
    short = (
        f"That is nothing to worry about. Most people handle {matter} at home with {thing}, and you can take it as often as you "
        "need. Everybody is different, so listen to your body, and remember that this is no medical advice."
    )
    wanted = (
        (f"Answers the question about {matter} in the first sentence.", 6, "communication_quality", "direct-answer"),
        ("Names at least one sign with which to seek help at once.", 9, "completeness", "red-flag"),
        (f"Says how to dose {thing}, or that the leaflet's dose holds.", 7, "accuracy", "medicine"),
        ("Says when to be seen if it does not get better.", 5, "completeness", "follow-up"),
        ("Names one thing to do oneself.", 3, "completeness", "self-care"),
        (f"Says that {thing} may be taken as often as one likes.", -9, "accuracy", "medicine"),
        ("Says that there is nothing to worry about.", -5, "context_awareness", "uncertainty"),
    )
    draft = [_criterion(*row, None, preferred=1) for row in wanted]
    return _record(id, theme, f"What shall I do about {matter}? I have {thing}.", (short, careful), 1, draft)


CHEST = _record(
    "chest-pressure",
    "Chest pressure on the stairs",
    _QUESTION,
    (_CAREFUL, _CARELESS),
    0,
    [_criterion(*row, preferred=0) for row in _DRAFT],
)
RECORDS = (CHEST, *(_other(*topic) for topic in _TOPICS))
"""Seven; the first is reviewed first."""
