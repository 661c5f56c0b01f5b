"""Every principle of the library in the rubric-writing prompt: what retrieval has to be better than, or cheaper."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agent.context_window import ContextWindow, WindowFacts, estimate_tokens
from agent.engine import Case, Engine, OnSeen, RubricWriter, WrittenRubric
from agent.errors import ConfigError
from agent.ledger import Ledger
from agent.llm import BESIDE_CONVERSATION, WindowFitter
from agent.llm_judge import ModelCritic
from agent.llm_prompts import critique_prompt
from principles_store.index import Retrieved
from principles_store.library import Library

_LEAST_CONVERSATION = 1_000
"""Tokens; a window that leaves fewer for conversation and draft is too small to be of use."""


@dataclass(frozen=True)
class WholeLibraryWriter:
    """Has the rubric written from all principles, in the library's order, whatever was retrieved."""

    writer: RubricWriter
    principles: tuple[Retrieved, ...]

    def write(self, case: Case, draft: str, *, ledger: Ledger, on_seen: OnSeen | None = None) -> WrittenRubric:
        return self.writer.write(replace(case, principles=self.principles), draft, ledger=ledger, on_seen=on_seen)


def with_whole_library(engine: Engine, library: Library) -> Engine:
    """Return the engine with all principles in its prompt; raises ConfigError if a model's window is known to be too small."""
    writer, fitter = engine.rubric_writer, engine.fitter
    if not isinstance(writer, ModelCritic) or not isinstance(fitter, WindowFitter):
        raise ConfigError("all principles go into a model's prompt: this arm needs a model; give --model")
    principles = tuple(Retrieved(principle, 1.0, ("all principles",)) for principle in library)
    tokens = library_tokens(principles, writer.client.window)
    _check_fits(tokens, len(principles), writer, fitter)
    smaller = tuple(_without(window, tokens) for window in fitter.windows)
    return replace(
        engine, rubric_writer=WholeLibraryWriter(writer, principles), fitter=replace(fitter, windows=smaller)
    )


def library_tokens(principles: tuple[Retrieved, ...], window: ContextWindow | None) -> int:
    """Return what all principles add to the prompt; an estimate on the high side where the model's tokenizer isn't known."""
    conversation = [{"role": "user", "content": "?"}]
    count = window.count if window else estimate_tokens
    full, empty = (
        critique_prompt(conversation, ".", found, (), max_words=1).messages[-1].content  # type: ignore[arg-type]
        for found in (principles, ())
    )
    return count(str(full)) - count(str(empty))


def _check_fits(tokens: int, count: int, writer: ModelCritic, fitter: WindowFitter) -> None:
    window = writer.client.window
    if window is None or window.size is None:
        return  # the server will say so itself
    needed = tokens + BESIDE_CONVERSATION + fitter.output_tokens + _LEAST_CONVERSATION
    if needed > window.size:
        about = "" if window.is_exact else "about "
        raise ConfigError(
            f"the {count} principles don't fit into {writer.client.name}: they are {about}{tokens:,} tokens, with instructions, "
            f"reply and a short conversation {needed:,}, and it takes {window.size:,}; take a model with a larger window, or "
            "leave out the arm with --arms"
        )


def _without(window: ContextWindow, tokens: int) -> ContextWindow:
    """Return a window in which the principles have their place already."""

    def ask() -> WindowFacts:
        return WindowFacts(None if window.size is None else window.size - tokens, window.count)

    return ContextWindow(ask)
