"""The word diff: exact, and readable."""

from hypothesis import given
from hypothesis import strategies as st

from agent.word_diff import word_diff

_TEXTS = st.lists(st.sampled_from(["take", "two", "tablets", "not", "\n\n", " ", "with", "food."]), max_size=30).map(
    " ".join
)


@given(_TEXTS, _TEXTS)
def test_runs_give_back_both_texts(before: str, after: str) -> None:
    runs = word_diff(before, after)
    assert "".join(text for kind, text in runs if kind != "added") == before
    assert "".join(text for kind, text in runs if kind != "removed") == after


def test_one_changed_word_is_shown_alone() -> None:
    runs = word_diff("Take 500 mg of it with some food today.", "Take 250 mg of it with some food today.")
    assert ("removed", "500") in runs
    assert ("added", "250") in runs


def test_a_rewritten_sentence_is_not_shredded_at_a_common_word() -> None:
    before = "It is fine. Chest pain is a common thing by now. Then rest well at home."
    after = "It is fine. Such pressure needs a doctor today. Then rest well at home."
    assert len([kind for kind, _ in word_diff(before, after) if kind == "removed"]) == 1
