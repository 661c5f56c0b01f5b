"""How a model is shared among processes, as accelerate is told, and how much memory a device or a container has."""

from __future__ import annotations

from pathlib import Path

import pytest
from process_runs import launched

from agent.errors import ConfigError
from training.alignment.device_memory import container_memory, device_memory
from training.alignment.sharding import Sharding, read_sharding, sharding_of

CONFIGS = Path(__file__).parents[1] / "training" / "configs" / "accelerate"


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_file_of_accelerate_says_what_its_launcher_sets(file: Path) -> None:
    environment, processes = launched(file)

    assert sharding_of(environment | {"WORLD_SIZE": str(processes)}) == read_sharding(file)
    assert environment["ACCELERATE_MIXED_PRECISION"] == "bf16"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Sharding("none", 1)),
        ({"WORLD_SIZE": "2"}, Sharding("ddp", 2)),
        (
            {"WORLD_SIZE": "8", "ACCELERATE_USE_FSDP": "true", "FSDP_OFFLOAD_PARAMS": "true"},
            Sharding("fsdp", 8, offloads_optimizer=True, offloads_weights=True),
        ),
        (
            {
                "WORLD_SIZE": "8",
                "ACCELERATE_USE_DEEPSPEED": "true",
                "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3",
                "ACCELERATE_DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE": "cpu",
            },
            Sharding("zero3", 8, offloads_optimizer=True),
        ),
    ],
)
def test_the_environment_tells_how_a_model_is_shared(environment: dict[str, str], expected: Sharding) -> None:
    assert sharding_of(environment) == expected


@pytest.mark.parametrize("text", ["[]", "distributed_type: DEEPSPEED\ndeepspeed_config: {zero_stage: 7}", "{"])
def test_what_is_no_file_of_accelerate_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)

    with pytest.raises(ConfigError):
        read_sharding(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.max": "1000", "memory.current": "600", "memory.stat": "anon 1\ninactive_file 100\n"}, (500, 1000)),
        ({"memory.max": "max", "memory.current": "600", "memory.stat": ""}, None),
        (
            {
                "memory/memory.limit_in_bytes": "1000",
                "memory/memory.usage_in_bytes": "600",
                "memory/memory.stat": "a 1",
            },
            (400, 1000),
        ),
        (
            {
                "memory/memory.limit_in_bytes": str(1 << 62),
                "memory/memory.usage_in_bytes": "1",
                "memory/memory.stat": "",
            },
            None,
        ),
        ({}, None),
    ],
)
def test_a_containers_limit_counts(tmp_path: Path, files: dict[str, str], expected: tuple[int, int] | None) -> None:
    (tmp_path / "memory").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")

    assert container_memory(tmp_path) == expected


def test_there_is_some_memory_here() -> None:
    assert 1 << 28 < device_memory().free < 1 << 45
