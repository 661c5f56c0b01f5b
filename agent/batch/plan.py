"""What a run is made of: input, models, library, prompts and the settings that shape an answer.

It is kept beside the output (`<output>.run/run.json`) and compared when the run is continued, so that no output mixes answers of
two makings. How the work is carried out (how many at once, time-outs, prices, traces) may change from one start to the next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agent.batch.disk import JournalError, disk_error, replace_file
from agent.config import Settings
from agent.errors import InputError
from agent.ledger import Limits

FORMAT = 1
"""Of the state folder; a higher one was written by a newer version."""

COMPARED = (
    "model",
    "judge",
    "embedder",
    "principles",
    "seeds",
    "temperature",
    "seed",
    "k",
    "max_output_tokens",
    "thinking_tokens",
    "context_tokens",
    "redact",
    *(bound.name for bound in fields(Limits)),
)
"""Settings that shape an answer, in the order in which differences are told."""
BOUNDS = frozenset(bound.name for bound in fields(Limits))
"""Of an answer, which is another one where a bound cuts its work short; where a bound only makes an error, it may be changed."""
NOT_COMPARED = frozenset(
    {
        "library",  # its content is compared, wherever it lies
        "rubrics",  # likewise
        "store",
        "cache",
        "threads",
        "timeout_s",
        "max_attempts",
        "json_schema",  # how a reply is asked for; "auto" itself changes over within a run
        "price_input",
        "price_output",
        "trace",
        "trace_text",
    }
)
"""Settings about the way to the answer; a new setting belongs here or into COMPARED."""

_NOT_SET = {"model": "the embedded engine", "judge": "the model itself"}


@dataclass(frozen=True)
class Plan:
    """What a run is made of."""

    input: str | None
    """Absolute path of the input file, for the exports; not compared, since a file may be moved. None: rows given in Python."""
    input_sha256: str
    library: str
    """Where the library was read from; not compared."""
    library_hash: str
    settings: Mapping[str, Any]
    """Of COMPARED, as they apply: k is a number, and a judge that is the model is None."""
    prompts: Mapping[str, str]
    """Hash of each prompt by name; empty for the embedded engine, which asks no model."""
    work: Mapping[str, Any] = field(default_factory=dict)
    """What else shapes the rows of a job that is more than revising: name -> value."""
    rubrics_hash: str = ""
    """Of the rubrics that seeds come from; empty without seeds."""
    clinalign: str = field(default_factory=lambda: version("clinalign"))
    """Version that began the run; not compared."""

    def differences(self, now: Plan) -> list[str]:
        """Tell what has changed since this plan was made, in words for the user; empty if the run may go on."""
        told = [
            f"{name} {_shown(name, before)}, now {_shown(name, value)}"
            for name, value in now.settings.items()
            if (before := self._setting(name)) != value
        ]
        if self.input_sha256 != now.input_sha256:
            told.insert(0, _changed("the input has changed since", "sha256 ", self.input_sha256, now.input_sha256))
        if self.library_hash != now.library_hash:
            told.append(_changed("the library has changed", "hash ", self.library_hash, now.library_hash))
        if self.rubrics_hash and now.rubrics_hash and self.rubrics_hash != now.rubrics_hash:
            told.append(
                _changed("the rubrics that seeds come from have changed", "hash ", self.rubrics_hash, now.rubrics_hash)
            )
        names = sorted(self.work.keys() | now.work.keys())
        told += [
            f"{name} {_shown(name, self.work.get(name))}, now {_shown(name, now.work.get(name))}"
            for name in names
            if self.work.get(name) != now.work.get(name)
        ]
        if self.prompts and now.prompts:
            names = sorted(self.prompts.keys() | now.prompts.keys())
            told += [f"the prompt {n} has changed" for n in names if self.prompts.get(n) != now.prompts.get(n)]
        return told

    def _setting(self, name: str) -> Any:
        """Return a setting, by default what stands for one that the version that began the run didn't have."""
        return self.settings.get(name, Settings.model_fields[name].default)

    def moved_to(self, source: str | None) -> Plan:
        """Return the same plan with its input at another place."""
        return replace(self, input=source)


