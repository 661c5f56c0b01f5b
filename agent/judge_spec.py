"""How a judge is named: `provider:name`, `small:FOLDER`, or a cascade of both, `small:FOLDER,provider:name`.

In a cascade the small judge gives the verdicts it is sure of and the model the others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ConfigError

SMALL = "small:"
_NEXT = re.compile(r",(?=[a-z_]+:|embedded$)")
"""A comma before another judge; others are part of a folder's name."""


@dataclass(frozen=True)
class JudgeSpec:
    """A judge as the user names it."""

    small: Path | None
    """Folder of the small judge that is asked first."""
    rest: str | None
    """Who is asked for what that leaves open, or for everything; None: nobody, it stays unknown."""


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
    return JudgeSpec(Path(folder), others[0] if others else None)
