"""A small judge as a grader: its verdicts in rows, its folder in the plan, and what can't be opened is refused with the reason."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import typer
from cascades import MIXED, SURE, cascade_rows, small_grader
from grading_runs import done, grading
from grading_work import graded_by, mets, rows_in, written
from tiny_judge import CALIBRATION, NEVER_SURE, make_tiny_judge
from typer.testing import CliRunner, Result

from agent.config import Settings
from agent.errors import ConfigError
from agent.rubric import Criterion
from agent.small_judge.calibration import Calibration
from evals.graded import read_graded
from evals.grading.cli import _useful_processes, grade
from evals.grading.grader import check_specs, models_of, open_graders, parts_of, recordings_of, small_judges_of
from evals.grading.within import verdicts_name

app = typer.Typer()
app.command()(grade)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_judge(tmp_path_factory.mktemp("judges") / "tiny")


def run(*options: object) -> Result:
    result = CliRunner().invoke(app, [str(option) for option in options])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_what_it_is_not_sure_of_is_unknown_and_no_failure(folder: Path) -> None:
    grades, ledger = graded_by(open_graders([f"small:{folder}"], Settings()), rubric=MIXED)
    assert mets(grades) == [True, None, False, None]
    assert [type(grade).__name__ for grade in grades] == ["Grade"] * 4
    assert ledger.spent.calls == 0
    assert "1.00" in grades[0].explanation
    assert "rest" in grades[0].explanation.lower().rpartition("“")[2]


@pytest.mark.parametrize("broken", ["half a \ud83d character", ""])
def test_texts_that_no_encoder_takes_are_judged_all_the_same(broken: str, folder: Path) -> None:
    grades, _ = graded_by(small_grader(folder), answer=broken, rubric=(Criterion(f"Says {broken} so", 1),))
    assert len(grades) == 1


def test_rows_carry_the_judge_by_its_content_and_no_judges_apart(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "graded.jsonl"
    tally = done(grading(small_grader(folder), output, cascade_rows(3)))
    answer = next(read_graded(output))
    assert answer.judge is not None
    assert answer.judge.startswith("small:tiny@")
    assert (answer.judges, answer.error) == ({}, None)
    assert (tally.unknown, tally.spent.calls, tally.cascade) == (6, 0, None)


def test_sixteen_at_once_say_what_one_after_the_other_say(folder: Path) -> None:
    grader = small_grader(folder)
    answers = [f"Take rest number {number} . See a doctor ." for number in range(32)]
    alone = [graded_by(grader, answer=answer, rubric=MIXED)[0] for answer in answers]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda answer: graded_by(grader, answer=answer, rubric=MIXED)[0], answers))
    assert together == alone


def test_the_command_grades_and_continues_from_a_folder_that_was_moved(folder: Path, tmp_path: Path) -> None:
    answers, output = written(cascade_rows(4), tmp_path / "answers.jsonl"), tmp_path / "graded.jsonl"
    moved = Path(shutil.copytree(folder, tmp_path / "elsewhere" / "tiny"))
    assert run(answers, "-o", output, "--judge", f"small:{folder}", "--limit", 2).exit_code in (0, 3)
    assert run(answers, "-o", output, "--judge", f"small:{moved}").exit_code == 0
    assert len(rows_in(output)) == 4


def test_a_folder_with_another_content_is_another_judge(tmp_path: Path) -> None:
    answers, output = written(cascade_rows(4), tmp_path / "answers.jsonl"), tmp_path / "graded.jsonl"
    folder = make_tiny_judge(tmp_path / "tiny")
    run(answers, "-o", output, "--judge", f"small:{folder}", "--limit", 2)
    make_tiny_judge(folder, calibration=Calibration(NEVER_SURE, CALIBRATION.negative, 0.1))
    with pytest.raises(ConfigError, match=r"judges \['small:tiny@\w+'\], now \['small:tiny@\w+'\]"):
        run(answers, "-o", output, "--judge", f"small:{folder}")


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("small:", "names no folder"),
        ("small", "none of"),
        ("small:{missing}", r"there is no judge\.json"),
        ("small:{missing},openai:x", r"there is no judge\.json"),
        ("small:{folder},small:{folder}", "one small judge and one other"),
        ("small:{folder},openai:", "openai"),
        ("small:{folder},recorded:", "names no file"),
        ("small:{folder},nobody:x", "nobody"),
        ("openai:x,small:{folder}", "begins with the small judge"),
        ("embedded,openai:x", "begins with the small judge"),
    ],
)
def test_a_small_judge_that_can_not_be_is_refused(spec: str, reason: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=reason):
        check_specs([spec.format(folder=folder, missing=tmp_path / "missing")])


def test_a_file_that_was_changed_in_the_folder_is_refused(tmp_path: Path) -> None:
    folder = make_tiny_judge(tmp_path / "tiny")
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(ConfigError, match=r"model\.onnx has sha256"):
        check_specs([f"small:{folder}"])


def test_specs_are_taken_apart_into_the_judges_that_are_asked() -> None:
    specs = ["small:a,b/c,openai:x", "small:d", "small:e,recorded:f.jsonl", "recorded:g,h:i", "embedded", "openai:y"]
    assert parts_of(specs) == (
        *("small:a,b/c", "openai:x", "small:d", "small:e", "recorded:f.jsonl", "recorded:g,h:i"),
        *("embedded", "openai:y"),
    )
    assert models_of(specs) == ("openai:x", "openai:y")
    assert recordings_of(specs) == (Path("f.jsonl"), Path("g,h:i"))
    assert small_judges_of(specs) == (Path("a,b/c"), Path("d"), Path("e"))


@pytest.mark.parametrize(
    ("specs", "concurrency", "processes"),
    [
        (["small:a"], 500, 1),
        (["small:a,openai:x"], 500, 1),
        (["small:a,embedded"], 16, 1),
        (["openai:x"], 16, 1),
        (["openai:x"], 500, None),
        (["embedded"], 16, None),
        (["recorded:a"], 500, 1),
    ],
)
def test_a_small_judge_computes_in_one_process(specs: list[str], concurrency: int, processes: int | None) -> None:
    assert _useful_processes(specs, concurrency) == processes


@pytest.mark.parametrize(
    ("specs", "name"),
    [
        (["small:/some/where/tiny"], "rows.small-tiny.jsonl"),
        (["small:/some/where/tiny/,openai:x"], "rows.small-tiny-then-openai-x.jsonl"),
        (["small:tiny", "openai:x"], "rows.small-tiny-openai-x.jsonl"),
    ],
)
def test_a_file_of_verdicts_is_named_by_judges_and_not_by_their_place(specs: list[str], name: str) -> None:
    assert verdicts_name(Path("rows.jsonl.gz"), specs, ".jsonl", per_criterion=False) == name


def test_the_summary_of_a_judge_that_is_no_cascade_has_no_shares(folder: Path, tmp_path: Path) -> None:
    answers = written(cascade_rows(2, SURE), tmp_path / "answers.jsonl")
    told: dict[str, Any] = json.loads(
        run(answers, "-o", tmp_path / "out.jsonl", "--judge", f"small:{folder}", "--json").stdout
    )
    assert (told["unknown"], told["cascade"], told["calls_per_answer"]) == (0, None, None)


def test_one_folder_under_two_names_is_no_panel_of_two(tmp_path: Path) -> None:
    folder = make_tiny_judge(tmp_path / "tiny")
    (tmp_path / "link").mkdir()
    with pytest.raises(ConfigError, match="twice"):
        open_graders([f"small:{folder}", f"small:{tmp_path}/link/../tiny"], Settings())
