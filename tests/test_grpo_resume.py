"""A run that is killed and resumed is the run that was not: every number of every step, every judgement, every byte of weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from grpo_runs import Plan, build_moe, course, run, write_run

from training.alignment.checkpoints import last_whole

KILLED = -9
VARIANTS = {
    "plain": "",
    "two slices to a step": "gradient_accumulation_steps = 2\nper_device_train_batch_size = 4",
    "two steps to a generation": "steps_per_generation = 2\nper_device_train_batch_size = 4\ngradient_accumulation_steps = 1",
    "completions used twice": "num_iterations = 2\nper_device_train_batch_size = 8",
    "two generations to a step": "gradient_accumulation_steps = 2\nsteps_per_generation = 1\nper_device_train_batch_size = 4",
    "with reference": "beta = 0.1\nper_device_train_batch_size = 8",
}


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from training.alignment.tiny import build_tiny

    return build_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def whole(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody disturbed."""
    config = write_run(tmp_path_factory.mktemp("whole"), model)
    assert run(config) == 0
    return config


@pytest.mark.slow
@pytest.mark.parametrize(
    "call", [5, 7, 9, 11], ids=["in a step", "in a judgement", "in a second epoch", "after an epoch's end"]
)
def test_a_run_killed_at_a_reward_and_resumed_is_the_whole_one(
    model: Path, whole: Path, tmp_path: Path, call: int
) -> None:
    config = write_run(tmp_path, model)
    assert run(config, call=call) == KILLED
    assert run(config, resume=True) == 0
    assert course(config) == course(whole)


@pytest.mark.slow
@pytest.mark.parametrize("ms", [0, 4, 12])
def test_a_checkpoint_whose_writing_was_killed_is_passed_over(
    model: Path, whole: Path, tmp_path: Path, ms: int
) -> None:
    config = write_run(tmp_path, model)
    assert run(config, saving_s=ms / 1000) == KILLED
    assert run(config, resume=True) == 0
    assert course(config) == course(whole)


@pytest.mark.slow
@pytest.mark.parametrize("grpo", list(VARIANTS.values())[1:], ids=list(VARIANTS)[1:])
def test_every_way_to_cut_a_batch_is_resumed_exactly(model: Path, tmp_path: Path, grpo: str) -> None:
    configs = [write_run(tmp_path / name, model, grpo=grpo) for name in ("whole", "killed")]
    assert run(configs[0]) == 0
    assert (run(configs[1], call=7), run(configs[1], resume=True)) == (KILLED, 0)
    assert course(configs[0]) == course(configs[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "sections",
    [
        {"more": "[lora]\nr = 4\nlora_dropout = 0.2"},
        {"data": "streaming = true"},
        {"data": "streaming = true", "grpo": "per_device_train_batch_size = 16"},
    ],
    ids=["adapters with dropout", "a stream in its second pass", "a stream whose passes don't come out even"],
)
def test_adapters_and_streams_are_resumed_exactly(model: Path, tmp_path: Path, sections: dict[str, str]) -> None:
    configs = [write_run(tmp_path / name, model, **sections) for name in ("whole", "killed")]
    assert run(configs[0]) == 0
    assert (run(configs[1], call=11), run(configs[1], resume=True)) == (KILLED, 0)
    assert course(configs[0]) == course(configs[1])


@pytest.mark.slow
def test_a_mixture_of_experts_with_dropout_is_trained_and_resumed_exactly(model: Path, tmp_path: Path) -> None:
    experts = build_moe(tmp_path / "experts", model)
    configs = [write_run(tmp_path / name, experts) for name in ("whole", "killed")]
    assert run(configs[0]) == 0
    assert (run(configs[1], call=9), run(configs[1], resume=True)) == (KILLED, 0)
    assert course(configs[0]) == course(configs[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plan", "code", "step"),
    [
        (Plan(what="SIGTERM", after_step=3), 143, 4),
        (Plan(what="SIGINT", call=9), 130, 5),
        (Plan(what="gives up", call=7), 3, 4),
        (Plan(what="SIGINT", call=13), 130, 8),
    ],
    ids=[
        "a signal in a step",
        "a signal while the judge is waited for",
        "a judge that is gone in a judgement",
        "a signal in the last judgement",
    ],
)
def test_a_run_that_is_stopped_leaves_a_checkpoint_and_goes_on_from_it(
    model: Path, whole: Path, tmp_path: Path, plan: Plan, code: int, step: int
) -> None:
    config = write_run(tmp_path, model)
    assert run(config, plan) == code
    assert last_whole(tmp_path / "run") == tmp_path / "run" / f"checkpoint-{step}"
    assert run(config, resume=True) == 0
    assert course(config) == course(whole)


@pytest.mark.slow
def test_a_stopped_run_whose_config_has_tables_is_the_same_run(model: Path, tmp_path: Path) -> None:
    by_fsdp = "accelerator_config = {gradient_accumulation_kwargs = {sync_each_batch = true}}"  # as the shipped configs for FSDP
    config = write_run(tmp_path, model, grpo=f"per_device_train_batch_size = 8\n{by_fsdp}")
    assert run(config, what="gives up", call=7) == 3
    assert run(config, resume=True) == 0
