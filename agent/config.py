"""Settings: read once, at the edge, from the environment (CLINALIGN_…); an explicit argument always wins.

Unknown CLINALIGN_ variables are refused, since a misspelt one would silently do nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from agent.errors import ConfigError
from agent.ledger import Limits
from principles_store.embedding import DEFAULT_MODEL
from principles_store.index import DEFAULT_K

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
    k: int = Field(DEFAULT_K, ge=1, le=50)
    """Principles retrieved per conversation."""
    seed: int = 0
    """Of the order in which a judge sees draft and revision."""
    max_rounds: int = Field(Limits.max_rounds, ge=0, le=10)
    max_calls: int | None = Field(Limits.max_calls, ge=0)
    max_tokens: int | None = Field(Limits.max_tokens, ge=0)
    max_seconds: float | None = Field(Limits.max_seconds, ge=0)
    max_cost: float | None = Field(Limits.max_cost, ge=0)
    length_ratio: float = Field(Limits.length_ratio, ge=0, allow_inf_nan=False)
    length_words: int = Field(Limits.length_words, ge=0)

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
        name = str(first["loc"][0]) if first["loc"] else "?"
        raise ConfigError(f"setting {name} ({PREFIX}{name.upper()}): {first['msg']}, got {first['input']!r}") from error


def _unknown_variables(environment: Mapping[str, str]) -> list[str]:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    return sorted(name for name in environment if name.upper().startswith(PREFIX) and name.upper() not in known)
