"""Settings: read once, at the edge, from the environment (CLINALIGN_…); an explicit argument always wins.

Unknown CLINALIGN_ variables are refused, since a misspelt one would silently do nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from agent.errors import ConfigError
from agent.judge_spec import EMBEDDED, SMALL, JudgeSpec, parse_judge
from agent.ledger import Limits
from principles_store.embedding import DEFAULT_MODEL

PREFIX = "CLINALIGN_"


class Settings(BaseSettings):
    """Everything that can be set; each field is also the environment variable CLINALIGN_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    library: Path | None = None
    """Folder of YAML files or a JSON list; None: the shipped principles."""
    store: str | None = None
    """Folder or http URL of the Chroma index; None: below the user's data directory."""
    cache: Path | None = None
    """Folder for what can be made again; None: the user's cache directory."""
    embedder: str = DEFAULT_MODEL
    """The shipped model, or a sentence-transformers model or folder."""
    threads: int | None = Field(None, ge=1)
    """Of the shipped embedding model; None: one per core."""
    principles: bool = True
    """Whether a model's rubric is written with principles; the embedded engine can't do without."""
    seeds: bool = True
    """Whether a model writing a rubric is shown criteria of rubrics for similar conversations."""
    rubrics: Path | None = None
    """Folder or file of rubrics that seeds come from; None: the shipped starter set, synthetic and not clinician-verified."""
    k: int | None = Field(None, ge=1, le=50)
    """Principles retrieved per conversation; None: 8 for the embedded engine, 10 for a model, which leaves out what doesn't fit."""
    seed: int | None = None
    """Of the order in which a judge sees draft and revision (None: 0), and of the model's sampling (None: none is sent)."""
    model: str | None = None
    """provider:name of the model that writes and revises; None: the embedded engine."""
    judge: str | None = None
    """provider:name of the model that writes the rubric and judges, small:FOLDER or small:FOLDER,provider:name (judge_spec.py);
    None: the same model, or the embedded engine's detectors."""
    temperature: float | None = Field(None, ge=0, le=2)
    """None: the provider's own."""
    timeout_s: float = Field(120.0, gt=0, allow_inf_nan=False)
    """Of one attempt at one model call."""
    max_attempts: int = Field(5, ge=1, le=20)
    max_output_tokens: int = Field(4096, ge=16)
    """Of one reply, what is thought apart."""
    thinking_tokens: int = Field(0, ge=0)
    """What a thinking model may think on top of that, per call."""
    context_tokens: int | None = Field(None, ge=512)
    """What the models take; None: asked of the server or the model's files."""
    json_schema: Literal["auto", "always", "never"] = "auto"
    """Whether a reply's JSON schema is sent; auto: until the server rejects it."""
    price_input: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Per million tokens, in the currency of max_cost; for writer and judge alike."""
    price_output: float = Field(0.0, ge=0, allow_inf_nan=False)
    redact: bool = False
    """Take obvious identifiers out of what is sent to a model (docs/privacy.md)."""
    trace: Path | None = None
    """File to which one JSON line per answer is appended: prompts by hash, models, tokens; no text."""
    trace_text: bool = False
    """Also the texts, which may be a patient's."""
    max_rounds: int = Field(Limits.max_rounds, ge=0, le=10)
    max_calls: int | None = Field(Limits.max_calls, ge=0)
    max_tokens: int | None = Field(Limits.max_tokens, ge=0)
    max_seconds: float | None = Field(Limits.max_seconds, ge=0)
    max_cost: float | None = Field(Limits.max_cost, ge=0)
    length_ratio: float = Field(Limits.length_ratio, ge=0, allow_inf_nan=False)
    length_words: int = Field(Limits.length_words, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if not self.principles and not self.model:
            raise ValueError("principles=false needs a model: the embedded engine has nothing else to judge by")
        if self.judges.rest and not self.judges.small and not self.model:
            raise ValueError("judge needs a model too: the embedded engine judges by itself, or by small:FOLDER")
        if self.judges.rest == EMBEDDED and self.model:
            raise ValueError(f"judge {self.judge!r}: the detectors judge where no model is set; leave {EMBEDDED} out")
        if self.max_cost is not None and self.models and not (self.price_input or self.price_output):
            raise ValueError("max_cost needs price_input and price_output, per million tokens")
        return self

    @property
    def judges(self) -> JudgeSpec:
        """Return who judges besides the engine itself."""
        return parse_judge(self.judge) if self.judge else JudgeSpec(None, None)

    @property
    def models(self) -> tuple[str, ...]:
        """Return the chat models that an answer may ask, each once."""
        return tuple(dict.fromkeys(name for name in (self.model, self.judges.rest) if name and name != EMBEDDED))

    def without_models(self) -> Settings:
        """Return the settings by which no model is asked; of a cascade the small judge is left."""
        judge = f"{SMALL}{self.judges.small}" if self.judges.small else None
        return self.model_copy(update={"model": None, "judge": judge})

    def limits(self) -> Limits:
        """Return the bounds of a run."""
        names = Limits.__dataclass_fields__
        return Limits(**{name: getattr(self, name) for name in names})


def load_settings(**explicit: Any) -> Settings:
    """Return the settings; arguments that are None leave the environment's or the default value.

    Raises ConfigError naming the setting at fault.
    """
    unknown = _unknown_variables(os.environ)
    if unknown:
        known = ", ".join(sorted(PREFIX + name.upper() for name in Settings.model_fields))
        raise ConfigError(f"unknown setting {unknown[0]} in the environment; known are {known}")
    given = {name: value for name, value in explicit.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise ConfigError(f"settings: {first['msg'].removeprefix('Value error, ')}") from error
        name = str(first["loc"][0])
        raise ConfigError(f"setting {name} ({PREFIX}{name.upper()}): {first['msg']}, got {first['input']!r}") from error


_OF_OTHERS = frozenset({"CLINALIGN_REVIEWS", "CLINALIGN_SERVER_KEY"})
"""Read by the commands that they are for; as a setting, a key would be shown and compared."""


def _unknown_variables(environment: Mapping[str, str]) -> list[str]:
    known = {PREFIX + name.upper() for name in Settings.model_fields} | _OF_OTHERS
    return sorted(name for name in environment if name.upper().startswith(PREFIX) and name.upper() not in known)
