"""The classifier's figures on its own exemplars are what the constants were chosen for."""

from principles_store.scenario import EMERGENT_RECALL, EXEMPLARS, ScenarioClassifier, parse_exemplars
from training.scenario_grid import held_out_figures


def test_held_out_emergencies_are_caught_as_often_as_the_threshold_promises(classifier: ScenarioClassifier) -> None:
    _, labels = parse_exemplars(EXEMPLARS.read_text(encoding="utf-8"), str(EXEMPLARS))
    figures = held_out_figures(classifier, labels)
    assert figures.emergent_recall >= EMERGENT_RECALL
    assert figures.emergent_precision > 2 * sum(label["urgency"] == "emergent" for label in labels) / len(labels)
    assert all(accuracy > 0.6 for accuracy, _ in figures.facets.values())
