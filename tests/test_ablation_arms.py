"""The arms by themselves: which there are, and what the oracle knows."""

from __future__ import annotations

import pytest

from agent.errors import InputError
from evals.ablation.arms import ARMS, GENERIC, SHIPPED, chosen_arms
from evals.ablation.true_labels import OracleClassifier, true_labels

CALM = "physician_agreed_category:non-emergent"


@pytest.mark.parametrize(
    ("tags", "labels"),
    [
        ([CALM], {"urgency": "non-emergent"}),
        (["physician_agreed_category:enough-context", "theme:x"], {"uncertainty": "none"}),
        (["physician_agreed_category:simple", "physician_agreed_category:detailed"], {}),
        (["emergent", "physician_agreed_category:else"], {}),
    ],
)
def test_true_labels_are_read_from_the_tags_that_agree(tags, labels):
    assert true_labels(tags) == labels


def test_the_oracle_is_sure_of_what_is_labelled_and_guesses_the_rest(classifier):
    conversation = [{"role": "user", "content": "Is a pulse of 58 normal?"}]
    guessed, known = classifier.classify(conversation), OracleClassifier(classifier, {"urgency": "emergent"})
    found = known.classify(conversation)
    assert {**found.labels} == {**guessed.labels, "urgency": "emergent"}
    assert (found.probabilities["emergent"], found.probabilities["non-emergent"]) == (1.0, 0.0)
    others = guessed.probabilities.keys() - {"emergent", "conditionally-emergent", "non-emergent"}
    assert all(found.probabilities[value] == guessed.probabilities[value] for value in others)


def test_arms_are_chosen_by_name_in_the_tables_order():
    assert [arm.name for arm in chosen_arms("shipped, generic,base")] == [GENERIC, SHIPPED]
    assert chosen_arms(None) == ARMS
    with pytest.raises(InputError, match="no arm 'retrived'; there are base, generic"):
        chosen_arms("retrived")
