"""One TOML file says everything of a training run; unknown keys are refused, with the key that was perhaps meant.

The sections `grpo`, `lora` and `sft` hold the keys of TRL's GRPOConfig, peft's LoraConfig and TRL's SFTConfig under their own
names; `training/grpo.py` checks them against the installed versions. Paths are relative to the file, but for `run.output`.
"""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.errors import ConfigError
from agent.judge_spec import with_folder

TINY = "tiny"
"""As a model: one of 381,536 random weights, made here, that shows that everything works."""

SHIPPED = "shipped"
"""As a file of questions: those of the shipped rubrics, with the principles' own criteria."""


class Section(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSection(Section):
    """The policy before training."""

    path: str
    """Folder, or ID of the Hugging Face hub, or "tiny"."""
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    attention: str | None = None
    """transformers' attn_implementation; None: its choice."""


class DataSection(Section):
    """Questions with rubrics."""

    files: tuple[Path, ...] = Field(min_length=1)
    """Rows of `rubrics synthesize` or `rubrics select`, HealthRubrics, or graded rows; also gzip and Parquet; or "shipped"."""
    gold_files: tuple[Path, ...] = ()
    """Held-out questions; none: a share of `files`."""
    gold_share: float = Field(default=0.1, gt=0, lt=1)
    """Chosen by a hash of each row's id, so that a row stays on its side when others come and go."""
    gold_most: int = Field(default=64, ge=1)
    """Held-out questions that are asked; those with the lowest hashes."""
    max_prompt_tokens: int = Field(default=4096, ge=1)
    """Longer ones are left out, and counted."""
    system: str | None = None
    """System message before each conversation that has none."""
    streaming: bool = False
    """Read rows while training instead of copying them to disk first; needs grpo.max_steps, and shuffles within a buffer."""


class LengthSection(Section):
    """What an answer loses for being long: nothing up to `budget` words, `penalty` from `budget` + `buffer` on, linear between."""

    budget: int = Field(ge=1)
    buffer: int = Field(ge=1)
    penalty: float = Field(default=0.5, gt=0, le=2)


class VetoSection(Section):
    """With a grave penalty that is met, an answer is worth at most `reward`."""

    points: int = Field(default=-8, ge=-10, le=-1)
    """Of a criterion: these or worse."""
    reward: float = Field(default=-1.0, ge=-2, le=0)


class RewardSection(Section):
    """How verdicts become a reward, and who gives them."""

    judge: str = "embedded"
    """provider:name; small:FOLDER; a cascade, small:FOLDER,provider:name; or "embedded", for smoke runs: it knows the library's own
    criteria only."""
    concurrency: int = Field(default=64, ge=1)
    """Requests at once, of all processes together."""
    deadline_seconds: float = Field(default=600.0, gt=0)
    """For all completions of a step; what is late has no reward. Must be well under grpo.ddp_timeout."""
    attempts: int = Field(default=3, ge=1)
    """Requests for one reply that can be used."""
    min_known: float = Field(default=0.8, gt=0, le=1)
    """Share of the rubric's points, by size, that must have a verdict, else there is no reward."""
    positive_only: bool = False
    saturate_at: float | None = Field(default=None, gt=0, le=1)
    """A score from here on is as good as this."""
    truncated: Literal["none", "floor", "judge"] = "none"
    """A completion cut off at max_completion_length: no reward; the least an answer can get; or judged as it is."""
    veto: VetoSection | None = None
    length: LengthSection | None = None
    max_cost: float | None = Field(default=None, gt=0)
    """Training stops, with a checkpoint, when the judges have cost this much."""
    price_input: float = Field(default=0.0, ge=0)
    """Per million tokens of the judge."""
    price_output: float = Field(default=0.0, ge=0)


class GoldSection(Section):
    """The judge of the held-out questions, whose plain score chooses the checkpoint."""

    judge: str | None = None
    """None: the reward's. Another one, better still of another make, shows when a policy learns its judge.

    A small or embedded judge of the reward that it is without is asked about the held-out answers too, and compared.
    """
    every: int = Field(default=50, ge=1)
    """Steps between two judgements; checkpoints are kept at these."""
    generations: int = Field(default=1, ge=1)
    """Completions per question."""
    patience: int | None = Field(default=None, ge=1)
    """Judgements without a better one before training ends; None: it goes on."""
    min_gain: float = Field(default=0.0, ge=0)
    """By which a score must exceed the best to count as better."""
    price_input: float = Field(default=0.0, ge=0)
    """Per million tokens of a judge named here; the reward's own has the reward's prices."""
    price_output: float = Field(default=0.0, ge=0)


class WarmStartSection(Section):
    """Supervised training on good answers before GRPO."""

    files: tuple[Path, ...] = ()
    """Rows of `clinalign batch` (accepted revisions), preferences (the preferred response), or {conversation|question, answer}.

    None: for the tiny model alone, sentences of the shipped principles.
    """
    accepted_only: bool = True
    """Of batch rows, those whose revision was accepted."""
    sft: dict[str, Any] = {}
    """TRL's SFTConfig."""


class RunSection(Section):
    """Where and how."""

    output: Path
    """Folder of the run: checkpoints, best/, curves, manifest, card."""
    seed: int = 0
    vllm: Literal["auto", "colocate", "server", "off"] = "auto"
    """Who generates; auto: vLLM in the same process where there is a GPU and vllm is installed, else transformers."""
    keep_checkpoints: int = Field(default=2, ge=1)
    """The best one is kept besides."""


class AlignmentConfig(Section):
    """A whole run."""

    source: Path
    """The file."""
    run: RunSection
    model: ModelSection
    data: DataSection
    reward: RewardSection = RewardSection()
    gold: GoldSection = GoldSection()
    warm_start: WarmStartSection | None = None
    lora: dict[str, Any] | None = None
    """peft's LoraConfig; None: all weights are trained."""
    grpo: dict[str, Any] = {}
    """TRL's GRPOConfig, without what other sections say."""

    @model_validator(mode="after")
    def _streams_so_many_steps(self) -> AlignmentConfig:
        if self.data.streaming and "max_steps" not in self.grpo:
            raise ValueError("data.streaming needs grpo.max_steps: how many rows there are isn't known")
        return self


def load_config(path: Path, *, output: Path | None = None, seed: int | None = None) -> AlignmentConfig:
    """Return the run that a file describes; `output` and `seed` win over it. Raises ConfigError naming file and key."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: can't be read: {error.strerror}; give a TOML file, as training/configs/smoke.toml"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: no TOML: {error}") from error
    run = given.setdefault("run", {})
    if isinstance(run, dict):
        run |= {"output": str(output.resolve())} if output else {}
        run |= {"seed": seed} if seed is not None else {}
    try:
        config = AlignmentConfig(source=path, **given)
    except (ValidationError, TypeError) as error:
        raise ConfigError(f"{path}: {_told(error)}") from error
    try:
        return _rooted(config, path.resolve().parent)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _told(error: ValidationError | TypeError) -> str:
    if isinstance(error, TypeError):
        return "source is no section of it"
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return (
            f"{key}: {first['msg'].removeprefix('Value error, ')}"
            if key
            else first["msg"].removeprefix("Value error, ")
        )
    known = _keys_at(first["loc"][:-1])
    near = get_close_matches(str(first["loc"][-1]), known, n=1)
    meant = f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(known)}"
    return f"unknown key {key}{meant}"


def _keys_at(place: tuple[int | str, ...]) -> list[str]:
    section: type[BaseModel] = AlignmentConfig
    for part in place:
        kind = section.model_fields[str(part)].annotation
        section = next(one for one in (kind, *get_args(kind)) if isinstance(one, type) and issubclass(one, BaseModel))
    return [name for name in section.model_fields if name != "source"]


def _rooted(config: AlignmentConfig, folder: Path) -> AlignmentConfig:
    """Return the config with its paths, and a model and small judges that are folders, taken from the file's folder.

    Raises ConfigError for a cascade that can't be.
    """

    def rooted(paths: tuple[Path, ...]) -> tuple[Path, ...]:
        return tuple(path if str(path) == SHIPPED else folder / path for path in paths)

    data = config.data.model_copy(
        update={"files": rooted(config.data.files), "gold_files": rooted(config.data.gold_files)}
    )
    warm = config.warm_start and config.warm_start.model_copy(update={"files": rooted(config.warm_start.files)})
    beside = folder / config.model.path
    model = config.model.model_copy(update={"path": str(beside)}) if beside.is_dir() else config.model
    reward = config.reward.model_copy(update={"judge": with_folder(config.reward.judge, lambda path: folder / path)})
    judge = config.gold.judge and with_folder(config.gold.judge, lambda path: folder / path)
    gold = config.gold.model_copy(update={"judge": judge})
    return config.model_copy(update={"data": data, "warm_start": warm, "model": model, "reward": reward, "gold": gold})
