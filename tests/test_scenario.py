"""The scenario classifier: the mapping of the contract, its bias towards emergencies, its exemplars and its cache."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from toy_index import CountingEmbedder, WordEmbedder

from principles_store import scenario
from principles_store.conversation import parse_conversation
from principles_store.errors import ScenarioError
from principles_store.principle import SCENARIO_VALUES
from principles_store.scenario import (
    EMERGENT_RECALL,
    EXEMPLARS,
    FACETS,
    Scenario,
    ScenarioClassifier,
    load_classifier,
    parse_exemplars,
)
from principles_store.shared_embedding import EmbeddingMemory

QUESTIONS = [
    "My father has crushing chest pain and is sweating, what do I do?",
    "What is the usual adult dose of paracetamol?",
    "Summarise this note for the GP: 56yo M, COPD, sats 89% on air",
    "胸が痛い",
    "?",
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_mapping_of_the_contract_has_its_keys_and_values(classifier: ScenarioClassifier, question: str) -> None:
    mapping = classifier.classify(parse_conversation(question)).as_dict()
    assert list(mapping) == ["urgency", "uncertainty", "expertise", "task_type", "confidence"]
    for dimension in ("urgency", "uncertainty", "expertise"):
        assert mapping[dimension] in SCENARIO_VALUES[dimension]  # type: ignore[index]
    task, setting = mapping["task_type"].split("/")
    assert task in FACETS["task"] and setting in FACETS["setting"]
    assert set(mapping["confidence"]) == {"urgency", "uncertainty", "expertise", "task_type"}
    assert all(0 <= share <= 1 for share in mapping["confidence"].values())


@pytest.mark.parametrize("question", QUESTIONS)
def test_probabilities_of_a_facet_add_up_to_one_and_labels_are_certain_in_search(
    classifier: ScenarioClassifier, question: str
) -> None:
    result = classifier.classify(parse_conversation(question))
    for facet, values in FACETS.items():
        assert sum(result.probabilities[value] for value in values) == pytest.approx(1, abs=1e-5)
        assert result.for_search[result.labels[facet]] == 1.0
    assert set(result.for_search) == set(result.probabilities)


def test_facets_cover_every_scenario_value_once() -> None:
    values = [value for facet in FACETS.values() for value in facet]
    assert sorted(values) == sorted(value for dimension in SCENARIO_VALUES.values() for value in dimension)


def test_the_threshold_catches_the_promised_share_of_held_out_emergencies(classifier: ScenarioClassifier) -> None:
    labels = parse_exemplars(EXEMPLARS.read_text(encoding="utf-8"), "exemplars")[1]
    emergent = np.array([label["urgency"] == "emergent" for label in labels])
    scores = classifier.facets["urgency"].held_out_scores[emergent, 0]
    assert np.mean(scores >= classifier.emergent_threshold) >= EMERGENT_RECALL
    higher = classifier.emergent_threshold + 2e-6
    assert np.mean(scores >= higher) < np.mean(scores >= classifier.emergent_threshold), "no lower than it must be"


def test_emergent_is_chosen_at_the_threshold_even_against_a_higher_score(classifier: ScenarioClassifier) -> None:
    threshold = classifier.emergent_threshold
    assert classifier.choose("urgency", np.array([threshold, 0.1, 0.9])) == "emergent"
    assert classifier.choose("urgency", np.array([threshold - 0.01, 0.1, 0.9])) == "non-emergent"
    assert classifier.choose("urgency", np.array([threshold - 0.01, 0.05, -0.1])) == "conditionally-emergent"
    assert classifier.choose("expertise", np.array([0.2, 0.8])) == "layperson"


def test_an_emergency_is_seen_and_most_routine_questions_are_none(classifier: ScenarioClassifier) -> None:
    """False alarms are the price of recall: some routine questions may be taken for emergencies, not most."""
    routine = (
        QUESTIONS[1],
        "What's a normal resting heart rate for a healthy adult?",
        "Which foods are high in iron?",
        "How often should I replace my toothbrush?",
        "Rewrite this referral letter in two paragraphs.",
    )
    found = [classifier.classify(parse_conversation(question)).urgency for question in (QUESTIONS[0], *routine)]
    assert found[0] == "emergent"
    assert found[1:].count("emergent") < len(routine) / 2


def test_properties_read_the_labels() -> None:
    labels = {"urgency": "emergent", "expertise": "layperson", "task": "simple-question", "setting": "setting-clear"}
    made = Scenario({**labels, "uncertainty": "none"}, dict.fromkeys([*labels.values(), "none"], 0.5))
    assert (made.urgency, made.expertise, made.task) == ("emergent", "layperson", "simple-question")
    assert made.task_type == "simple-question/setting-clear"
    assert made.as_dict()["confidence"] == {"urgency": 0.5, "uncertainty": 0.5, "expertise": 0.5, "task_type": 0.25}


def _entry(*turns: Any, **fields: Any) -> dict[str, Any]:
    label = {
        "urgency": "non-emergent",
        "uncertainty": "none",
        "expertise": "layperson",
        "task": "simple-question",
        "setting": "irrelevant",
    }
    return {"turns": list(turns) or ["a question"], **label, **fields}


EMERGENCY = _entry("severe chest pain now", urgency="emergent")


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (_entry(urgency="urgent"), "urgency 'urgent' is not one of emergent, conditionally-emergent, non-emergent"),
        (_entry(setting="abroad"), "setting 'setting-abroad' is not one of"),
        (_entry(task=["simple-question"]), "task"),
        ({"turns": ["a"]}, "'urgency'"),
        (_entry(turns="a question"), "turns must be a list, found str"),
        (_entry(turns=[]), "non-empty list"),
        (_entry("a", "b"), "ends with a turn of role 'assistant'"),
        (_entry(7), "content must be text"),
        ("just text", "string"),
        (None, "NoneType"),
    ],
)
def test_a_malformed_exemplar_is_an_error_that_names_the_entry(second: Any, message: str) -> None:
    with pytest.raises(ScenarioError, match=message) as caught:
        parse_exemplars(yaml.safe_dump([EMERGENCY, second]), "own.yaml")
    assert str(caught.value).startswith("own.yaml: entry 2: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("turns: [", "malformed YAML"),
        ("- {turns: [a], turns: [b]}", "'turns' is given twice"),
        ("turns: [a]", "expected a list of entries, found dict"),
        ("", "expected a list of entries, found NoneType"),
        (yaml.safe_dump([_entry()]), "no entry has urgency 'emergent'"),
    ],
)
def test_a_malformed_file_is_an_error_that_names_it(text: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message) as caught:
        parse_exemplars(text, "own.yaml")
    assert str(caught.value).startswith("own.yaml: ") and "\n" not in str(caught.value)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"none\.yaml: can't be read"):
        load_classifier(WordEmbedder(), cache_dir=tmp_path, exemplars=tmp_path / "none.yaml")


@pytest.fixture
def exemplars(tmp_path: Path) -> Path:
    """Return a small file of exemplars whose urgency follows one word."""
    calm = [_entry(f"question number {n} about vitamins") for n in range(6)]
    urgent = [_entry(f"bleeding number {n} help", urgency="emergent") for n in range(6)]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(calm + urgent), encoding="utf-8")
    return tmp_path / "own.yaml"


def _load(embedder: WordEmbedder, exemplars: Path) -> ScenarioClassifier:
    return load_classifier(embedder, cache_dir=exemplars.parent / "cache", exemplars=exemplars)


def test_ones_own_exemplars_are_what_it_learns_from(exemplars: Path) -> None:
    fitted = _load(WordEmbedder(), exemplars)
    assert fitted.classify(parse_conversation("bleeding number 3 help")).urgency == "emergent"
    assert fitted.classify(parse_conversation("question about vitamins")).urgency == "non-emergent"


def test_a_second_start_encodes_nothing_and_gives_the_same(exemplars: Path) -> None:
    first, second = CountingEmbedder(), CountingEmbedder()
    fitted, again = _load(first, exemplars), _load(second, exemplars)
    assert first.calls > 0 and second.calls == 0
    conversation = parse_conversation("some bleeding")
    assert again.classify(conversation) == fitted.classify(conversation)


@pytest.mark.parametrize("change", ["exemplars", "embedder", "features", "constants"])
def test_whatever_it_depends_on_makes_it_anew(exemplars: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    _load(WordEmbedder(), exemplars)
    if change == "exemplars":
        exemplars.write_text(exemplars.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    if change == "features":
        monkeypatch.setattr(scenario, "FEATURES_VERSION", -1)
    if change == "constants":
        monkeypatch.setattr(scenario, "EMERGENT_RECALL", 0.5)
    embedder = CountingEmbedder("other" if change == "embedder" else "words")
    _load(embedder, exemplars)
    assert embedder.calls > 0


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 cut short"])
def test_a_damaged_cache_is_made_anew(exemplars: Path, content: bytes) -> None:
    _load(WordEmbedder(), exemplars)
    (cached,) = (exemplars.parent / "cache").iterdir()
    cached.write_bytes(content)
    for expected in (True, False):
        embedder = CountingEmbedder()
        _load(embedder, exemplars)
        assert (embedder.calls > 0) is expected


def test_an_unwritable_cache_costs_time_and_nothing_else(exemplars: Path, caplog: pytest.LogCaptureFixture) -> None:
    (exemplars.parent / "cache").touch()
    with caplog.at_level(logging.WARNING):
        fitted = _load(WordEmbedder(), exemplars)
    assert fitted.classify(parse_conversation("bleeding number 3 help")).urgency == "emergent"
    assert "can't be cached" in caplog.text


def test_a_classifier_may_be_used_with_the_shipped_memory(
    classifier: ScenarioClassifier, embedder: EmbeddingMemory
) -> None:
    conversation = parse_conversation(QUESTIONS[0])
    first = classifier.classify(conversation)
    embedder.forget()
    assert classifier.classify(conversation).labels == first.labels
