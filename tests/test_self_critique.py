"""The arm to beat: three calls at most, the same length budget, and a blind choice that may refuse the rewriting."""

import json

import pytest
from scripted_model import client_of

from agent.ledger import Limits
from agent.testing import FakeServer
from evals.self_critique import self_critique

CONVERSATION = [{"role": "user", "content": "Is a pulse of 58 normal?"}]
DRAFT = "Yes."
BETTER = "Yes, for a fit adult at rest."


class Model:
    def __init__(self, *, problems=("too short",), answer=BETTER, prefers=BETTER):
        self.problems, self.answer, self.prefers, self.asked = problems, answer, prefers, []

    def __call__(self, body):
        text = body["messages"][-1]["content"]
        self.asked.append(text)
        if "Criticise the draft" in text:
            return json.dumps({"problems": list(self.problems)})
        if "Rewrite the draft" in text:
            return json.dumps({"answer": self.answer})
        first = text.split('<answer name="A">')[1].split("</answer>")[0].strip()
        return json.dumps({"reason": "so", "better": "A" if first == self.prefers else "B"})


def run(model, **limits):
    with FakeServer(model) as server:
        client = client_of(server)
        return self_critique(client, client, CONVERSATION, DRAFT, limits=Limits(**limits))


def test_a_rewriting_that_the_judge_prefers_is_taken():
    found = run(Model())
    assert (found.answer, found.accepted, found.calls) == (BETTER, True, 3)


@pytest.mark.parametrize(
    ("model", "calls"),
    [(Model(problems=()), 1), (Model(answer="word " * 99), 2), (Model(prefers=DRAFT), 3)],
    ids=["nothing to criticise", "too long", "the draft is better"],
)
def test_else_the_draft_stays(model, calls):
    found = run(model)
    assert (found.answer, found.accepted, found.calls) == (DRAFT, False, calls)


def test_it_is_shown_no_principles():
    model = Model()
    run(model)
    assert not any("principle" in text or "rubric" in text for text in model.asked)
