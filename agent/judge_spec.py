"""How a judge is named: `provider:name`, `small:FOLDER`, or a cascade of both, `small:FOLDER,provider:name`.

In a cascade the small judge gives the verdicts it is sure of and the model the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ConfigError

SMALL = "small:"
EMBEDDED = "embedded"
"""The detectors, which need no model."""
_NEXT = re.compile(rf",(?=[a-z_]+:|{EMBEDDED}$)")
"""A comma before another judge; others are part of a folder's name."""


@dataclass(frozen=True)
class JudgeSpec:
    """A judge as the user names it."""

    small: Path | None
    """Folder of the small judge that is asked first."""
    rest: str | None
    """Who is asked for what that leaves open, or for everything; None: nobody, it stays unknown."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the judges one by one, each as it would be named by itself."""
        small = f"{SMALL}{self.small}" if self.small else None
        return tuple(name for name in (small, self.rest) if name)


def parse_judge(spec: str) -> JudgeSpec:
    """Return the parts of a judge's name; raises ConfigError for a cascade that can't be. Opens nothing."""
    first, *others = _NEXT.split(spec)
    if not first.startswith(SMALL):
        if others:
            raise ConfigError(
                f"judge {spec!r}: a cascade begins with the small judge, small:FOLDER,provider:name; "
                "for several judges that vote give --judge several times to clinalign eval grade"
            )
        return JudgeSpec(None, spec)
    folder = first.removeprefix(SMALL)
    if not folder:
        raise ConfigError(f"judge {spec!r} names no folder; give the one that clinalign eval distil-judge wrote")
    if len(others) > 1 or any(other.startswith(SMALL) for other in others):
        raise ConfigError(f"judge {spec!r}: a cascade is one small judge and one other, small:FOLDER,provider:name")
    path = Path(folder).expanduser() if folder.startswith("~/") else Path(folder)  # no shell does it behind a colon
    return JudgeSpec(path, others[0] if others else None)


def with_folder(judge: str, moved: Callable[[Path], Path | str]) -> str:
    """Return a judge's name with the folder of its small judge, if there is one, put otherwise."""
    spec = parse_judge(judge) if judge.startswith(SMALL) else None
    if spec is None or spec.small is None:
        return judge
    return f"{SMALL}{moved(spec.small)}{f',{spec.rest}' if spec.rest else ''}"


def cascade_name(small: str, rest: str) -> str:
    """Name a cascade by its judges."""
    return f"cascade({small}, {rest})"


def judge_name(spec: str) -> str:
    """Return how the judge of a spec calls itself, with the hash of a small judge's folder; opens no model.

    Raises ConfigError for a cascade or a folder that can't be used.
    """
    if not spec.startswith(SMALL):  # a recording may have whatever is in a file's name
        return spec
    from agent.small_judge.folder import read_judge_folder

    parsed = parse_judge(spec)
    name = read_judge_folder(parsed.small).name if parsed.small else spec
    return cascade_name(name, parsed.rest) if parsed.rest else name
