"""When a principle applies: the scenario values that most conversations behind it share, beside how common those are anyway."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.batch.disk import replace_file
from principles_store.conversation import Conversation, query_texts
from principles_store.embedding import Embedder
from principles_store.kernel_classifier import kernel
from principles_store.principle import DIMENSION_OF, Dimension
from principles_store.scenario import EXEMPLARS, FACETS, ScenarioClassifier, load_classifier
from principles_store.scenario_features import FEATURES_VERSION, scenario_features
from principles_store.shared_embedding import EmbeddingMemory
from training.distillation.evidence import Rubric

MOST = 2 / 3
"""Share of the conversations that the values named of a facet hold for together."""
SPECIFIC = 0.10
"""How much more often those hold here than in all conversations for the facet to be named: else it says nothing."""
_KEPT_EVERY = 512
"""Conversations classified between two savings: seconds of work."""

Labels = Mapping[str, str]
"""Scenario value by facet."""


@dataclass(frozen=True)
class ScenarioKey:
    """The key of a principle."""

    dimension: Dimension
    scenarios: tuple[str, ...]
    shares: Mapping[str, float]
    """Of the conversations behind it, per value, those above 0."""


def label_conversations(
    rubrics: Sequence[Rubric],
    embedder: Embedder,
    *,
    cache: Path,
    classifier_cache: Path | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> list[Labels]:
    """Return the scenario of each rubric's conversation; what was classified before is read from `cache`."""
    fitted_on = hashlib.sha256(EXEMPLARS.read_bytes() + f"{embedder.id} {FEATURES_VERSION}".encode()).hexdigest()
    file = cache / f"scenarios-{fitted_on[:16]}.json"
    known: dict[str, Labels] = {}
    with suppress(OSError, ValueError):
        known = json.loads(file.read_bytes())
    missing: dict[str, Conversation] = {r.key: r.conversation for r in rubrics if r.key not in known}
    if missing:
        classifier = load_classifier(embedder, cache_dir=classifier_cache)
        cache.mkdir(parents=True, exist_ok=True)
        wanted = list(missing)
        for start in range(0, len(wanted), _KEPT_EVERY):
            keys = wanted[start : start + _KEPT_EVERY]
            labels = classify_together([missing[key] for key in keys], classifier, embedder)
            known.update(zip(keys, labels, strict=True))
            replace_file(file, [json.dumps(known).encode()])
            tell(start + len(keys), len(wanted))
    return [known[rubric.key] for rubric in rubrics]


def classify_together(
    conversations: Sequence[Conversation], classifier: ScenarioClassifier, embedder: Embedder
) -> list[Labels]:
    """Return what the classifier says of each, with all their texts encoded in one go and one kernel for all of them."""
    memory = EmbeddingMemory(embedder)
    memory.encode([text for conversation in conversations for text in query_texts(conversation)])
    rows = np.stack([scenario_features(conversation, memory) for conversation in conversations])
    facets = classifier.facets
    nearness = kernel(rows, next(iter(facets.values())).rows)  # all facets are fitted on the same exemplars
    scores = {name: facet.scores_by(nearness) for name, facet in facets.items()}
    return [{name: classifier.choose(name, scores[name][at]) for name in facets} for at in range(len(rows))]


def value_shares(labels: Sequence[Labels]) -> dict[str, float]:
    """Return the share of conversations per scenario value."""
    counts = Counter(value for label in labels for value in label.values())
    return {value: count / len(labels) for value, count in counts.items()}


def scenario_key(labels: Sequence[Labels], base: Mapping[str, float]) -> ScenarioKey:
    """Return the key for these conversations; `base`: the shares among all.

    Of each facet the fewest values that most conversations share; a facet is named where they are more common here than anywhere,
    and the one where they are most so gives the dimension.
    """
    shares = value_shares(labels)
    named = {facet: _most_shared(values, shares) for facet, values in FACETS.items()}
    excess = {facet: sum(shares[v] - base.get(v, 0.0) for v in values) for facet, values in named.items()}
    telling = max(FACETS, key=lambda facet: excess[facet])
    facets = [facet for facet in FACETS if facet == telling or excess[facet] >= SPECIFIC]
    values = tuple(value for facet in facets for value in named[facet])
    return ScenarioKey(DIMENSION_OF[named[telling][0]], values, dict(sorted(shares.items(), key=lambda item: -item[1])))


def _most_shared(values: Sequence[str], shares: Mapping[str, float]) -> list[str]:
    """Return the most common values of a facet, as many as reach MOST together, in the facet's order."""
    ranked = sorted((value for value in values if value in shares), key=lambda value: -shares[value])
    taken: list[str] = []
    for value in ranked:
        taken.append(value)
        if sum(shares[v] for v in taken) >= MOST - 1e-9:
            break
    return [value for value in values if value in taken]
