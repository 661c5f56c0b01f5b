"""Where the rows of an output came from: the input that its run names, told from any other by its hash."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from agent.batch.plan import Plan, load_plan, plan_file
from agent.batch.rows import Source, Survey, survey
from agent.errors import InputError


@dataclass(frozen=True)
class Origin:
    """An input, and what it must be."""

    output: Path
    source: Source
    sha256: str
    """Of the input, when the run read it."""

    @classmethod
    def of(cls, output: Path, source: Source | None = None) -> Origin:
        """Return the origin of an output; `source` says where the input is now. Raises InputError if that can't be told."""
        plan = _plan(output)
        if plan is None:
            record = plan_file(Path(os.path.realpath(output)))
            raise InputError(f"{output}: {record} is missing, which names the run's input; keep it beside the output")
        if source is None and plan.input is None:
            raise InputError(
                f"{output}: its rows were given in Python; give them again there: export_preferences(…, source=rows)"
            )
        return cls(output, Path(plan.input) if source is None and plan.input else source or (), plan.input_sha256)

    def survey(self) -> Survey:
        """Return what the input is; raises InputError unless it is what the run read."""
        if isinstance(self.source, Path) and not self.source.exists():
            raise InputError(f"the input {self.source} of {self.output} is not there; say where it is with --input")
        found = survey(self.source)
        if found.sha256 != self.sha256:
            name = self.source if isinstance(self.source, Path) else "the rows given"
            raise InputError(
                f"{name}: not what {self.output} was made from (sha256 {found.sha256[:12]}…, at the run "
                f"{self.sha256[:12]}…); give the input as it was with --input"
            )
        return found


def files_read(output: Path, source: Source | None = None) -> list[Path]:
    """Return the files that an export must not overwrite: the output and its input."""
    plan = _plan(output)
    named = [source] if isinstance(source, Path) else []
    return [output, *named, *([Path(plan.input)] if plan and plan.input else [])]


def _plan(output: Path) -> Plan | None:
    """Return the plan of an output; it lies beside the file itself, not beside a link to it."""
    return load_plan(Path(os.path.realpath(output)))
