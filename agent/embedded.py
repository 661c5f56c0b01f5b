"""The engine that needs no LLM, no key and no GPU: detectors as judge, the principles' own wording as reviser.

It writes no medical facts of its own. Without a draft it composes what the principles alone can say, and says that no model
is configured. Its judge is `embedded_judge.py` or one that is given, its reviser `embedded_reviser.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent.edit import Revision
from agent.embedded_judge import EmbeddedJudge
from agent.embedded_reviser import EmbeddedReviser, is_english
from agent.engine import Case, Engine, OnSeen, WrittenRubric
from agent.events import DraftToken
from agent.judge import Judge
from agent.ledger import Ledger
from agent.retrieval import retrieve_principles
from agent.rubric import Criterion, Verdict, is_satisfied
from agent.sentences import count_words
from principles_store.conversation import Conversation, last_turn
from principles_store.embedding import Embedder
from principles_store.index import Index
from principles_store.principle import Principle

NO_MODEL_NOTICE = (
    "No language model is configured, so this is not an answer to your question: it is only what general safety principles "
    "say about such questions. It does not replace a clinician."
)
NOT_READ = (
    "without a model only plain English is read, and this doesn't seem to be: little of it was judged, and an emergency may have "
    "been missed"
)
LEAST_WORDS = 8
"""Fewer say too little about their language."""
NOTHING_TO_SAY = "None of the principles applies closely enough to say more."
MAX_COMPOSED = 4
"""Principles quoted in a composed answer: more would bury the first."""


@dataclass(frozen=True)
class PrincipleComposer:
    """Composes an answer from ready wording alone, emergency first and the question back last."""

    index: Index
    embedder: Embedder
    k: int

    def draft(self, case: Case, *, ledger: Ledger, on_token: Callable[[DraftToken], None]) -> str:
        found = retrieve_principles(case, self.index, self.embedder, draft=None, k=self.k)
        sayable = [item.principle for item in found if _wording(item.principle, case)]
        quoted = sorted(sayable, key=lambda principle: principle.severity != "critical")[:MAX_COMPOSED]
        urgent = case.scenario.urgency != "non-emergent"
        first = [p for p in quoted if p.guidance.place == "start" and urgent][:1]
        questions = [p for p in quoted if p.guidance.place == "question"][:1]
        rest = [p for p in quoted if p.guidance.place != "question" and p not in first]
        said = [_wording(principle, case) or "" for principle in (*rest, *questions)]
        if not first and not said:
            said = [NOTHING_TO_SAY]
        composed = "\n\n".join([*(_wording(p, case) or "" for p in first), NO_MODEL_NOTICE, *said])
        on_token(DraftToken(composed))
        return composed


class LibraryRubric:
    """The criteria of the retrieved principles, as the library states them."""

    def write(self, case: Case, draft: str, *, ledger: Ledger, on_seen: OnSeen | None = None) -> WrittenRubric:
        return WrittenRubric(
            tuple(
                Criterion(criterion.text, criterion.points, found.principle.id)
                for found in case.principles
                for criterion in found.principle.criteria
            )
        )


@dataclass(frozen=True)
class AgreedReviser:
    """Mends what the engine's judge finds failing and the detectors, too, by whose verdicts alone the reviser works."""

    detectors: EmbeddedJudge
    reviser: EmbeddedReviser

    def revise(
        self,
        case: Case,
        draft: str,
        rubric: Sequence[Criterion],
        verdicts: Sequence[Verdict],
        *,
        max_words: int,
        ledger: Ledger,
    ) -> Revision:
        (own,) = self.detectors.judge(case.conversation, [draft], rubric, ledger=ledger)
        agreed = [
            detected
            if is_satisfied(criterion, detected) or is_satisfied(criterion, given) is False
            else Verdict("unknown")
            for criterion, detected, given in zip(rubric, own, verdicts, strict=True)
        ]
        return self.reviser.revise(case, draft, rubric, agreed, max_words=max_words, ledger=ledger)


def embedded_engine(
    index: Index, embedder: Embedder, *, k: int, judge: Callable[[EmbeddedJudge], Judge] | None = None
) -> Engine:
    """Return the engine over a library's index; `judge` makes another judge than the detectors, from them if it likes."""
    detectors = EmbeddedJudge(index, embedder)
    reviser = EmbeddedReviser(detectors, index.library)
    engine = Engine(
        name=f"embedded ({embedder.id})",
        drafter=PrincipleComposer(index, embedder, k),
        rubric_writer=LibraryRubric(),
        judge=detectors,
        reviser=reviser,
        fitter=warn_unless_english,
    )
    if judge is None:
        return engine
    other = judge(detectors)
    return replace(
        engine,
        name=f"embedded ({embedder.id}, judge {other.name})",
        judge=other,
        judge_name=other.name,
        reviser=AgreedReviser(detectors, reviser),
    )


def warn_unless_english(conversation: Conversation, draft: str | None) -> tuple[Conversation, str | None]:
    """Return the conversation as it is, with a warning where this engine can't read it; few words are taken on trust."""
    question = last_turn(conversation)
    is_read = count_words(f"{question} {draft or ''}") < LEAST_WORDS or is_english(question, draft or "")
    return conversation, None if is_read else NOT_READ


def _wording(principle: Principle, case: Case) -> str | None:
    if principle.guidance.edit != "add":
        return None
    return (
        principle.guidance.wording.professional
        if case.scenario.expertise == "professional"
        else principle.guidance.wording.lay
    )
