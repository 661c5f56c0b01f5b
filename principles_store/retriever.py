"""The principles as a LangChain retriever, for chains and graphs other than our own."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from principles_store.conversation import parse_conversation, query_texts, user_text
from principles_store.embedding import Embedder
from principles_store.index import DEFAULT_K, Index, Query, Retrieved
from principles_store.scenario import ScenarioClassifier


class PrinciplesRetriever(BaseRetriever):
    """Returns the principles that apply to a question, as documents with their reasons in the metadata."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    index: Index
    embedder: Embedder
    classifier: ScenarioClassifier | None = None
    """None: search by meaning and topic alone."""
    k: int = Field(DEFAULT_K, ge=1)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None, **_: Any
    ) -> list[Document]:
        conversation = parse_conversation(query)
        found = self.index.search(
            Query(
                vectors=self.embedder.encode(query_texts(conversation)),
                user_text=user_text(conversation),
                scenario=self.classifier.classify(conversation).for_search if self.classifier else {},
            ),
            k or self.k,
        )
        return [_document(item) for item in found]


def _document(found: Retrieved) -> Document:
    principle = found.principle
    return Document(
        id=principle.id,
        page_content=f"{principle.title}. {principle.statement}",
        metadata={
            "id": principle.id,
            "dimension": principle.dimension,
            "scenarios": list(principle.scenarios),
            "polarity": principle.polarity,
            "severity": principle.severity,
            "score": found.score,
            "why": list(found.why),
        },
    )
