"""What a small judge costs, and the command that tells it."""

import json

import pytest
from tiny_judge import make_tiny_judge
from typer.testing import CliRunner

from agent.errors import InputError
from agent.small_judge.folder import read_judge_folder
from evals.cli import app
from evals.grading.small_bench import CRITERIA, Memory, graded_cases, made_up_cases, measure_costs

pytestmark = pytest.mark.slow  # each measurement opens processes of its own

GRADED = {
    "prompt_id": "1",
    "prompt": [{"role": "user", "content": "I have a cough."}],
    "response": "Rest and drink.",
    "rubrics": [{"criterion": "Says to rest", "points": 5}],
    "verdicts": [{"criteria_met": True}],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tiny_judge(tmp_path_factory.mktemp("judge"))


@pytest.fixture(scope="module")
def costs(folder):
    return measure_costs(folder, made_up_cases(2), pairs=3, rounds=2, threads=(1, 2))


def test_both_models_and_the_encoder_are_timed_with_each_number_of_threads(costs, folder):
    assert [(cost.what, cost.threads) for cost in costs.costs] == [
        (what, threads) for threads in (1, 2) for what in ("fp32", "int8", "encoder")
    ]
    assert (costs.judge, costs.serves) == (read_judge_folder(folder).name, "fp32")
    assert all(0 < cost.per_second.least <= cost.per_second.median <= cost.per_second.most for cost in costs.costs)


def test_only_a_judge_keeps_one_waiting_for_an_answer(costs):
    waits = {cost.what: cost.answer_seconds for cost in costs.costs}

    assert waits["encoder"] is None
    assert 0 < waits["fp32"].least <= waits["fp32"].most


def test_each_is_weighed_in_a_process_of_its_own(costs):
    encoder, *judges = costs.memory

    assert isinstance(encoder, Memory)
    assert [one.what for one in costs.memory] == ["encoder", "fp32", "int8"]
    assert all(1 << 26 < one.peak < 1 << 31 for one in costs.memory)
    assert all(judge.peak > 0.9 * encoder.peak for judge in judges)  # a judge has the encoder beside it


def test_made_up_cases_are_alike_in_size_and_share_no_sentence():
    first, second = made_up_cases(2)

    assert len(first.rubric) == len(second.rubric) == CRITERIA
    assert 1000 < len(first.response) < 4000
    assert first.response != second.response
    assert first.conversation != second.conversation


def test_graded_rows_are_timed_instead_if_they_are_given(tmp_path):
    (tmp_path / "graded.jsonl").write_text(json.dumps(GRADED))
    (case,) = graded_cases(tmp_path / "graded.jsonl", 3)

    assert (case.response, len(case.rubric)) == ("Rest and drink.", 1)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_command_tells_machine_and_costs(folder, options):
    found = CliRunner().invoke(app, ["small-judge", str(folder), "--threads=1", "--pairs=2", "--rounds=1", *options])

    assert found.exit_code == 0
    if options:
        assert {"machine", "cores", "costs", "memory"} <= json.loads(found.stdout).keys()
    else:
        assert "cores, Python" in found.stdout
        assert "int8, 1 thread: " in found.stdout


def test_a_folder_that_is_no_judge_is_refused(tmp_path):
    found = CliRunner().invoke(app, ["small-judge", str(tmp_path)])

    assert found.exit_code != 0
    assert "no small judge" in str(found.exception)


def test_graded_rows_without_an_answer_are_refused(tmp_path):
    row = GRADED | {"response": "", "error": {"type": "ModelError", "message": "gone"}}
    (tmp_path / "graded.jsonl").write_text(json.dumps(row))
    with pytest.raises(InputError, match="no answer in it"):
        graded_cases(tmp_path / "graded.jsonl", 3)
