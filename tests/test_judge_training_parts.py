"""The parts of a small judge's training: batches, loss, the course that it takes, and what it tells."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from tiny_bert import build_tiny_bert

from agent.errors import ConfigError
from agent.small_judge.reading import Layout, Pair
from training.judge_distillation.base import open_base
from training.judge_distillation.batches import LengthBatches, predict_logits
from training.judge_distillation.kept_pairs import FILE, keep_pairs, kept_pairs
from training.judge_distillation.pace import Pace
from training.judge_distillation.samples import Sample
from training.judge_distillation.trainer import class_weights
from training.judge_distillation.work_folder import begin


def samples_of(*lengths: int, mets: str = "", sides: str = "") -> list[Sample]:
    """Return samples of these lengths; `mets` and `sides` are made of + and -."""
    marks = zip(lengths, mets or "+" * len(lengths), sides or "+" * len(lengths), strict=True)
    return [
        Sample(
            Pair((101, *range(1000, 998 + length), 102), length // 2, ""),
            met == "+",
            "positive" if side == "+" else "negative",
            None,
            "c",
        )
        for length, met, side in marks
    ]


def test_an_epoch_has_every_sample_once_in_batches_of_like_length() -> None:
    draw = random.Random(0)
    lengths = [draw.randint(20, 250) for _ in range(333)]
    batches = LengthBatches(samples_of(*lengths), batch=16, seed=3)
    found = list(batches)
    assert sorted(row for batch in found for row in batch) == list(range(333))
    assert len(found) == len(batches) == 21
    padding = sum(max(lengths[row] for row in batch) * len(batch) for batch in found) / sum(lengths)
    assert padding < 1.1


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    samples = samples_of(*range(20, 120))
    batches = LengthBatches(samples, batch=8, seed=3)
    first = list(batches)
    batches.epoch = 1
    assert list(batches) != first
    again = LengthBatches(samples, batch=8, seed=3)
    assert list(again) == first
    assert list(LengthBatches(samples, batch=8, seed=4)) != first


def test_logits_do_not_depend_on_what_stands_beside(tmp_path: Path) -> None:
    model = open_base(build_tiny_bert(tmp_path / "bert"), Layout()).model()
    samples = samples_of(40, 9, 200, 77, 12)
    together = predict_logits(model, samples)
    alone = np.concatenate([predict_logits(model, [sample]) for sample in samples])
    assert np.abs(together - alone).max() < 1e-6
    assert np.array_equal(predict_logits(model, samples[::-1])[::-1], together)
    assert not model.training


def test_both_classes_weigh_the_same() -> None:
    samples = samples_of(*[9] * 10, mets="+++-------")
    unmet, met = class_weights(samples)
    assert 7 * unmet == pytest.approx(3 * met) == pytest.approx(5)


def test_pairs_are_kept_as_they_were_read(tmp_path: Path) -> None:
    pairs = [sample.pair for sample in samples_of(9, 4, 250)]
    assert kept_pairs(tmp_path) is None
    keep_pairs(pairs, tmp_path)
    assert kept_pairs(tmp_path) == pairs
    torn = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(torn[: len(torn) // 2])
    assert kept_pairs(tmp_path) is None


def test_pace_tells_how_far_and_how_long() -> None:
    lines: list[str] = []
    pace = Pace("step", lines.append, done=90, every_s=0.0)
    pace._began -= 20  # two steps, ten seconds each
    pace(92, 100, "loss 0.500")
    assert lines == ["step 92/100  loss 0.500  80 s to go"]
    Pace("step", lines.append)(1, 2)
    assert len(lines) == 1


def test_a_training_that_another_version_began_is_not_gone_on_with(tmp_path: Path) -> None:
    identity: dict[str, object] = {"digest": "d", "base": "b", "options": {}}
    (tmp_path / ".work").mkdir()
    work = begin(tmp_path, identity)
    assert begin(tmp_path, identity) == work
    (work / "training.json").write_text(json.dumps(identity))  # as the first version wrote it
    with pytest.raises(ConfigError, match="begun by another version of clinalign; begin anew with --fresh"):
        begin(tmp_path, identity)
