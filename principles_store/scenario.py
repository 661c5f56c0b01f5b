"""The scenario of a conversation on the four clinical dimensions, from sentence embeddings and a few words; no LLM.

Fitted on the project's own labelled conversations (`scenarios/exemplars.yaml`) whenever they or the embedder change, and
cached. Missing an emergency is the worst error, so `emergent` is given above a threshold set for recall on
held-out exemplars, not by the highest score. `clinalign eval scenario` measures it on other data.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import yaml

from principles_store.conversation import Conversation, ConversationError, Message, parse_conversation, query_texts
from principles_store.embedding import Embedder, Vectors, default_cache_dir
from principles_store.entry_files import StrictLoader
from principles_store.errors import ScenarioError
from principles_store.kernel_classifier import RIDGE, WIDTH, KernelClassifier, fit_kernel_classifier, shares
from principles_store.principle import SCENARIO_VALUES
from principles_store.scenario_features import FEATURES_VERSION, scenario_features
from principles_store.shared_embedding import EmbeddingMemory

EXEMPLARS = Path(__file__).parent / "scenarios" / "exemplars.yaml"
_TASKS = SCENARIO_VALUES["task_type"]
FACETS: dict[str, tuple[str, ...]] = {
    "urgency": SCENARIO_VALUES["urgency"],
    "uncertainty": SCENARIO_VALUES["uncertainty"],
    "expertise": SCENARIO_VALUES["expertise"],
    "task": tuple(value for value in _TASKS if not value.startswith("setting-")),
    "setting": tuple(value for value in _TASKS if value.startswith("setting-")),
}
"""What is predicted. `task` and `setting` together are the task type."""
EMERGENT_RECALL = 0.95
"""Share of the exemplars' emergencies, each held out, that the threshold must catch. A third of them are subtle on purpose:
on real conversations the same threshold catches more (README)."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scenario:
    """The labels of one conversation, and how sure they are."""

    labels: Mapping[str, str]
    """Value per facet of `FACETS`."""
    probabilities: Mapping[str, float]
    """Per scenario value; within a facet they add up to 1."""

    @property
    def urgency(self) -> str:
        return self.labels["urgency"]

    @property
    def expertise(self) -> str:
        return self.labels["expertise"]

    @property
    def task(self) -> str:
        return self.labels["task"]

    @property
    def task_type(self) -> str:
        """What is asked for, and whether the place matters: `simple-question/setting-unclear`."""
        return f"{self.labels['task']}/{self.labels['setting']}"

    @property
    def for_search(self) -> Mapping[str, float]:
        """Probabilities with each chosen label raised to certainty, so that search agrees with what is shown."""
        return {**self.probabilities, **dict.fromkeys(self.labels.values(), 1.0)}

    def as_dict(self) -> dict[str, Any]:
        """Return the mapping of the JSON contract."""
        confidence = {name: self.probabilities[label] for name, label in self.labels.items()}
        task_type = confidence.pop("task") * confidence.pop("setting")
        return {
            "urgency": self.labels["urgency"],
            "uncertainty": self.labels["uncertainty"],
            "expertise": self.labels["expertise"],
            "task_type": self.task_type,
            "confidence": {name: round(share, 3) for name, share in [*confidence.items(), ("task_type", task_type)]},
        }


class ScenarioClassifier:
    """One kernel classifier per facet, all on the same exemplars; immutable once fitted, so threads may share it."""

    def __init__(self, facets: Mapping[str, KernelClassifier], emergent_threshold: float, embedder: Embedder) -> None:
        self.facets = facets
        self.emergent_threshold = emergent_threshold
        self._embedder = embedder

    def classify(self, conversation: Conversation) -> Scenario:
        """Return the scenario of a conversation."""
        row = scenario_features(conversation, self._embedder)
        labels: dict[str, str] = {}
        probabilities: dict[str, float] = {}
        nearness = next(iter(self.facets.values())).nearness(row)
        for name, facet in self.facets.items():
            scores = facet.scores_by(nearness)
            labels[name] = self.choose(name, scores)
            probabilities.update(zip(facet.values, shares(scores).tolist(), strict=True))
        return Scenario(labels, probabilities)

    def choose(self, facet: str, scores: Vectors) -> str:
        """Return the value with the highest score; `emergent` already where its score reaches the threshold."""
        if facet == "urgency":
            return (
                FACETS[facet][0]
                if scores[0] >= self.emergent_threshold
                else FACETS[facet][1 + int(scores[1:].argmax())]
            )
        return FACETS[facet][int(scores.argmax())]


def fit_classifier(rows: Vectors, labels: Sequence[Mapping[str, str]], embedder: Embedder) -> ScenarioClassifier:
    """Fit on feature rows, shape (N, F), and their labels per facet."""
    facets = {
        name: fit_kernel_classifier(rows, [label[name] for label in labels], values) for name, values in FACETS.items()
    }
    emergent = [label["urgency"] == "emergent" for label in labels]
    threshold = _recall_threshold(facets["urgency"].held_out_scores[emergent, 0])
    return ScenarioClassifier(facets, threshold, embedder)


