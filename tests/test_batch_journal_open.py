"""An output is only ever continued as what it was begun as, by one process, and nothing of anybody's is overwritten."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import killing
import pytest
from journal_rows import OTHER_PLAN, PLAN, failed_row, ids_in, names, row, written

from agent.batch.calls import KeptCall
from agent.batch.disk import JournalError
from agent.batch.journal import Journal
from agent.batch.plan import load_plan, plan_file, state_folder
from agent.errors import ConfigError, InputError


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def test_another_plan_is_refused_and_told(output: Path) -> None:
    before = written(output, row("a")).read_bytes()
    with pytest.raises(ConfigError) as refused:
        Journal.open(output, OTHER_PLAN)
    assert str(refused.value) == (
        f"{output} was begun in another way: the input has changed since (sha256 000000000000…, now 222222222222…); "
        "model openai:a, now openai:b; k 10, now 9; and 2 more. Run it as it was begun to continue, "
        "or begin anew with --fresh, which keeps the old output"
    )
    assert output.read_bytes() == before
    assert load_plan(output) == PLAN


def test_a_run_that_has_done_nothing_may_be_begun_in_another_way(output: Path) -> None:
    Journal.open(output, PLAN).close()
    Journal.open(output, OTHER_PLAN).close()
    assert load_plan(output) == OTHER_PLAN


def test_calls_that_are_paid_for_hold_a_run_to_its_plan(output: Path) -> None:
    with Journal.open(output, PLAN) as journal:
        journal.calls.append(KeptCall("a", "r", "Yes.", [], 0.0))
    with pytest.raises(ConfigError, match="model openai:a, now openai:b"):
        Journal.open(output, OTHER_PLAN)


def test_an_input_that_was_moved_is_found_where_it_is_now(output: Path) -> None:
    written(output, row("a"), plan=PLAN.moved_to("/old/rows.jsonl"))
    Journal.open(output, PLAN.moved_to("/new/rows.jsonl")).close()
    assert load_plan(output) == PLAN.moved_to("/new/rows.jsonl")


def test_an_output_that_no_run_wrote_is_refused_and_left_alone(output: Path) -> None:
    output.write_text("my notes\n")
    with pytest.raises(InputError, match=r"exists, and no run is known that has written it .*--fresh"):
        Journal.open(output, PLAN)
    assert names(output.parent) == ["out.jsonl"]


def test_an_empty_file_may_become_the_output(output: Path) -> None:
    output.touch()
    assert ids_in(written(output, row("a"))) == ["a"]


def test_an_output_that_was_taken_away_is_asked_for(output: Path) -> None:
    written(output, row("a")).rename(output.with_name("elsewhere.jsonl"))
    with pytest.raises(InputError, match=r"is gone, but .*run\.json says .*put the output back .*--fresh"):
        Journal.open(output, PLAN)
    output.with_name("elsewhere.jsonl").rename(output)
    with Journal.open(output, PLAN) as journal:
        assert journal.is_done("a")


def make_folder(output: Path) -> None:
    output.mkdir()


def make_pipe(output: Path) -> None:
    os.mkfifo(output)


def block_state(output: Path) -> None:
    state_folder(output).write_text("notes")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_folder, r"is a folder; name a file in it"),
        (make_pipe, r"is no ordinary file"),
        (block_state, r"out\.jsonl\.run is in the way"),
    ],
)
@pytest.mark.parametrize("fresh", [False, True])
def test_an_output_that_can_not_be_one_is_refused(output: Path, make: Any, message: str, fresh: bool) -> None:
    make(output)
    with pytest.raises(InputError, match=message):
        Journal.open(output, PLAN, fresh=fresh)
    assert len(names(output.parent)) == 1


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("link_to", [Path.symlink_to, Path.hardlink_to])
def test_the_input_is_not_the_output_by_whatever_name(tmp_path: Path, fresh: bool, link_to: Any) -> None:
    source, link = tmp_path / "rows.jsonl", tmp_path / "link.jsonl"
    source.write_text('{"question": "Why?"}\n')
    link_to(link, source)
    with pytest.raises(InputError, match="is the input; name another output"):
        Journal.open(link, PLAN.moved_to(str(source)), fresh=fresh)
    assert source.exists()


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"folder of the output .*/no/out\.jsonl does not exist; create it"):
        Journal.open(tmp_path / "no" / "out.jsonl", PLAN)


def test_a_link_to_an_output_is_that_output(output: Path) -> None:
    link = output.with_name("link.jsonl")
    link.symlink_to(written(output, row("a"), failed_row("b")))
    with Journal.open(link, PLAN, retry_errors=True) as journal:
        assert journal.is_done("a")
        with pytest.raises(InputError, match="another run"):
            Journal.open(output, PLAN)
    assert link.is_symlink()
    assert ids_in(output) == ["a"]


def open_as_nobody(output: Path) -> str:
    if os.getuid() == 0:
        os.setuid(65534)
    try:
        Journal.open(output, PLAN)
    except JournalError as error:
        return str(error)
    raise AssertionError("the folder could be written to")


@pytest.fixture
def read_only_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())  # pytest's own folders can be entered by nobody else
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_folder_that_can_not_be_written_to_is_named(read_only_folder: Path) -> None:
    read_only_folder.chmod(0o555)
    message = killing.answer_of(open_as_nobody, read_only_folder / "out.jsonl")
    assert message.startswith(f"can't keep the run in {read_only_folder}/out.jsonl and")
    assert message.endswith("(Permission denied); get the right to write there, or name an output in another folder")


def test_an_output_that_is_read_only_is_named(read_only_folder: Path) -> None:
    output = written(read_only_folder / "out.jsonl", row("a"))
    for path, mode in ((read_only_folder, 0o777), (state_folder(output), 0o777), (plan_file(output), 0o666)):
        path.chmod(mode)
    (state_folder(output) / "lock").chmod(0o666)
    output.chmod(0o444)
    assert "(Permission denied)" in killing.answer_of(open_as_nobody, output)
    assert ids_in(output) == ["a"]


def hold(output: Path) -> None:
    with Journal.open(output, PLAN):
        output.with_name("held").touch()
        time.sleep(60)


@pytest.mark.parametrize("fresh", [False, True])
def test_a_second_process_is_refused_until_the_first_is_dead(output: Path, fresh: bool) -> None:
    written(output, row("a"))
    holder = killing.start(hold, output)
    killing.wait_for_file(output.with_name("held"))
    with pytest.raises(InputError, match=r"another run is writing to .*out\.jsonl; wait for it"):
        Journal.open(output, PLAN, fresh=fresh)
    killing.kill(holder)
    with Journal.open(output, PLAN) as journal:
        assert journal.is_done("a")
    assert names(output.parent) == ["held", "out.jsonl", "out.jsonl.run"]


def test_a_refusal_leaves_no_lock_behind(output: Path) -> None:
    written(output, row("a"))
    with pytest.raises(ConfigError) as refused:  # kept, as a caller may keep it
        Journal.open(output, OTHER_PLAN)
    Journal.open(output, PLAN).close()
    assert refused.value


@pytest.mark.parametrize("change", ["delete", "replace", "append", "truncate"])
def test_an_output_that_is_changed_meanwhile_ends_the_run(output: Path, change: str) -> None:
    with Journal.open(output, PLAN) as journal:
        journal.write([row("a")])
        data = output.read_bytes()
        if change in {"delete", "replace"}:
            output.unlink()
        if change != "delete":
            output.write_bytes({"replace": data, "append": data + b"x\n", "truncate": b""}[change])
        with pytest.raises(JournalError, match=r"out\.jsonl .*while the run was writing to it"):
            journal.write([row("b")])
        assert not journal.is_done("b")


def test_fresh_moves_the_old_run_aside_whole(output: Path) -> None:
    written(output, row("a"))
    with Journal.open(output, PLAN) as journal:
        journal.calls.append(KeptCall("b", "r", "Yes.", [], 0.0))
    for number in (1, 2):
        with Journal.open(output, OTHER_PLAN, fresh=True) as journal:
            assert journal.done == 0
            assert journal.calls.load(lambda row: True) == {}
            journal.write([row(f"fresh-{number}")])
    first, second = output.with_name("out.jsonl.1"), output.with_name("out.jsonl.2")
    assert (ids_in(output), ids_in(first), ids_in(second)) == (["fresh-2"], ["a"], ["fresh-1"])
    with Journal.open(first, PLAN) as journal:  # what was moved aside can be continued
        assert journal.is_done("a")
        assert list(journal.calls.load(lambda row: True)) == ["b"]
    assert load_plan(second) == OTHER_PLAN


@pytest.mark.parametrize("taken", ["out.jsonl.1", "out.jsonl.1.run"])
def test_fresh_overwrites_nothing(output: Path, taken: str) -> None:
    output.with_name(taken).write_text("mine")
    written(output, row("a"))
    Journal.open(output, PLAN, fresh=True).close()
    assert output.with_name(taken).read_text() == "mine"
    assert ids_in(output.with_name("out.jsonl.2")) == ["a"]


def test_fresh_begins_where_nothing_was(output: Path) -> None:
    Journal.open(output, PLAN, fresh=True).close()
    assert names(output.parent) == ["out.jsonl", "out.jsonl.run"]


@pytest.mark.parametrize("wreck", ["foreign", "plan gone", "damaged plan", "output gone"])
def test_fresh_gets_out_of_every_trouble_and_loses_nothing(output: Path, wreck: str) -> None:
    written(output, row("a"))
    if wreck == "foreign":
        shutil.rmtree(state_folder(output))
    elif wreck == "plan gone":
        plan_file(output).unlink()
    elif wreck == "damaged plan":
        plan_file(output).write_text("{")
    else:
        output.rename(output.with_name("elsewhere"))
    with pytest.raises((InputError, JournalError), match="--fresh"):
        Journal.open(output, PLAN)
    Journal.open(output, PLAN, fresh=True).close()
    kept = output.with_name("elsewhere" if wreck == "output gone" else "out.jsonl.1")
    assert (ids_in(output), ids_in(kept)) == ([], ["a"])
