"""What the cross-encoder is shown: never more than its window, and of a long answer what bears on the criterion."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from agent.rubric import Criterion
from agent.small_judge.reading import Layout, PairReader
from principles_store.embedding import default_model_folder

FILLER = [f"Remark number {number} is about the weather of that day." for number in range(60)]
ADVICE = "Call an ambulance at once if the pain spreads to your arm."
ASKS = Criterion("Advises to call an ambulance if the pain spreads to the arm", 5)


@pytest.fixture(scope="module")
def tokenizer():
    found = Tokenizer.from_file(str(default_model_folder() / "tokenizer.json"))
    found.no_truncation()
    found.no_padding()
    return found


@pytest.fixture(scope="module")
def reader(tokenizer, embedder):
    return PairReader(tokenizer, embedder, Layout())


def read(reader, answer, *, criterion=ASKS, question="My chest hurts."):
    ((pair,),) = reader.read([{"role": "user", "content": question}], [answer], [criterion])
    return pair


def shown(tokenizer, pair):
    return tokenizer.decode(list(pair.ids), skip_special_tokens=False)


def test_a_short_answer_is_shown_whole_after_criterion_and_conversation(reader, tokenizer):
    pair = read(reader, "Rest. **Drink** water.")
    text = "[CLS] good : advises to call an ambulance if the pain spreads to the arm [SEP] user : my chest hurts. [SEP]"
    assert shown(tokenizer, pair) == f"{text} 3 words : rest. drink water. [SEP]"
    assert pair.ids[pair.second - 1] == tokenizer.token_to_id("[SEP]")
    assert pair.types == [0] * pair.second + [1] * (len(pair.ids) - pair.second)


@pytest.mark.parametrize("place", [0, 30, 60])
def test_of_a_long_answer_the_passage_that_matters_is_shown_wherever_it_stands(reader, tokenizer, place):
    answer = " ".join([*FILLER[:place], ADVICE, *FILLER[place:]])
    pair = read(reader, answer)
    assert ADVICE.lower() in shown(tokenizer, pair)
    assert pair.nearest == ADVICE
    assert len(pair.ids) <= Layout().window


def test_passages_stay_in_the_answers_order_with_a_mark_where_some_are_left_out(reader, tokenizer):
    text = shown(tokenizer, read(reader, " ".join([*FILLER[:30], ADVICE, *FILLER[30:]])))
    numbers = [int(word) for word in text.split("words : ")[1].split() if word.isdigit()]
    assert numbers == sorted(numbers)
    assert "…" in text


def test_room_that_a_short_answer_leaves_goes_to_the_end_of_the_conversation(reader, tokenizer):
    question = f"First. {' '.join(FILLER)} Last."
    few, many = (shown(tokenizer, read(reader, answer, question=question)) for answer in ("Rest.", " ".join(FILLER)))
    assert "last. [SEP]" in few and "last. [SEP]" in many and "first." not in few
    assert len(few.split("[SEP]")[1]) > 2 * len(many.split("[SEP]")[1])


def test_a_penalty_reads_as_one(reader, tokenizer):
    assert shown(tokenizer, read(reader, "Rest.", criterion=Criterion("Is rude", -3))).startswith(
        "[CLS] bad : is rude [SEP]"
    )


def test_several_answers_read_as_each_alone(reader):
    answers = ["Rest.", " ".join(FILLER), ""]
    together = reader.read([{"role": "user", "content": "Why?"}], answers, [ASKS, Criterion("Is rude", -3)])
    for answer, pairs in zip(answers, together, strict=True):
        assert pairs[0] == read(reader, answer, question="Why?")


_WORDS = st.lists(st.sampled_from(["pain", "¿qué?", "五", "**b**", "\n\n", "- a", "…", "x" * 300, "."]), max_size=120)


@settings(max_examples=25)
@given(answer=_WORDS, criterion=_WORDS, question=_WORDS)
def test_no_text_overflows_the_window(reader, answer, criterion, question):
    pair = read(
        reader, " ".join(answer), criterion=Criterion(" ".join(["is", *criterion]), -2), question=" ".join(question)
    )
    assert len(pair.ids) <= Layout().window
    assert pair.ids.count(reader.read([], [""], [ASKS])[0][0].ids[-1]) == 3


@pytest.mark.parametrize(("window", "passage"), [(64, 10), (256, 0), (256, 120)])
def test_a_layout_without_room_for_a_passage_is_refused(window, passage):
    with pytest.raises(ValueError, match="no room for a passage"):
        Layout(window=window, passage=passage)