def make_plan(
    settings: Settings,
    source: Path | None,
    sha256: str,
    *,
    work: Mapping[str, Any] | None = None,
    prompts: Mapping[str, str] | None = None,
) -> Plan:
    """Return the plan of a run of the agent over the input whose content has this hash.

    `work` and `prompts` are those of a job that does more than revise. Reads the library, loads no embedder and no model;
    LibraryError as from `load_library`.
    """
    from agent.context import DEFAULT_K_FOR_MODELS
    from principles_store.index import DEFAULT_K
    from principles_store.library import load_library
    from principles_store.rubric_set import load_rubrics

    library = load_library(settings.library)
    shaping = _values(settings, COMPARED)
    shaping["k"] = settings.k or (DEFAULT_K_FOR_MODELS if settings.model else DEFAULT_K)
    if settings.judge == settings.model:
        shaping["judge"] = None
    return Plan(
        input=str(source.resolve()) if source else None,
        input_sha256=sha256,
        library=library.source,
        library_hash=library.content_hash,
        settings=shaping,
        rubrics_hash=load_rubrics(settings.rubrics).content_hash if settings.model and settings.seeds else "",
        prompts=(prompt_hashes() if settings.models else {}) | dict(prompts or {}),
        work=dict(work or {}),
    )


def unbounded(plan: Plan) -> Plan:
    """Return the plan of a job whose rows are whole or errors: a run that met a bound may go on with a higher one."""
    return replace(plan, settings={name: value for name, value in plan.settings.items() if name not in BOUNDS})


def make_plan_without_agent(
    settings: Settings,
    source: Path | None,
    sha256: str,
    *,
    compared: Sequence[str],
    work: Mapping[str, Any],
    prompts: Mapping[str, str],
) -> Plan:
    """Return the plan of a job that asks models without the agent: no library, and only these settings shape its rows."""
    return Plan(
        input=str(source.resolve()) if source else None,
        input_sha256=sha256,
        library="",
        library_hash="",
        rubrics_hash="",
        settings=_values(settings, compared),
        prompts=prompts,
        work=work,
    )


def state_folder(output: Path) -> Path:
    """Return the folder that holds what belongs to an output: its plan, the calls paid for, the lock."""
    return output.with_name(f"{output.name}.run")


def plan_file(output: Path) -> Path:
    """Return where the plan of an output is kept."""
    return state_folder(output) / "run.json"


def save_plan(plan: Plan, output: Path) -> None:
    """Keep the plan of an output, in one step; OSError if the disk refuses."""
    text = json.dumps({"format": FORMAT, **asdict(plan)}, indent=1)
    replace_file(plan_file(output), [text.encode()])


def load_plan(output: Path) -> Plan | None:
    """Return the plan of an output; None if no run has begun there.

    Raises InputError if a newer version wrote it, JournalError if it is damaged.
    """
    file = plan_file(output)
    try:
        kept = json.loads(file.read_bytes())
        if kept["format"] > FORMAT:
            raise InputError(
                f"{file} was written by a newer clinalign ({kept.get('clinalign')}, this is {version('clinalign')}); "
                "update clinalign to continue, or begin anew with --fresh"
            )
        return Plan(**{part.name: kept[part.name] for part in fields(Plan) if part.name in kept})
    except FileNotFoundError:
        return None
    except OSError as error:
        raise disk_error(f"can't read {file}", error) from error
    except (ValueError, TypeError, KeyError) as error:
        raise JournalError(
            f"{file} is damaged: it is not what clinalign wrote; begin anew with --fresh, which keeps the old output"
        ) from error


def prompt_hashes() -> dict[str, str]:
    """Return the hash of each prompt of the agent by name."""
    from agent.prompt import PROMPT_FOLDER, load_prompt

    return {file.stem: load_prompt(file.stem).hash for file in sorted(PROMPT_FOLDER.glob("*.md"))}


def _values(settings: Settings, names: Sequence[str]) -> dict[str, Any]:
    """Return settings by name; a small judge is what its folder holds, wherever that lies."""
    from agent.judge_spec import judge_name

    values = {name: getattr(settings, name) for name in names}
    if values.get("judge"):
        values["judge"] = judge_name(values["judge"])
    return values


def _shown(name: str, value: Any) -> str:
    return _NOT_SET.get(name, "none") if value is None else str(value)


def _changed(what: str, kind: str, before: str, now: str) -> str:
    return f"{what} ({kind}{before[:12]}…, now {now[:12]}…)"
