"""Which checkpoints are whole, which may go, which order questions come in, and what randomness leaves behind."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from training.alignment import checkpoints
from training.alignment.checkpoints import is_whole, last_whole, mark_whole, thin_out
from training.alignment.sampler import EpochSampler, endless


def saved(folder: Path, step: int, *, is_marked: bool = True) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    (checkpoint / "deep").mkdir(parents=True)
    (checkpoint / "weights").write_bytes(b"x" * 100)
    (checkpoint / "deep" / "shard").write_bytes(b"y" * 10)
    if is_marked:
        mark_whole(checkpoint)
    return checkpoint


def test_a_marked_checkpoint_is_whole(tmp_path: Path) -> None:
    assert is_whole(saved(tmp_path, 2))


@pytest.mark.parametrize("name", ["weights", "deep/shard", "whole.json"])
def test_a_checkpoint_that_lacks_a_file_or_a_part_of_one_is_not(tmp_path: Path, name: str) -> None:
    checkpoint = saved(tmp_path, 2)
    (checkpoint / name).write_bytes((checkpoint / name).read_bytes()[:5])
    assert not is_whole(checkpoint)
    (checkpoint / name).unlink()
    assert not is_whole(checkpoint)


def test_the_last_whole_checkpoint_is_that_of_the_highest_step(tmp_path: Path) -> None:
    for step in (9, 100, 20):
        saved(tmp_path, step)
    saved(tmp_path, 200, is_marked=False)
    (tmp_path / "checkpoint-best").mkdir()
    assert last_whole(tmp_path) == tmp_path / "checkpoint-100"


def test_no_folder_has_no_checkpoint(tmp_path: Path) -> None:
    assert last_whole(tmp_path / "none") is None


def test_the_best_checkpoint_is_kept_besides_the_last_ones(tmp_path: Path) -> None:
    for step in (2, 4, 6, 8, 10):
        saved(tmp_path, step)
    thin_out(tmp_path, keep=2, best_step=4)
    assert [checkpoints.step_of(one) for one in checkpoints.checkpoints(tmp_path)] == [4, 8, 10]


def test_a_checkpoint_whose_deletion_was_cut_short_is_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = saved(tmp_path, 2)
    monkeypatch.setattr(checkpoints.shutil, "rmtree", lambda _: None)
    checkpoints.delete(checkpoint)
    assert not is_whole(checkpoint)


def sampler(rows: int = 7, *, seed: int = 1, shuffle: bool = True) -> EpochSampler:
    return EpochSampler(range(rows), questions=3, generations=2, repeats=2, seed=seed, shuffle=shuffle)


def test_questions_come_as_trl_wants_them() -> None:
    order = list(sampler(shuffle=False))
    assert order == 2 * [0, 0, 1, 1, 2, 2] + 2 * [3, 3, 4, 4, 5, 5]
    assert len(sampler()) == len(order)


def test_an_order_depends_on_seed_and_epoch_alone() -> None:
    used, fresh = sampler(), sampler()
    for epoch in (0, 1, 2):
        used.set_epoch(epoch)
        list(used)
    fresh.set_epoch(2)
    assert list(used) == list(fresh) == list(used)
    assert list(sampler()) != list(fresh)
    assert list(sampler(seed=2)) != list(sampler())


def test_trls_own_sampler_orders_by_how_often_it_was_asked() -> None:
    """The reason for ours; if this fails, TRL has changed and ours may go."""
    from trl.trainer.utils import RepeatSampler

    used = RepeatSampler(range(7), mini_repeat_count=2, batch_size=3, seed=1)
    assert list(used) != list(used)


def test_a_stream_goes_on_with_all_rows_in_another_order() -> None:
    from datasets import IterableDataset

    rows = IterableDataset.from_generator(lambda: ({"id": number} for number in range(20)))
    stream = [row["id"] for row in endless(rows, seed=1).take(60)]
    passes = [tuple(stream[start : start + 20]) for start in (0, 20, 40)]
    assert all(Counter(one) == Counter(range(20)) for one in passes)
    assert len(set(passes)) == 3
    assert stream == [row["id"] for row in endless(rows, seed=1).take(60)]


def test_a_judgement_draws_the_same_and_leaves_no_trace() -> None:
    import numpy as np
    import torch

    from training.alignment.randomness import randomness_of_its_own

    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    torch.manual_seed(3), random.seed(3), np.random.seed(3)
    expected = draw()
    torch.manual_seed(3), random.seed(3), np.random.seed(3)
    found = []
    for _ in range(2):
        with randomness_of_its_own(11):
            found.append(draw())
    assert found[0] == found[1]
    assert draw() == expected
