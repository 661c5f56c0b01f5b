"""What `python app.py` makes of many people who ask at once: how soon each sees a step, and whether each gets their own answer.

Two processes as in life: the app with the embedded engine, its conversations in a file, and the people's browsers here
(`chat_visitor.py`), without what a browser takes to draw a page. Both share the machine, so each person more makes it slower for
all; what a browser elsewhere would see is sooner.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from operator import attrgetter
from pathlib import Path
from statistics import median

import httpx

from agent.api import invoke
from agent.errors import ConfigError
from agent.page.bubbles import as_typed
from agent.sentences import split
from agent.state import AgentContext
from evals.batch.case_rows import Pair, unlike_rows
from evals.chat_visitor import Heard, VisitError, Visitor


@dataclass(frozen=True)
class Asked:
    """What one person asks."""

    question: str
    draft: str

    @property
    def texts(self) -> list[str]:
        """Return what nobody else asks or writes."""
        return [self.question, *(self.draft[part.start : part.end].strip() for part in split(self.draft))]


@dataclass(frozen=True)
class Waits:
    """Seconds from the click to what a person then sees, ascending; without those who got an error instead."""

    alone: tuple[float, ...]
    """One person at a time."""
    together: tuple[float, ...]
    """All at once."""

    def summary(self) -> dict[str, float]:
        """Return milliseconds for the median of those alone, and for median and last of all at once; and these beside that."""
        alone, middle, last = median(self.alone), median(self.together), self.together[-1]
        return {
            "alone_ms": 1000 * alone,
            "together_ms": 1000 * middle,
            "together_last_ms": 1000 * last,
            "ratio": middle / alone,
            "ratio_last": last / alone,
        }


@dataclass(frozen=True)
class ChatLoad:
    """How people fared."""

    stages: Waits
    """Until the stages are there, the first of them at work."""
    step: Waits
    """Until the first of them is finished."""
    faults: tuple[str, ...]
    """Errors, answers that are not what the agent answers, texts of somebody else."""


def measure_chat(
    pairs: Sequence[Pair], context: AgentContext, *, app: Path, users: int = 20, alone: int = 9
) -> ChatLoad:
    """Have people ask on the page, some one after the other and then many at once; no two ask the same.

    The context is what their answers are checked against; the app opens its own, by the same settings.
    """
    rows = unlike_rows(pairs, 1 + alone + users)  # the first loads what is loaded late
    asked = [Asked(row["conversation"][-1]["content"], row["draft"]) for row in rows]
    with started(app) as url:
        heard = asyncio.run(_visits(url, asked, together=users))
    one_by_one, at_once = (
        [each for each in some if isinstance(each, Heard)] for some in (heard[1:-users], heard[-users:])
    )
    stages, step = (
        Waits(tuple(sorted(map(wait, one_by_one))), tuple(sorted(map(wait, at_once))))
        for wait in (attrgetter("stages_s"), attrgetter("step_s"))
    )
    return ChatLoad(stages, step, tuple(faults(asked, heard, context)))


@contextmanager
def started(app: Path) -> Iterator[str]:
    """Run the app on a free port with nothing kept from before; give its address once it listens."""
    if not app.is_file():
        raise ConfigError(f"{app}: no such file; run this in the checkout, or name its app.py by --app")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(app), "--port", "0", "--history", str(Path(folder) / "history.sqlite")]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603  # our own app
        try:
            assert process.stderr is not None  # noqa: S101  # it is a pipe
            told = process.stderr.readline()
            address = next((word.rstrip(",;") for word in told.split() if word.startswith("http")), None)
            if address is None:
                raise ConfigError(f"{app} did not start: {told}{process.stderr.read()}".strip())
            threading.Thread(target=sys.stderr.writelines, args=(process.stderr,), daemon=True).start()  # its warnings
            yield address
        finally:
            process.kill()
            process.wait()


def faults(asked: Sequence[Asked], heard: Sequence[Heard | VisitError], context: AgentContext) -> Iterator[str]:
    """Yield what is wrong with what people heard; the agent is asked the same again for what is right."""
    for number, (each, answered) in enumerate(zip(asked, heard, strict=True)):
        if isinstance(answered, VisitError):
            yield f"person {number}: {answered}"
            continue
        if answered.answer != as_typed(invoke(each.question, draft=each.draft, context=context)["answer"]):
            yield f"person {number}: not the answer that the agent gives"
        shown = unescape("\n".join(answered.texts()))
        owners = [owner for owner, other in enumerate(asked) if any(text in shown for text in other.texts)]
        if owners != [number]:
            yield f"person {number}: saw texts of {owners}"


async def _visits(url: str, asked: Sequence[Asked], *, together: int) -> list[Heard | VisitError]:
    """Have all but the last come one after the other, and those all at once; each with a page that is open already."""
    visitors = [await Visitor.arrived(url) for _ in asked]
    questions = [_question(visitor, each) for visitor, each in zip(visitors, asked, strict=True)]
    one_by_one = [await question for question in questions[:-together]]
    at_once = await asyncio.gather(*questions[-together:])
    for visitor in visitors:
        await visitor.leave()
    return [*one_by_one, *at_once]


async def _question(visitor: Visitor, asked: Asked) -> Heard | VisitError:
    try:
        return await visitor.ask(asked.question, asked.draft)
    except (VisitError, httpx.HTTPError) as error:
        return error if isinstance(error, VisitError) else VisitError(f"{type(error).__name__}: {error}")
