"""The scenario classifier's constants, and its figures on its own exemplars, each judged by all the others.

    python -m training.scenario_grid            # figures of the constants in use
    python -m training.scenario_grid --grid     # all combinations, by precision for emergencies (two minutes)

Nothing is written: the constants stand beside their reasons in `principles_store/`. Foreign data is for
`clinalign eval scenario`; a constant that is chosen on it would be fitted to it.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from evals.statistics import accuracy, macro_f1, precision, recall
from principles_store import kernel_classifier, scenario_features
from principles_store.conversation import query_texts
from principles_store.embedding import load_embedder
from principles_store.scenario import EXEMPLARS, FACETS, ScenarioClassifier, fit_classifier, parse_exemplars
from principles_store.shared_embedding import EmbeddingMemory

WORDS = (0.3, 0.5, 0.7, 1.0)
CONTEXTS = (0.5, 0.7, 1.0)
WIDTHS = (0.5, 0.7, 1.0)
RIDGES = (0.2, 0.5)
SHOWN = 8


@dataclass(frozen=True)
class Figures:
    """Leave-one-out figures of one setting of the constants."""

    facets: dict[str, tuple[float, float]]
    """Accuracy and macro-F1 per facet."""
    emergent_recall: float
    emergent_precision: float

    def __str__(self) -> str:
        parts = [f"emergent recall {self.emergent_recall:.3f}, precision {self.emergent_precision:.3f}"]
        return "; ".join(parts + [f"{name} {a:.3f}, F1 {f:.3f}" for name, (a, f) in self.facets.items()])


def held_out_figures(classifier: ScenarioClassifier, labels: list[dict[str, str]]) -> Figures:
    """Return the figures of a fitted classifier from its held-out scores."""
    facets: dict[str, tuple[float, float]] = {}
    emergent: tuple[float | None, float | None] = (None, None)
    for name, facet in classifier.facets.items():
        truth = [label[name] for label in labels]
        found = [classifier.choose(name, scores) for scores in facet.held_out_scores]
        facets[name] = (accuracy(truth, found), macro_f1(truth, found))
        if name == "urgency":
            emergent = (recall(truth, found, "emergent"), precision(truth, found, "emergent"))
    return Figures(facets, emergent[0] or 0.0, emergent[1] or 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grid", action="store_true", help="try all combinations of the constants")
    grid = parser.parse_args().grid
    conversations, labels = parse_exemplars(EXEMPLARS.read_text(encoding="utf-8"), str(EXEMPLARS))
    memory = EmbeddingMemory(load_embedder())
    memory.encode([text for conversation in conversations for text in query_texts(conversation)])

    def rows() -> npt.NDArray[np.float32]:
        return np.stack([scenario_features.scenario_features(c, memory) for c in conversations])

    print(f"{len(labels)} exemplars, each judged by the others; {', '.join(FACETS)}")
    print(f"in use: {held_out_figures(fit_classifier(rows(), labels, memory), labels)}")
    if not grid:
        return
    results = []
    for words, context in product(WORDS, CONTEXTS):
        scenario_features.WORDS_WEIGHT, scenario_features.CONTEXT_WEIGHT = words, context
        features = rows()
        for width, ridge in product(WIDTHS, RIDGES):
            kernel_classifier.WIDTH, kernel_classifier.RIDGE = width, ridge
            figures = held_out_figures(fit_classifier(features, labels, memory), labels)
            results.append(
                (figures.emergent_precision, f"words {words}, context {context}, width {width}, ridge {ridge}", figures)
            )
    for _, name, figures in sorted(results, key=lambda item: -item[0])[:SHOWN]:
        print(f"{name}: {figures}")


if __name__ == "__main__":
    main()
