"""A cascade: what the small judge is sure of costs nothing, the rest goes to the other, and no two texts meet two judges."""

from dataclasses import dataclass, field

import pytest
from tiny_judge import make_tiny_judge

from agent.cascade import CascadeJudge
from agent.errors import ConfigError, JudgeError
from agent.judge_spec import judge_name, with_folder
from agent.ledger import Ledger
from agent.rubric import Criterion, Verdict
from agent.small_judge.folder import read_judge_folder
from agent.small_judge.judge import load_small_judge

ASKED = [{"role": "user", "content": "my chest hurts"}]
SURE, OPEN, PENALTY = Criterion("call now", 5), Criterion("call zebra", 5), Criterion("purple penguin", -4)


@dataclass
class Rest:
    """Says the same about everything, and keeps what it was asked."""

    says: str = "met"
    name: str = "openai:fake"
    asked: list = field(default_factory=list)

    def judge(self, conversation, answers, rubric, *, ledger):
        self.asked.append((list(answers), [criterion.text for criterion in rubric]))
        return [[Verdict(self.says, reason=f"{answer}/{criterion.text}") for criterion in rubric] for answer in answers]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return load_small_judge(make_tiny_judge(tmp_path_factory.mktemp("judges") / "tiny"))


def judged(cascade, answers, *rubric):
    rows = cascade.judge(ASKED, answers, rubric, ledger=Ledger())
    return [[verdict.value for verdict in row] for row in rows]


def test_where_the_small_judge_is_sure_of_all_nobody_else_is_asked(small):
    rest = Rest()
    assert judged(CascadeJudge(small, rest), ["Call now."], SURE, PENALTY) == [["met", "unmet"]]
    assert rest.asked == []


def test_only_what_it_leaves_open_goes_to_the_other_in_one_call(small):
    rest = Rest("unmet")
    verdicts = judged(CascadeJudge(small, rest), ["Call now."], OPEN, SURE, OPEN, PENALTY)
    assert verdicts == [["unmet", "met", "unmet", "unmet"]]
    assert rest.asked == [(["Call now."], [OPEN.text, OPEN.text])]


def test_a_criterion_open_on_one_answer_goes_to_the_other_for_all(small):
    rest = Rest()
    answers = ["Call now.", "Call a zebra."]  # of the second, the small judge would be sure
    (first, second) = CascadeJudge(small, rest).judge(ASKED, answers, [SURE, OPEN], ledger=Ledger())
    assert rest.asked == [(answers, [SURE.text, OPEN.text])]
    assert [verdict.reason for verdict in (first[1], second[1])] == ["Call now./call zebra", "Call a zebra./call zebra"]


def test_what_the_other_does_not_know_either_stays_unknown(small):
    assert judged(CascadeJudge(small, Rest("unknown")), ["Call now."], SURE, OPEN) == [["met", "unknown"]]


def test_an_other_that_breaks_the_contract_is_an_error(small):
    class Short(Rest):
        def judge(self, conversation, answers, rubric, *, ledger):
            return [[] for _ in answers]

    with pytest.raises(JudgeError, match="openai:fake"):
        judged(CascadeJudge(small, Short()), ["Call now."], OPEN)


def test_a_cascade_is_named_by_both(small):
    assert CascadeJudge(small, Rest()).name == f"cascade({small.name}, openai:fake)"


def test_a_spec_is_named_as_its_judge_names_itself(tmp_path):
    folder = make_tiny_judge(tmp_path / "tiny")
    name = read_judge_folder(folder).name
    assert judge_name("openai:fake") == "openai:fake"
    assert judge_name(f"small:{folder}") == name
    assert judge_name(f"small:{folder},openai:fake") == f"cascade({name}, openai:fake)"
    with pytest.raises(ConfigError, match="no small judge"):
        judge_name(f"small:{tmp_path}")


@pytest.mark.parametrize(
    ("judge", "moved"),
    [
        ("small:a", "small:/b/a"),
        ("small:a,openai:fake", "small:/b/a,openai:fake"),
        ("openai:fake", "openai:fake"),
        ("recorded:a,b:c", "recorded:a,b:c"),
    ],
)
def test_only_a_small_judge_has_a_folder_to_be_put_otherwise(judge, moved):
    assert with_folder(judge, lambda path: "/b" / path) == moved
