"""Work for all cores: texts encoded side by side, conversations classified together, seconds by step."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from principles_store.conversation import Conversation, parse_conversation
from principles_store.embedding import OnnxEmbedder, Vectors, load_embedder
from principles_store.scenario import EXEMPLARS, ScenarioClassifier, parse_exemplars
from principles_store.shared_embedding import EmbeddingMemory
from training.distillation.all_cores import AllCores, load_on_all_cores
from training.distillation.bench import app as bench
from training.distillation.clock import Clock
from training.distillation.evidence import Rubric
from training.distillation.scenario_keys import classify_together, label_conversations

TEXTS = [f"Says {'very ' * (n % 40)}much about matter {n}." for n in range(200)]


class Lengths:
    """An embedder that gives each text's length, and notes what it is asked."""

    id = "lengths"

    def __init__(self, meeting: threading.Barrier | None = None) -> None:
        self.asked: list[list[str]] = []
        self._meeting = meeting

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.asked.append(list(texts))
        if self._meeting:
            self._meeting.wait(timeout=10)
        return np.array([[len(text)] for text in texts], dtype=np.float32).reshape(len(texts), 1)


@pytest.mark.parametrize("count", [0, 1, 64, 65, 200])
def test_every_text_gets_its_own_vector_whatever_the_shares(count: int) -> None:
    found = AllCores(Lengths(), 2).encode(TEXTS[:count])
    assert found[:, 0].tolist() == [len(text) for text in TEXTS[:count]]


def test_two_threads_encode_at_the_same_time() -> None:
    both = Lengths(threading.Barrier(2))  # breaks unless two shares are under way at once
    AllCores(both, 2).encode(["short"] * 128)
    assert len(both.asked) == 2


def test_long_texts_go_in_smaller_shares_for_the_memory_they_take() -> None:
    long = Lengths()
    AllCores(long, 2).encode(["long " * 400] * 20)
    assert {len(share) for share in long.asked} == {4}


def test_the_vectors_are_the_models_own(embedder: EmbeddingMemory) -> None:
    found = load_on_all_cores("all-MiniLM-L6-v2", threads=2)
    assert isinstance(found, AllCores) and found.id == embedder.id
    assert np.allclose(found.encode(TEXTS[:80]), embedder.encode(TEXTS[:80]), atol=1e-5)


def test_one_thread_needs_no_shares() -> None:
    assert isinstance(load_on_all_cores("all-MiniLM-L6-v2", threads=1), OnnxEmbedder)


@pytest.fixture(scope="module")
def conversations() -> list[Conversation]:
    every = parse_exemplars(EXEMPLARS.read_text(encoding="utf-8"), "exemplars")[0]
    return [*every[::14], parse_conversation([("user", "x"), ("assistant", "y"), ("user", "now my arm is numb")])]


def test_together_conversations_are_classified_as_one_by_one(
    conversations: list[Conversation], classifier: ScenarioClassifier, embedder: EmbeddingMemory
) -> None:
    one_by_one = [dict(classifier.classify(conversation).labels) for conversation in conversations]
    assert classify_together(conversations, classifier, embedder) == one_by_one
    assert len({label["urgency"] for label in one_by_one}) == 3


def test_no_conversation_is_encoded_twice_nor_again_in_a_second_run(
    conversations: list[Conversation], tmp_path: Path
) -> None:
    counting = Counting()
    rubrics = [Rubric(f"r{n}", conversations[n % 5]) for n in range(20)]
    labels = [label_conversations(rubrics, counting, cache=tmp_path) for _ in range(2)]
    assert labels[0] == labels[1] and labels[0][:5] == labels[0][5:10]
    assert sorted(counting.asked) == sorted(set(counting.asked)) and len(counting.asked) >= 5


class Counting:
    """The real model, which notes each text."""

    def __init__(self) -> None:
        self._embedder = load_embedder()
        self.id = self._embedder.id
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return self._embedder.encode(texts)


def test_a_clock_tells_each_step_as_it_ends() -> None:
    heard: list[str] = []
    clock = Clock(heard.append)
    clock.lap("read")
    clock.start()
    clock.lap("encode")
    assert heard == list(clock.seconds) == ["read", "encode"]


def test_the_measuring_command_tells_seconds_and_memory_of_every_step() -> None:
    done = CliRunner().invoke(bench, ["scale", "--criteria", "60", "--rubrics", "8", "--threads", "1"])
    assert done.exit_code == 0, done.exception
    told = json.loads(done.stdout)
    assert (told["criteria"], told["rubrics"]) == (60, 8)
    assert {"read", "encode", "classify", "cluster", "measure", "write"} <= told["seconds_by_step"].keys()
    assert told["peak_mb_by_step"].keys() == told["seconds_by_step"].keys()
    assert told["peak_mb"] == max(told["peak_mb_by_step"].values()) > 50
