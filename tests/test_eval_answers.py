"""`eval run`: answers by a model alone or by the agent around it, with all that their grading needs, and nothing paid twice."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from eval_work import DRAFT, RUBRIC, SETTINGS, PartModel, agent_on, data_file, data_rows, rows_in
from in_process import address, clinalign_here

from agent.batch.run import BatchRun
from agent.batch.runners import ThreadRunner
from agent.config import Settings
from agent.errors import ConfigError, InputError
from agent.testing import FakeServer, Fault
from evals.answers.job import Answering, AnswerOpener
from evals.answers.question import read_questions
from evals.answers.ways import AgentAround, ModelAlone
from evals.dataset import DatasetError

Done = subprocess.CompletedProcess[str]


@pytest.fixture
def to_server(monkeypatch):
    """Point the real OpenAI client at a server."""

    def point(server):
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")

    return point


def answered(data, output, *, way, context=None, settings=SETTINGS, repeats=1, **options):
    questions = read_questions(data, repeats=repeats)
    run = BatchRun(
        Answering(data, questions, settings, way),
        ThreadRunner(AnswerOpener(settings, way, context), 4),
        output=output,
        limit=len(questions),
        **options,
    )
    list(run)
    return run


def test_a_model_alone_is_sent_the_conversation_and_nothing_of_ours(tmp_path, to_server):
    rows = data_rows(2)
    rows[0]["prompt"] = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes?"},
        *rows[0]["prompt"],
    ]
    with FakeServer(model := PartModel()) as server:
        to_server(server)
        answered(data_file(tmp_path, rows), tmp_path / "out.jsonl", way=ModelAlone())
    sent = sorted((body["messages"] for body in model.bodies), key=len, reverse=True)
    assert sent == [rows[0]["prompt"], rows[1]["prompt"]]


def test_a_row_carries_all_that_its_grading_needs(tmp_path, to_server):
    with FakeServer(PartModel()) as server:
        to_server(server)
        answered(data_file(tmp_path, data_rows(1)), tmp_path / "out.jsonl", way=ModelAlone())
    (row,) = rows_in(tmp_path / "out.jsonl")
    usage = row.pop("usage")
    assert row == {
        "id": "p0",
        "prompt_id": "p0",
        "prompt": data_rows(1)[0]["prompt"],
        "response": DRAFT,
        "rubrics": RUBRIC,
        "example_tags": ["theme:hedging"],
        "model": "openai:fake",
        "answered_by": "model",
        "canary": "canary-1",
    }
    assert usage["calls"] == 1
    assert usage["seconds"] > 0


def test_a_model_alone_ignores_a_draft_that_a_row_brings(tmp_path, to_server):
    with FakeServer(model := PartModel()) as server:
        to_server(server)
        answered(data_file(tmp_path, data_rows(1, draft="Mine.")), tmp_path / "out.jsonl", way=ModelAlone())
    assert rows_in(tmp_path / "out.jsonl")[0]["response"] == DRAFT
    assert "Mine." not in str(model.bodies)


@pytest.mark.parametrize(("more", "draft", "calls"), [({}, DRAFT, 4), ({"draft": "Mine."}, "Mine.", 3)])
def test_the_agent_revises_what_the_row_brings_or_the_model_writes(tmp_path, context, more, draft, calls):
    with FakeServer(PartModel()) as server:
        run = answered(
            data_file(tmp_path, data_rows(1, **more)),
            tmp_path / "out.jsonl",
            way=AgentAround(),
            context=agent_on(context, server),
        )
    (row,) = rows_in(tmp_path / "out.jsonl")
    assert (row["draft"], row["response"], row["accepted"]) == (draft, f"{draft} It is alpha.", True)
    assert (row["answered_by"], row["usage"]["calls"], row["edits"][0]["op"]) == ("agent", calls, "ADD")
    assert run.tally.outcomes == {"revised": 1}


def test_the_agent_without_a_model_says_so_and_revises_what_the_row_brings(tmp_path, context):
    settings = SETTINGS.model_copy(update={"model": None})
    data = data_file(tmp_path, data_rows(1, draft="You definitely have migraine."))
    answered(data, tmp_path / "out.jsonl", way=AgentAround(), context=context, settings=settings)
    (row,) = rows_in(tmp_path / "out.jsonl")
    assert (row["model"], row["usage"]["calls"], row["draft"]) == ("embedded", 0, "You definitely have migraine.")


def test_samples_of_a_conversation_are_asked_for_by_the_same_request_and_told_apart_by_id(tmp_path, to_server):
    with FakeServer(model := PartModel()) as server:
        to_server(server)
        answered(data_file(tmp_path, data_rows(2)), tmp_path / "out.jsonl", way=ModelAlone(), repeats=3)
    rows = rows_in(tmp_path / "out.jsonl")
    assert [row["id"] for row in rows] == ["p0#1", "p0#2", "p0#3", "p1#1", "p1#2", "p1#3"]
    assert [row["prompt_id"] for row in rows] == ["p0"] * 3 + ["p1"] * 3
    assert len({json.dumps(body, sort_keys=True) for body in model.bodies}) == 2
    assert len(model.bodies) == 6


@pytest.mark.parametrize("way", [ModelAlone(), AgentAround()], ids=["model", "agent"])
def test_samples_differ_by_the_seed_alone_where_one_is_set(tmp_path, context, to_server, monkeypatch, data_dir, way):
    settings = Settings(model="openai:fake", seed=7, max_rounds=0)
    with FakeServer(model := PartModel()) as server:
        to_server(server)
        answered(data_file(tmp_path, data_rows(2)), tmp_path / "out.jsonl", way=way, settings=settings, repeats=3)
    drafts = [body for body in model.bodies if len(body["messages"]) == 1]
    assert sorted(body["seed"] for body in drafts) == [7, 7, 8, 8, 9, 9]
    assert len({json.dumps({**body, "seed": 0}, sort_keys=True) for body in drafts}) == 2


def test_more_samples_may_be_added_later_and_no_first_one_is_paid_twice(tmp_path, to_server):
    data, output = data_file(tmp_path, data_rows(2)), tmp_path / "out.jsonl"
    with FakeServer(model := PartModel()) as server:
        to_server(server)
        answered(data, output, way=ModelAlone(), repeats=2)
        run = answered(data, output, way=ModelAlone(), repeats=3)
        fewer = answered(data, output, way=ModelAlone(), repeats=2)
    assert len(model.bodies) == len(rows_in(output)) == 6
    assert (run.tally.earlier, fewer.tally.earlier, fewer.tally.left) == (4, 4, 0)


def test_an_answer_that_fails_is_an_error_and_is_done_again_when_asked(tmp_path, context):
    data, output = data_file(tmp_path, data_rows(3)), tmp_path / "out.jsonl"
    broken = PartModel(lambda case, job: Fault.http(400, "no") if case == 1 else None)
    for model, retries, errors in ((broken, False, 1), (PartModel(), False, 1), (PartModel(), True, 0)):
        with FakeServer(model) as server:
            agent = agent_on(context, server)
            answered(data, output, way=AgentAround(), context=agent, retry_errors=retries)
        assert [("error" in row, row["id"]) for row in rows_in(output)].count((True, "p1")) == errors
    assert model.jobs == {"draft": 1, "CRITIQUE": 1, "REVISE": 1, "JUDGE": 1}


def test_an_output_is_continued_only_in_the_way_it_was_begun(tmp_path, context, to_server):
    data, output = data_file(tmp_path, data_rows(1)), tmp_path / "out.jsonl"
    with FakeServer(PartModel()) as server:
        to_server(server)
        answered(data, output, way=ModelAlone())
        with pytest.raises(ConfigError, match="answered by model, now agent"):
            answered(data, output, way=AgentAround(), context=agent_on(context, server))


def test_a_prompt_that_is_there_twice_is_refused_with_both_lines(tmp_path):
    data = data_file(tmp_path, [*data_rows(2), *data_rows(1)])
    with pytest.raises(DatasetError, match=r"line 3: 'p0' is the id of line 1"):
        read_questions(data)


def test_no_sample_at_all_is_refused(tmp_path):
    with pytest.raises(InputError, match="repeats"):
        read_questions(data_file(tmp_path, data_rows(1)), repeats=0)


def eval_run(data: Path, output: Path, *options: str, server: FakeServer | None = None, code: int = 0) -> Done:
    done = clinalign_here("eval", "run", str(data), "-o", str(output), *options, **address(server))
    assert done.returncode == code, done.stderr + done.stdout
    return done


@pytest.mark.usefixtures("data_dir")
@pytest.mark.parametrize("ways", [("agent", "model"), ("model", "agent")])
def test_a_run_that_is_continued_in_another_way_is_refused_by_that_alone(tmp_path, ways):
    data, output = data_file(tmp_path, data_rows(1)), tmp_path / "out.jsonl"
    options = {"agent": ("--model", "openai:fake"), "model": ("--model", "openai:fake", "--model-only")}
    begun, now = ways
    with FakeServer(model := PartModel()) as server:
        eval_run(data, output, *options[begun], server=server)
        asked = len(model.bodies)
        said = eval_run(data, output, *options[now], server=server, code=2).stderr
        assert len(model.bodies) == asked
        eval_run(data, output, *options[now], "--fresh", server=server)
    assert said.startswith(
        f"clinalign: {output} was begun in another way: answered by {begun}, now {now}. Run it as it was"
    )
    assert (said.count("now"), said.count("\n")) == (1, 1)
    assert rows_in(output)[0]["answered_by"] == now


@pytest.mark.usefixtures("data_dir")
def test_the_command_answers_the_chosen_rows(tmp_path):
    rows = data_rows(6)
    for row in rows[::2]:
        row["example_tags"] = ["theme:emergency_referrals"]
    data, output = data_file(tmp_path, rows), tmp_path / "out.jsonl"
    options = ("--model", "openai:fake", "--processes", "1", "--theme", "emergency_referrals", "--json")
    with FakeServer(PartModel()) as server:
        done = eval_run(data, output, *options, "--limit", "2", server=server)
        assert json.loads(done.stdout)["total"] == 2
        eval_run(data, output, *options, server=server)
        eval_run(data, output, *options, "--tag", "x", code=2)
    assert [row["id"] for row in rows_in(output)] == ["p0", "p2", "p4"]
    assert all(row["answered_by"] == "agent" for row in rows_in(output))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--model-only",), "no model is named"),
        (("--engine", "embedded", "--model-only", "--model", "openai:fake"), "no model is named"),
        (("--split", "nowhere"), "no part 'nowhere'"),
    ],
)
@pytest.mark.usefixtures("data_dir")
def test_what_can_not_be_run_is_refused_in_one_line(tmp_path, options, said):
    data = data_file(tmp_path, data_rows(1))
    done = eval_run(data, tmp_path / "out.jsonl", *options, code=2)
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.usefixtures("data_dir")
def test_composed_answers_are_announced(tmp_path):
    done = eval_run(data_file(tmp_path, data_rows(2)), tmp_path / "out.jsonl", "--processes", "1")
    assert "2 of 2 rows bring no draft and no model is named" in done.stderr
