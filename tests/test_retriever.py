"""The LangChain retriever: LangChain's own standard tests, and that it finds what the index finds."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from langchain_tests.integration_tests import RetrieversIntegrationTests
from pydantic import ValidationError
from toy_index import WordEmbedder, principle, toy_index

from principles_store.conversation import ConversationError, parse_conversation, query_texts
from principles_store.index import Index, Query
from principles_store.retriever import PrinciplesRetriever
from principles_store.scenario import ScenarioClassifier
from principles_store.shared_embedding import EmbeddingMemory

QUESTION = "My father has crushing chest pain and is sweating, what do I do?"


@pytest.mark.anyio
class TestStandard(RetrieversIntegrationTests):
    """What LangChain asks of every retriever, over the shipped library."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture(autouse=True)
    def _shipped(self, index: Index, embedder: EmbeddingMemory, classifier: ScenarioClassifier) -> None:
        self._parts = {"index": index, "embedder": embedder, "classifier": classifier}

    @property
    def retriever_constructor(self) -> type[PrinciplesRetriever]:
        return PrinciplesRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return self._parts

    @property
    def retriever_query_example(self) -> str:
        return QUESTION


def _toy_retriever(k: int = 8) -> PrinciplesRetriever:
    index = toy_index(principle("chest", "chest pain", topic="chest"), principle("cough", "chest cough pain"))
    return PrinciplesRetriever(index=index, embedder=WordEmbedder(), k=k)


def test_documents_are_what_the_index_finds_in_its_order(
    index: Index, embedder: EmbeddingMemory, classifier: ScenarioClassifier
) -> None:
    retriever = PrinciplesRetriever(index=index, embedder=embedder, classifier=classifier)
    conversation = parse_conversation(QUESTION)
    scenario = classifier.classify(conversation).for_search
    found = index.search(Query(embedder.encode(query_texts(conversation)), QUESTION, scenario))
    assert [document.id for document in retriever.invoke(QUESTION)] == [item.principle.id for item in found]


def test_a_document_says_what_the_principle_is_and_why_it_was_found() -> None:
    first, second = _toy_retriever().invoke("chest pain")
    assert first.page_content.startswith("Say when a tick bite needs a doctor. After a tick bite, say")
    assert first.metadata == {
        "id": "chest",
        "dimension": "urgency",
        "scenarios": ["non-emergent"],
        "polarity": "do",
        "severity": "major",
        "score": pytest.approx(1.15),
        "why": ["the question says 'chest'", "like 'chest pain' (1.00)"],
    }
    assert second.id == "cough"


@pytest.mark.parametrize(("k_at_start", "k_of_call", "expected"), [(8, 1, 1), (1, None, 1), (1, 2, 2)])
def test_k_of_the_call_wins(k_at_start: int, k_of_call: int | None, expected: int) -> None:
    more = {} if k_of_call is None else {"k": k_of_call}
    assert len(_toy_retriever(k_at_start).invoke("chest pain", **more)) == expected


def test_it_is_a_part_of_chains() -> None:
    def titles(documents: list[Document]) -> list[str | None]:
        return [document.id for document in documents]

    assert (_toy_retriever() | RunnableLambda(titles)).invoke("chest pain") == ["chest", "cough"]


def test_an_empty_question_is_an_error() -> None:
    with pytest.raises(ConversationError, match="empty"):
        _toy_retriever().invoke("  ")


def test_k_below_one_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        _toy_retriever(k=0)
