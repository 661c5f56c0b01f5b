"""The commands of the review, as somebody at a terminal meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from review_records import record
from typer.testing import CliRunner, Result

from training.preference_files import write_records
from training.review.cli import app
from training.review.store import ReviewStore


class Desk:
    """A store with one record, and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = ["--store", str(folder / "reviews.sqlite")]
        write_records([record()], folder / "in.jsonl")
        self.run("add", str(folder / "in.jsonl"))

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, *self.store])

    def editor(self, monkeypatch: pytest.MonkeyPatch, *commands: str) -> None:
        script = " ".join(f"-e '{command}'" for command in commands)
        monkeypatch.setenv("VISUAL", f"sed -i {script}")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_adding_again_changes_nothing_and_says_so(desk: Desk) -> None:
    write_records([record(theme="other")], desk.folder / "in.jsonl")
    done = desk.run("add", str(desk.folder / "in.jsonl"))
    assert "0 added, 0 known" in done.output
    assert "cough is there with other content" in done.output


def test_an_edit_shows_both_scores_before_and_after(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.editor(monkeypatch, "s/points: 8/points: 10/")
    done = desk.run("edit", "cough", "--by", "ann")
    assert "before: score of response 1: 0.54" in done.output
    assert "after: score of response 1: 0.57" in done.output
    assert "saved as version 1" in done.output


def test_a_verdict_is_confirmed_by_ones_name_in_the_editor(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.editor(monkeypatch, "0,/- fake:judge/s//- ann/", "s/points: 8/points: 9/")
    desk.run("edit", "cough", "--by", "ann")
    shown = json.loads(desk.run("show", "cough", "--by", "ann", "--json").output)
    assert [item["judged_by"] for item in shown["criteria"][:2]] == [["ann", "fake:judge"], ["fake:judge"] * 2]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("s/points: 8/points: [8/", "malformed YAML at line"),
        ("s/points: 8/points: 0/", "criterion 1: points: points must not be 0"),
        ("s/points: 8/points: many/", "criterion 1: points must be a whole number"),
        ("s/^criteria:/criterions:/", "expected record, version, comment and criteria"),
        ("s/axis: accuracy/aixs: accuracy/", "criterion 1: unknown field 'aixs'"),
    ],
)
def test_an_edit_that_can_t_be_read_is_kept_and_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, command: str, says: str
) -> None:
    desk.editor(monkeypatch, command)
    told = str(desk.run("edit", "cough", "--by", "ann").exception)
    kept = Path(told.rpartition("--from ")[2])
    assert says in told
    kept.write_text(kept.read_text().replace("comment: ''", "comment: mended"))
    kept.unlink()


def test_a_kept_file_can_be_handed_in_and_is_merged(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    file = desk.folder / "edit.yaml"
    monkeypatch.setenv("VISUAL", f"cp -t {desk.folder}")
    desk.run("edit", "cough", "--by", "ann")
    (copied,) = desk.folder.glob("clinalign-cough-*.yaml")
    file.write_text(copied.read_text().replace("points: 5", "points: 6"))
    desk.editor(monkeypatch, "s/points: 8/points: 10/")
    desk.run("edit", "cough", "--by", "ann")
    done = desk.run("edit", "cough", "--by", "ann", "--from", str(file))
    assert "merged in" in done.output
    shown = json.loads(desk.run("show", "cough", "--by", "ann", "--json").output)
    assert [item["points"] for item in shown["criteria"][:2]] == [10, 6]


def test_two_reviewers_and_an_adjudicator_bring_a_record_to_its_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "1 of 2 have decided" in desk.run("decide", "cough", "accept", "--by", "ann").output
    assert "in dispute" in desk.run("decide", "cough", "reject", "--by", "bob", "--comment", "too long").output
    assert "bob says: too long" in desk.run("disputes").output
    desk.editor(monkeypatch, "s/points: 8/points: 9/")
    assert "final: accepted" in desk.run("adjudicate", "cough", "--by", "cy", "--decision", "accept").output
    assert ReviewStore(desk.store[1]).final("cough").refined[0].points == 9
    assert "points: 8 to 9" in desk.run("history", "cough").output


def test_lists_and_status_are_told_in_words_and_as_json(desk: Desk) -> None:
    desk.run("decide", "cough", "reject", "--by", "ann")
    assert "cough  rejected  1/2" in desk.run("list", "--by", "ann").output
    assert json.loads(desk.run("list", "--by", "ann", "--json").output)["total"] == 1
    assert "ann: accepted 0, rejected 1" in desk.run("status").output
    assert json.loads(desk.run("status", "--json").output)["progress"]["decisions"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("decide", "cough", "maybe", "--by", "ann"), "decision 'maybe' is not one of"),
        (("show", "cuogh", "--by", "ann"), "did you mean 'cough'"),
        (("list", "--by", "ann", "--state", "done"), "state 'done' is not one of"),
        (("adjudicate", "cough", "--by", "cy"), "not enough reviewers have decided"),
    ],
)
def test_what_can_t_be_done_is_told(desk: Desk, arguments: tuple[str, ...], says: str) -> None:
    assert says in str(desk.run(*arguments).exception)