def load_classifier(
    embedder: Embedder, *, cache_dir: Path | None = None, exemplars: Path = EXEMPLARS
) -> ScenarioClassifier:
    """Return the classifier fitted on the exemplars, from the cache if it was fitted before.

    Raises ScenarioError naming the entry of the exemplars that is malformed.
    """
    try:
        content = exemplars.read_bytes()
    except OSError as error:
        raise ScenarioError(f"{exemplars}: can't be read ({error.strerror}); reinstall clinalign") from error
    fitted_with = f"{embedder.id} {FEATURES_VERSION} {WIDTH} {RIDGE} {EMERGENT_RECALL} {FACETS}"
    digest = hashlib.sha256(content + fitted_with.encode()).hexdigest()[:16]
    cached = (cache_dir or default_cache_dir()) / f"scenario-{digest}.npz"
    known = _read(cached, embedder)
    if known:
        return known
    conversations, labels = parse_exemplars(content.decode("utf-8"), str(exemplars))
    memory = EmbeddingMemory(embedder)
    memory.encode([text for conversation in conversations for text in query_texts(conversation)])  # in full batches
    rows = np.stack([scenario_features(conversation, memory) for conversation in conversations])
    fitted = fit_classifier(rows, labels, embedder)
    _keep(cached, fitted)
    return fitted


def parse_exemplars(text: str, name: str) -> tuple[list[list[Message]], list[dict[str, str]]]:
    """Return the conversations of an exemplar file and their labels per facet; raises ScenarioError naming the entry."""
    try:
        entries = yaml.load(text, Loader=StrictLoader)  # noqa: S506 - safe loader
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ScenarioError(f"{name}: malformed YAML: {reason}") from error
    if not isinstance(entries, list):
        raise ScenarioError(f"{name}: expected a list of entries, found {type(entries).__name__}")
    conversations, labels = [], []
    for number, entry in enumerate(entries, start=1):
        try:
            conversations.append(_conversation(entry["turns"]))
            label = {facet: entry[facet] for facet in FACETS if facet != "setting"}
            label["setting"] = f"setting-{entry['setting']}"
        except (KeyError, TypeError, ConversationError) as error:
            raise ScenarioError(f"{name}: entry {number}: missing or malformed field: {error}") from error
        for facet, value in label.items():
            if value not in FACETS[facet]:
                raise ScenarioError(
                    f"{name}: entry {number}: {facet} {value!r} is not one of {', '.join(FACETS[facet])}"
                )
        labels.append(label)
    if not any(label["urgency"] == "emergent" for label in labels):
        raise ScenarioError(f"{name}: no entry has urgency 'emergent'; the threshold for emergencies needs some")
    return conversations, labels


def _conversation(turns: Any) -> list[Message]:
    if not isinstance(turns, list):
        raise TypeError(f"turns must be a list, found {type(turns).__name__}")
    return parse_conversation([(("user", "assistant")[number % 2], turn) for number, turn in enumerate(turns)])


def _recall_threshold(held_out: Vectors) -> float:
    """Return the highest threshold that still catches EMERGENT_RECALL of the emergencies' held-out scores."""
    allowed_misses = int(len(held_out) * (1 - EMERGENT_RECALL))
    return float(np.sort(held_out)[allowed_misses]) - 1e-6


_ARRAYS = ("weights", "bias", "held_out_scores")


def _read(cached: Path, embedder: Embedder) -> ScenarioClassifier | None:
    """Return the fitted classifier of a cache file; None if there is none or it can't be read."""
    try:
        with np.load(cached, allow_pickle=False) as stored:
            rows = stored["rows"]
            facets = {
                name: KernelClassifier(values, rows, *(stored[f"{name}.{array}"] for array in _ARRAYS))
                for name, values in FACETS.items()
            }
            return ScenarioClassifier(facets, float(stored["emergent_threshold"]), embedder)
    except (OSError, ValueError, EOFError, KeyError, BadZipFile):
        return None


def _keep(cached: Path, fitted: ScenarioClassifier) -> None:
    """Write a fitted classifier for the next start; without a writable cache every start fits it again."""
    arrays = {f"{name}.{array}": getattr(facet, array) for name, facet in fitted.facets.items() for array in _ARRAYS}
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=cached.parent, suffix=".npz", delete=False) as file:
            np.savez(file, rows=fitted.facets["urgency"].rows, emergent_threshold=fitted.emergent_threshold, **arrays)
        Path(file.name).replace(cached)
    except OSError as error:
        logger.warning("the scenario classifier can't be cached in %s (%s)", cached.parent, error)
