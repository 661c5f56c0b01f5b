"""The reviser without a model: what it adds, takes away and never touches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.detectors import AnswerView
from agent.embedded_reviser import _corrected, _placed, _Working, is_english
from agent.engine import Case
from agent.request import AskedForm
from agent.sentences import replace_span, split

QUESTION = "What should I do about my knee?"


@pytest.mark.parametrize(
    "text",
    [
        "The pain should settle if you rest it for a few days.",
        "Paracetamol 500 mg every 6 hours, max 4 g daily, take with food",
        "Rest.",
        "You may have Ménière's disease, which affects the inner ear.",
        "- Rest the knee\n- Ice it for 20 minutes\n- See a physiotherapist if it stays",
    ],
)
def test_english_is_recognised(text):
    assert is_english(text, QUESTION)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Nehmen Sie die Tablette mit Wasser ein, das ist in der Regel gut verträglich.", "Was tun?"),
        ("Neem de tablet in met water en bel de arts als het erger wordt of niet over is.", "Is dit erg?"),
        ("Prenez un comprimé avec de l'eau et appelez un médecin si ça dure.", "Que faire ?"),
        ("Tome la tableta con agua y llame al médico si no mejora en dos días.", "¿Qué hago?"),
        ("Tag en tablet med vand, og ring til lægen, hvis det ikke er bedre om to dage.", "Er det farligt?"),
        ("Minum satu tablet dengan air dan hubungi dokter jika tidak membaik.", "Apa yang harus saya lakukan?"),
        ("Ja, das ist normal.", "Ist ein Ruhepuls von 58 normal?"),
        ("Sí, puede tomar paracetamol.", "¿Puedo tomar paracetamol?"),
        ("对乙酰氨基酚每天最多四克，请咨询医生。", "我头痛怎么办？"),
        ("ควรพบแพทย์ทันที", "ปวดหัว"),
        ("Вам следует обратиться к врачу.", "Что делать?"),
        ("これは正常です。", "Is a resting pulse of 58 normal?"),
    ],
)
def test_other_languages_are_recognised_however_short(text, question):
    assert not is_english(text, question)


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("Rest.", "start", "NEW.\n\nRest."),
        ("Rest.\n", "end", "Rest.\n\nNEW."),
        ("Rest.\n\nHow old are you?", "end", "Rest.\n\nNEW.\n\nHow old are you?"),
        ("Rest.\n\nHow old are you?", "question", "Rest.\n\nHow old are you?\n\nNEW."),
        ("How old are you?", "end", "How old are you?\n\nNEW."),
        ("Rest.\n\n- Sleep?\n- Work?", "end", "Rest.\n\n- Sleep?\n- Work?\n\nNEW."),
    ],
)
def test_emergencies_come_first_and_the_question_back_stays_last(text, place, expected):
    assert _placed(_Working(text), "NEW.", place) == expected


@pytest.mark.parametrize(
    ("text", "number", "expected"),
    [
        ("One. Two. Three.", 1, "One. Three."),
        ("One. Two.", 0, "Two."),
        ("One. Two.", 1, "One."),
        ("One.\n\nTwo.\n\nThree.", 1, "One.\n\nThree."),
        ("- One\n- Two\n- Three", 2, "- One\n- Two"),
        ("- One\n- Two\n- Three", 1, "- One\n- Three"),
        ("Do:\n- One\n\nThree.", 1, "Do:\n\nThree."),
        ("1. One. Two.\n2. Three.", 1, "1. One.\n2. Three."),
        ("One.\n\nTwo.", 0, "Two."),
    ],
)
def test_a_sentence_that_goes_takes_its_gap_with_it(text, number, expected):
    assert replace_span(text, split(text)[number].span, "") == expected


@given(st.lists(st.sampled_from(["One day.", "**Two** days!", "Is it three?"]), min_size=1, max_size=6), st.data())
def test_exchanging_a_sentence_leaves_the_rest_byte_for_byte(sentences, data):
    text = data.draw(st.sampled_from([" ", "\n\n", "\n- ", "  "])).join(sentences)
    spans = split(text)
    chosen = data.draw(st.sampled_from(spans))
    assert replace_span(text, chosen.span, "NEW.") == text[: chosen.start] + "NEW." + text[chosen.end :]
    gone = replace_span(text, chosen.span, "")
    kept = [text[s.start : s.end] for s in spans if s is not chosen]
    assert [gone[s.start : s.end] for s in split(gone)] == kept


def test_every_rewrite_of_the_library_changes_only_what_it_finds(context, library):
    """Run over the library's own exemplars; a rewrite must end in a sentence and never in a template's leftovers."""
    scenario = context.classifier.classify([{"role": "user", "content": QUESTION}])
    case = Case([{"role": "user", "content": QUESTION}], scenario, AskedForm(None, ""))
    rewriting = [principle for principle in library if principle.guidance.rewrites]
    assert rewriting
    for principle in rewriting:
        for criterion in principle.criteria:
            for sentence in (*criterion.breaks, *criterion.meets):
                after = _corrected(sentence, case, principle)
                assert after
                assert "\\" not in after
                assert "  " not in after or "  " in sentence
                assert not any(f":{letter}" in after for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"), after


def test_a_view_of_nothing_has_no_vectors(embedder):
    assert AnswerView("…", embedder).vectors.shape[0] == 0
