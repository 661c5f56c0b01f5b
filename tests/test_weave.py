"""Draft and edits woven together: every edit can be taken back, the texts are what they must be, and nothing is left behind."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.edit import Patch, patched
from agent.segments import SegmentEdit, apply_edits, check_edits, edit_patches, segments
from agent.weave import Run, Weave

LIST = "Do this:\n\n1. Rest.\n2. Drink.\n3. Sleep.\n\nCall us."
FOUR = "One. Two. Three. Four."
TABLE = "| a | b |\n|---|---|\n| 1 | two |\n| 3 | four |\n\nEnd."


def change(op, first, text="", *, last=None, shape="sentence"):
    return SegmentEdit(op, first, first if last is None else last, text, shape)


def woven(draft, *edits):
    check_edits(draft, edits)
    return Weave.of(draft, edit_patches(draft, edits))


def shown(weave, rejected=()):
    """Return the runs as one text: [-removed-] and {+added+}, each with its edit."""
    marks = {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}
    return "".join(
        marks[run.kind].format(run.text) + ("" if run.edit is None else str(run.edit)) for run in weave.runs(rejected)
    )


def holds_together(weave, draft, rejected):
    runs, out = weave.runs(rejected), weave.left_out(rejected)
    assert "".join(run.text for run in runs if run.kind != "added") == draft
    assert "".join(run.text for run in runs if run.kind != "removed") == weave.text(rejected)
    assert not {run.edit for run in runs} & out
    assert all(run.text for run in runs)
    assert set(rejected) <= out == weave.left_out(out)
    assert weave.text(out) == weave.text(rejected)


@st.composite
def patched_texts(draw, count=6):
    """Draw a text and any patches of it, whoever they are by."""
    letters = st.text(alphabet="ab1. \n-é", max_size=8)
    draft = text = draw(st.text(alphabet="ab1. \n-é", max_size=40))
    patches = []
    for _ in range(draw(st.integers(0, count))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, len(text)))
        patches.append(Patch(start, end, draw(letters), draw(st.none() | st.integers(0, 3))))
        text = patches[-1].applied(text)
    return draft, patches


@given(patched_texts(), st.sets(st.integers(0, 4)))
def test_kept_and_rejected_make_up_the_two_texts_whatever_the_patches(given_texts, rejected):
    draft, patches = given_texts
    weave = Weave.of(draft, patches)
    edits = {patch.edit for patch in patches} - {None}
    assert weave.text() == patched(draft, patches)
    assert weave.text(edits) == (draft if edits else weave.text())
    holds_together(weave, draft, rejected)


BLOCKS = st.sampled_from(
    [
        "One day. Two nights.", "Is it three?", "**Four:** five and six. Seven.", "- Eight\n- Nine. Ten.\n- Eleven",
        "1. Twelve\n2. Thirteen\n3. Fourteen", "| a | b |\n|---|---|\n| x. Y | z |", "## 1. Head\n\nBody.", "---",
        "```\ncode here\n```",
    ]
)  # fmt: skip


@st.composite
def edited_drafts(draw):
    """Draw a draft as models write them and edits of it as a model proposes them."""
    draft = draw(st.sampled_from(["\n\n", "\n"])).join(draw(st.lists(BLOCKS, min_size=1, max_size=5)))
    count = len(segments(draft))
    edits = []
    for n in range(draw(st.integers(1, 4))):
        op = draw(st.sampled_from(["ADD", "REMOVE", "MODIFY"]))
        first = draw(st.integers(0 if op == "ADD" else min(1, count), count))
        last = min(count, first + draw(st.integers(0, 1)))
        shape = draw(st.sampled_from(["sentence", "paragraph", "list item"]))
        edits.append(change(op, first, "" if op == "REMOVE" else f"New{n} comes here{n}.", last=last, shape=shape))
    try:
        check_edits(draft, edits)
    except ValueError:
        assume(False)
    return draft, edits


def words(text):
    """Return the words in any order, without the marks of lists and lines."""
    return sorted(re.findall(r"\w+", re.sub(r"(?m)^(?:## )?\d+\. ", "", text)))


@given(edited_drafts(), st.sets(st.integers(0, 3)))
def test_what_is_left_has_the_words_that_the_kept_edits_alone_would_have_given(drawn, rejected):
    draft, edits = drawn
    weave = woven(draft, *edits)
    kept = [edit for n, edit in enumerate(edits) if n not in weave.left_out(rejected)]
    assert weave.text() == apply_edits(draft, edits)
    assert words(weave.text(rejected)) == words(apply_edits(draft, kept))
    assert weave.text(range(len(edits))) == draft
    holds_together(weave, draft, rejected)


@given(edited_drafts(), st.sets(st.integers(0, 3)))
def test_what_is_left_has_no_stray_gaps(drawn, rejected):
    draft, edits = drawn
    text = woven(draft, *edits).text(rejected)
    assert not re.search(r"\n{3}|\S  +\S|[^ ] \n|^\s|\s$", text) or text == draft
    assert not re.search(r"here\d\.\w", text), "two sentences without a gap"


THREE_ROUNDS = [
    Patch(len("Rest."), len("Rest."), " Drink well.", 0),
    Patch(len("Rest. Drink "), len("Rest. Drink well"), "water", 1),
    Patch(len("Rest. Drink water."), len("Rest. Drink water."), " Sleep.", 2),
]


def test_an_edit_of_what_another_put_in_goes_with_it_and_its_neighbour_stays():
    weave = Weave.of("Rest.", THREE_ROUNDS)
    assert weave.left_out([0]) == {0, 1}
    assert weave.text([0]) == "Rest. Sleep."
    assert weave.text([1]) == "Rest. Drink well. Sleep."
    assert weave.left_out([1]) == {1}


def test_what_rests_on_an_edit_by_way_of_another_goes_too():
    weave = Weave.of("A.", [Patch(2, 2, " B c.", 0), Patch(5, 6, "d e", 1), Patch(7, 8, "f", 2)])
    assert weave.text() == "A. B d f."
    assert weave.left_out([0]) == {0, 1, 2}


def test_a_sentence_put_in_the_middle_of_anothers_words_rests_on_them():
    weave = Weave.of("A.", [Patch(2, 2, " B. C.", 0), Patch(5, 5, " D.", 1)])
    assert weave.left_out([0]) == {0, 1}


def test_a_gap_that_two_edits_share_makes_neither_rest_on_the_other():
    weave = Weave.of("Rest.\n\nSleep.", [Patch(0, 0, "Now!\n\n", 0), Patch(4, 11, "", 1)])
    assert weave.text() == "Now!\n\nSleep."
    assert (weave.left_out([0]), weave.text([0])) == ({0}, "Sleep.")


@pytest.mark.parametrize(
    ("draft", "edits", "rejected", "expected"),
    [
        (LIST, [change("REMOVE", 3)], [0], LIST),
        (LIST, [change("REMOVE", 3), change("MODIFY", 5, "Ring us.")], [0], LIST.replace("Call", "Ring")),
        (
            LIST,
            [change("REMOVE", 2), change("REMOVE", 3)],
            [0],
            LIST.replace("2. Drink.\n3. Sleep", "2. Sleep"),
        ),
        (
            LIST,
            [change("ADD", 2, "Eat.", shape="list item"), change("ADD", 2, "Wash.", shape="list item")],
            [0],
            LIST.replace("2. Drink.\n3. Sleep", "2. Wash.\n3. Drink.\n4. Sleep"),
        ),
        (
            LIST,
            [change("REMOVE", 3), change("ADD", 2, "Eat.", shape="list item")],
            [1],
            LIST.replace("2. Drink.\n3. Sleep", "2. Sleep"),
        ),
        (LIST, [change("REMOVE", 2, last=4), change("ADD", 5, "Do.")], [0], LIST + " Do."),
        (FOUR, [change("ADD", 2, "New."), change("REMOVE", 2), change("MODIFY", 3, "Last.")], [0], "One. Last. Four."),
        (FOUR, [change("ADD", 2, "New."), change("REMOVE", 2), change("MODIFY", 3, "Last.")], [1],
         "One. Two. New. Last. Four."),
        (FOUR, [change("ADD", 1, "Xx."), change("ADD", 1, "Yy."), change("ADD", 1, "Zz.")], [1], "One. Xx. Zz. Two. Three. Four."),
        ("- A\n- B", [change("ADD", 1, "New."), change("REMOVE", 1)], [0], "- B"),
        ("Do:\n\n- A\n- B", [change("ADD", 2, "New."), change("REMOVE", 2)], [0], "Do:\n\n- B"),
        ("One.\n\nTwo. Three.", [change("REMOVE", 2), change("REMOVE", 3)], [1], "One.\n\nThree."),
        ("One. Two.\n\nThree.", [change("REMOVE", 2), change("ADD", 1, "New.", shape="paragraph")], [0],
         "One. Two.\n\nNew.\n\nThree."),
        ("1. One\n2. Two", [change("ADD", 0, "New."), change("ADD", 1, "More.", shape="paragraph"), change("REMOVE", 1)], [2],
         "New.\n\n1. One\n\nMore.\n\n2. Two"),
        ("One. Two.", [change("ADD", 0, "New."), change("REMOVE", 1, last=2)], [1], "New.\n\nOne. Two."),
        (TABLE, [change("REMOVE", 2), change("MODIFY", 3, "| 5 | six |")], [0], TABLE.replace("3 | four", "5 | six")),
        (TABLE, [change("REMOVE", 2), change("ADD", 3, "| 5 | six |")], [1], TABLE.replace("| 1 | two |\n", "")),
        (
            "A.\n\n---\n\nB.\n\n---\n\nC.\n\n---\n\nD.",
            [change("REMOVE", 2), change("REMOVE", 3)],
            [0],
            "A.\n\n---\n\nB.\n\n---\n\nD.",
        ),
        ("A.\n\nB.\n\nC.", [change("REMOVE", 2), change("ADD", 3, "D.", shape="paragraph")], [0], "A.\n\nB.\n\nC.\n\nD."),
        ("## 1. A\n\nx\n\n## 2. B\n\ny\n\n## 3. C", [change("REMOVE", 3, last=4), change("MODIFY", 2, "z")], [0],
         "## 1. A\n\nz\n\n## 2. B\n\ny\n\n## 3. C"),
    ],
)  # fmt: skip
def test_what_is_left_reads_as_if_the_edit_had_never_been(draft, edits, rejected, expected):
    weave = woven(draft, *edits)
    assert weave.text(rejected) == expected
    assert weave.left_out(rejected) == set(rejected)
    holds_together(weave, draft, rejected)


@pytest.mark.parametrize(
    ("draft", "patches", "rejected", "expected"),
    [
        ("One. Two. Three.", [Patch(4, 9, "", 0), Patch(4, 4, "\n\nNew.", 1)], 1, "One. Three."),
        ("One. Two. Three.", [Patch(5, 10, "", 0), Patch(5, 5, "\n\nNew. ", 1)], 0, "One. Two.\n\nNew. Three."),
        ("One.\n\nTwo.", [Patch(4, 10, "", 0), Patch(4, 4, "\n\nNew.", 1)], 0, "One.\n\nTwo.\n\nNew."),
        ("Body.", [Patch(0, 0, "New.\n\n", 0), Patch(4, 4, " More.", 1)], 0, "More.\n\nBody."),
        ("13. A", [Patch(0, 2, "12"), Patch(1, 2, "1", 0), Patch(4, 5, "B", 1)], 1, "11. A"),
    ],
    ids=["gap of the rejected", "gap of the restored", "end", "before its gap", "half a number"],
)
def test_patches_of_any_reviser_can_be_taken_back(draft, patches, rejected, expected):
    weave = Weave.of(draft, patches)
    assert (weave.left_out([rejected]), weave.text([rejected])) == ({rejected}, expected)


@pytest.mark.parametrize(
    ("draft", "was"),
    [
        ("1. A\n3. B\n\nText.", "A"),
        ("1. A\n3. B\n\n1. C\n2. D\n\nText.", "\n2. D"),
        ("A.\n\n---\n\n---\n\nB.\n\nText.", "A."),
        ("- A\n-\n- B\n\nText.", "A"),
    ],
    ids=["numbers beside", "numbers of another list", "doubled lines", "empty item"],
)
def test_what_the_draft_itself_has_out_of_order_stays_where_no_rejected_edit_did_it(draft, was):
    kept = Patch(len(draft) - 5, len(draft), "Word.", 0)
    rejected = Patch(draft.index(was), draft.index(was) + len(was), "", 1)
    assert Weave.of(draft, [kept, rejected]).text([1]) == draft.replace("Text", "Word")


def test_a_number_counted_anew_belongs_to_no_edit_and_is_the_drafts_again_where_it_can_be():
    weave = woven(LIST, change("REMOVE", 3), change("MODIFY", 5, "Ring us."))
    changed = "\n\n[-Call-]1{+Ring+}1 us."
    assert shown(weave) == f"Do this:\n\n1. Rest.[-\n2. Drink.-]0\n[-3-]{{+2+}}. Sleep.{changed}"
    assert shown(weave, [0]) == LIST.replace("\n\nCall us.", changed)


def test_a_later_edit_may_take_out_a_line_whose_number_was_counted_anew():
    draft = "1. A\n2. B\n3. C\n4. D"
    first = edit_patches(draft, [change("REMOVE", 2)])
    text = patched(draft, first)
    second = [patch.after_edits(1) for patch in edit_patches(text, [change("REMOVE", 2)])]
    weave = Weave.of(draft, [*first, *second])
    assert weave.text() == "1. A\n2. D"
    assert (weave.text([0]), weave.text([1])) == ("1. A\n2. B\n3. D", "1. A\n2. C\n3. D")
    assert weave.text([0, 1]) == draft


def test_inside_an_edit_only_the_words_that_differ_are_marked():
    weave = woven(
        "Take 500 mg of it every day with some food.", change("MODIFY", 1, "Take 250 mg of it every day with water.")
    )
    assert shown(weave) == "Take [-500-]0{+250+}0 mg of it every day with [-some food.-]0{+water.+}0"


def test_patches_may_come_as_the_answer_has_them():
    patch = Patch(0, 1, "B", 0)
    assert Weave.of("A.", [patch.as_dict()]) == Weave.of("A.", [patch])
    assert Weave.of("A.", []).runs() == [Run("same", "A.")]
    assert Weave.of("", []).runs() == []


@pytest.mark.parametrize(
    "patch",
    [Patch(0, 3, "x", 0), Patch(-1, 1, "x", 0), Patch(2, 1, "x", 0), {"start": 0, "end": 1, "text": "x"}],
)
def test_a_patch_that_does_not_fit_is_refused(patch):
    with pytest.raises(ValueError, match="patch"):
        Weave.of("A.", [patch])
