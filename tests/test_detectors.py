"""Detectors: pattern, count and likeness, in three values."""

import numpy as np
import pytest

from agent.detectors import AnswerView, CriterionDetector, Thresholds, load_thresholds, reading_grade
from agent.sentences import split
from principles_store.principle import Detection, Detector, PrincipleCriterion

MEETS = ("Call an ambulance right now.", "Ring the emergency number at once.", "Go to the emergency room immediately.")
BREAKS = ("Stay at home and rest until tomorrow.", "Just rest at home and see.", "You can wait at home until tomorrow.")


def detector(embedder, *detectors, combine="any", points=5):
    criterion = PrincipleCriterion(
        text="Says it.",
        points=points,
        paraphrase="It is said.",
        meets=MEETS,
        breaks=BREAKS,
        detect=Detection(**{combine: detectors}),
    )
    holding, opposite = (MEETS, BREAKS) if points > 0 else (BREAKS, MEETS)
    return CriterionDetector(criterion, embedder.encode(holding), embedder.encode(opposite))


def find(embedder, text, *detectors, **named):
    return detector(embedder, *detectors, **named).find(AnswerView(text, embedder), load_thresholds(embedder.id))


@pytest.mark.parametrize(
    ("where", "text", "value"),
    [
        ("anywhere", "One. Two. Water. Four.", "met"),
        ("anywhere", "One. Two.", "unmet"),
        ("first-two", "Water. Two. Three.", "met"),
        ("first-two", "One. Two. Water.", "unmet"),
        ("last-two", "One. Two. WATER.", "met"),
        ("last-two", "Water. Two. Three.", "unmet"),
        ("last-two", "Water.", "met"),
        ("anywhere", "…", "unmet"),
    ],
)
def test_a_pattern_is_looked_for_where_it_belongs(embedder, where, text, value):
    finding = find(embedder, text, Detector(pattern="water", where=where))
    assert finding.value == value
    assert (finding.sentence is not None) == (value == "met")


def test_evidence_is_quoted_from_the_answer(embedder):
    verdict = find(embedder, "Rest. **Drink water** often.", Detector(pattern="water")).verdict()
    assert (verdict.value, verdict.evidence) == ("met", "Drink water often.")


@pytest.mark.parametrize(
    ("measure", "text", "amount"),
    [
        ("words", "One two three.", 3),
        ("sentences", "One. Two. Three.", 3),
        ("questions", 'Why? It is. "Really?" Yes.', 2),
        ("list-items", "Do:\n- this\n- that\nDone.", 2),
        ("first-sentence-words", "Just three words. And more of them.", 3),
    ],
)
def test_a_measure_counts_and_its_bounds_are_inclusive(embedder, measure, text, amount):
    assert AnswerView(text, embedder).measure(measure) == amount
    for low, high, value in ((amount, amount, "met"), (amount + 1, None, "unmet"), (None, amount - 1, "unmet")):
        assert find(embedder, text, Detector(measure=measure, min=low, max=high)).value == value


def test_reading_grade_rises_with_longer_words():
    plain = reading_grade(split("The pain is in the back of your head. It will go soon."))
    hard = reading_grade(
        split("Cephalalgia predominantly demonstrates occipital localisation with spontaneous resolution.")
    )
    assert plain < 5 < 12 < hard
    assert reading_grade(()) == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Please call an ambulance now.", "met"),
        ("Simply rest at home until tomorrow.", "unmet"),
        ("Bananas are rich in potassium.", "unmet"),
        ("…", "unmet"),
    ],
)
def test_likeness_takes_the_side_of_the_nearer_exemplars(embedder, text, value):
    assert find(embedder, text, Detector(meaning=True)).value == value


def test_for_a_penalty_the_statement_holds_where_the_mistake_is(embedder):
    assert find(embedder, "Simply rest at home until tomorrow.", Detector(meaning=True), points=-5).value == "met"
    assert find(embedder, "Please call an ambulance now.", Detector(meaning=True), points=-5).value == "unmet"


def test_likeness_between_its_thresholds_is_unknown(embedder):
    thresholds = Thresholds(touches=0.2, lead=0.99, lean=-0.99, absent=0.1, same_criterion=0.9)
    view = AnswerView("Please call an ambulance now.", embedder)
    assert detector(embedder, Detector(meaning=True)).find(view, thresholds).value == "unknown"


MET, UNMET = Detector(pattern="water"), Detector(pattern="wine")
UNKNOWN = Detector(meaning=True)


@pytest.mark.parametrize(
    ("combine", "detectors", "value"),
    [
        ("any", (UNMET, MET), "met"),
        ("any", (UNMET, UNKNOWN), "unknown"),
        ("any", (UNMET, UNMET), "unmet"),
        ("any", (UNKNOWN, MET), "met"),
        ("all", (MET, MET), "met"),
        ("all", (MET, UNMET), "unmet"),
        ("all", (MET, UNKNOWN), "unknown"),
        ("all", (UNKNOWN, UNMET), "unmet"),
    ],
)
def test_detectors_combine_in_three_valued_logic(embedder, combine, detectors, value):
    thresholds = Thresholds(touches=-1, lead=9, lean=-9, absent=-1, same_criterion=0.9)
    view = AnswerView("Drink water.", embedder)
    assert detector(embedder, *detectors, combine=combine).find(view, thresholds).value == value


def test_a_criterion_without_a_detector_is_unknown(embedder):
    criterion = PrincipleCriterion(text="Is kind.", points=5, paraphrase="Kindness.")
    none = np.empty((0, 384), dtype=np.float32)
    found = CriterionDetector(criterion, none, none).find(AnswerView("Hello.", embedder), load_thresholds(embedder.id))
    assert found.value == "unknown"


def test_every_sentence_that_a_pattern_catches_is_found(embedder):
    view = AnswerView("Water. Wine.\n- More water", embedder)
    assert [s.plain for s in detector(embedder, MET).all_sentences(view)] == ["Water.", "More water"]
