"""A row that was written is there, whole and once, also after a full disk; what is torn is cut off and done again."""

from __future__ import annotations

import os
import resource
import stat
import threading
from pathlib import Path

import killing
import pytest
from journal_rows import PLAN, failed_row, ids_in, row, written

from agent.batch.calls import KeptCall
from agent.batch.disk import JournalError, leftover_of
from agent.batch.journal import Journal
from agent.batch.plan import load_plan, plan_file, state_folder
from agent.batch.run_folder import calls_file


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def test_rows_that_were_written_are_done_also_for_the_next_run(output: Path) -> None:
    with Journal.open(output, PLAN) as journal:
        journal.write([row("a"), failed_row("b")])
        journal.write([row("c")])
        assert (journal.done, journal.errors) == (3, 1)
    with Journal.open(output, PLAN) as journal:
        assert [journal.is_done(id) for id in "abcd"] == [True, True, True, False]
        assert (journal.done, journal.errors) == (3, 1)
    assert output.read_bytes() == row("a") + b"\n" + failed_row("b") + b"\n" + row("c") + b"\n"


def test_rows_are_on_disk_before_write_returns(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append((os.fstat(fd).st_ino, os.fstat(fd).st_size)))
    with Journal.open(output, PLAN) as journal:
        order = [inode for inode, _ in synced]
        made = [path.stat().st_ino for path in (output, output.parent, plan_file(output), state_folder(output))]
        assert order[-4:] == made  # a plan on disk means that its output is on disk
        journal.write([row("a"), row("b")])
        assert synced[-1] == (output.stat().st_ino, len(row("a") + row("b")) + 2)
        before = len(synced)
        journal.write([row("c"), row("d"), row("e")])
        assert len(synced) == before + 1


def test_nothing_to_write_costs_nothing(output: Path) -> None:
    with Journal.open(output, PLAN) as journal:
        journal.write([])
    assert output.read_bytes() == b""


@pytest.mark.parametrize(
    "line", [b"", b"{}", b'{"answer": "x"}', b'{"id": 7}', row("a") + b"\n", row("a")[:-1], b'{"id": "a", "x": "\n"}']
)
def test_what_is_no_row_is_not_written(output: Path, line: bytes) -> None:
    with Journal.open(output, PLAN) as journal, pytest.raises(ValueError, match="no row"):
        journal.write([row("good"), line])
    assert output.read_bytes() == b""


@pytest.mark.parametrize("lines", [[row("a")], [row("b"), row("b")], [row("b"), row("a")]])
def test_no_row_is_written_twice(output: Path, lines: list[bytes]) -> None:
    with Journal.open(output, PLAN) as journal:
        journal.write([row("a")])
        with pytest.raises(ValueError, match="done already"):
            journal.write(lines)
    assert ids_in(output) == ["a"]


def test_threads_may_write_at_once(output: Path) -> None:
    with Journal.open(output, PLAN) as journal:
        work = [
            threading.Thread(target=lambda n=n: [journal.write([row(f"{n}-{m}")]) for m in range(50)]) for n in range(4)
        ]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
    assert sorted(ids_in(output)) == sorted(f"{n}-{m}" for n in range(4) for m in range(50))


def test_nothing_is_written_after_closing(output: Path) -> None:
    journal = Journal.open(output, PLAN)
    journal.close()
    journal.close()
    with pytest.raises(ValueError, match="closed"):
        journal.write([row("a")])


def test_finishing_drops_the_calls_and_keeps_the_plan(output: Path) -> None:
    with Journal.open(output, PLAN) as journal:
        journal.calls.append(KeptCall("a", "r", "Yes.", [], 0.0))
        journal.write([row("a")])
        journal.finish()
    assert not calls_file(output).exists()
    assert load_plan(output) == PLAN


@pytest.mark.parametrize(
    "tail",
    [
        b"{",
        row("torn")[:-1],
        row("torn", 5_000_000)[:3_000_000],  # longer than the buffer
        row("torn")[:40] + b"\n",  # a whole line, but no JSON
        row("torn")[:-9] + b"}\n",  # that looks well from both ends
        row("torn")[:30] + b"\0" * 5000,
        b"\0" * 70_000,
        b"\n \n",
        row("torn")[:12] + "é".encode()[:1],
    ],
)
def test_a_torn_end_is_cut_off_and_its_row_done_again(output: Path, tail: bytes) -> None:
    whole = written(output, row("a"), row("b")).read_bytes()
    output.write_bytes(whole + tail)
    with Journal.open(output, PLAN) as journal:
        assert (journal.done, journal.is_done("torn")) == (2, False)
        assert output.read_bytes() == whole
        journal.write([row("torn")])
    assert ids_in(output) == ["a", "b", "torn"]


def test_a_last_row_that_only_lacks_its_newline_is_kept(output: Path) -> None:
    whole = written(output, row("a"), failed_row("b")).read_bytes()
    output.write_bytes(whole[:-1])  # as some editors save it
    with Journal.open(output, PLAN) as journal:
        assert (journal.done, journal.errors) == (2, 1)
        journal.write([row("c")])
    assert ids_in(output) == ["a", "b", "c"]


def test_cutting_off_is_told(output: Path, caplog: pytest.LogCaptureFixture) -> None:
    output.write_bytes(written(output, row("a")).read_bytes() + b'{"id": "b')
    Journal.open(output, PLAN).close()
    assert "9 bytes of a row that was not finished are cut off" in caplog.text


@pytest.mark.parametrize(
    ("junk", "number"),
    [
        (b"my notes\n", 2),
        (b"my notes", 2),
        (b'{"name": "value"}\n', 2),
        (b'{"name": "value"}', 2),
        (b'[{"id": "a"}]', 2),
        (b'{"id": "b", "answer\n' + row("c") + b"\n", 2),
        (b'\n{\n  "id": "b"\n}\n', 3),
        (b"\xef\xbb\xbf" + row("c") + b"\n", 2),
    ],
)
def test_what_nobody_here_wrote_is_named_and_not_touched(output: Path, junk: bytes, number: int) -> None:
    output.write_bytes(written(output, row("a")).read_bytes() + junk)
    before = output.read_bytes()
    with pytest.raises(
        JournalError, match=rf"out\.jsonl: line {number} is no row that clinalign wrote; delete that line"
    ):
        Journal.open(output, PLAN)
    assert output.read_bytes() == before


def test_errors_are_dropped_only_when_they_are_to_be_done_again(output: Path) -> None:
    written(output, row("a"), failed_row("b"), row("c"), failed_row("d"))
    output.chmod(0o640)
    with Journal.open(output, PLAN, retry_errors=True) as journal:
        assert (journal.done, journal.errors) == (2, 0)
        assert not journal.is_done("b")
        journal.write([row("b"), failed_row("d")])
        assert (journal.done, journal.errors) == (4, 1)
    assert ids_in(output) == ["a", "c", "b", "d"]
    assert stat.S_IMODE(output.stat().st_mode) == 0o640


def test_without_errors_there_is_nothing_to_rewrite(output: Path) -> None:
    inode = written(output, row("a")).stat().st_ino
    Journal.open(output, PLAN, retry_errors=True).close()
    assert output.stat().st_ino == inode


def test_only_calls_of_rows_without_an_answer_are_kept(output: Path) -> None:
    with Journal.open(output, PLAN) as journal:
        for id in ("done", "failed", "open"):
            journal.calls.append(KeptCall(id, "r", "Yes.", [], 0.0))
        journal.write([row("done"), failed_row("failed")])
    with Journal.open(output, PLAN, retry_errors=True) as journal:
        assert list(journal.calls.load(lambda row: True)) == ["failed", "open"]


def fill_disk(output: Path, limit: int) -> tuple[str, bool, int, bytes]:
    """Write until the disk is full, then free space and go on."""
    with Journal.open(output, PLAN) as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        number = 0
        try:
            for number in range(100):
                journal.write([row(f"{number}-a", 300), row(f"{number}-b", 700)])
        except JournalError as error:
            state = str(error), journal.is_done(f"{number}-a"), journal.done, output.read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        journal.write([row(f"{number}-a", 300), row(f"{number}-b", 700)])
    return state


@pytest.mark.parametrize("limit", [4000, 4100, 4700, 5000])
def test_a_full_disk_costs_no_row_and_leaves_no_torn_one(output: Path, limit: int) -> None:
    message, is_done, done, data = killing.answer_of(fill_disk, output, limit)
    assert message == (
        f"can't write to {output} (File too large); free space, then run the same command again: it continues"
    )
    assert not is_done
    assert data.endswith(b"\n")
    assert len(data.splitlines()) == done
    assert ids_in(output) == [f"{number}-{part}" for number in range(done // 2 + 1) for part in "ab"]


def retry_on_full_disk(output: Path) -> str:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
    try:
        Journal.open(output, PLAN, retry_errors=True)
    except JournalError as error:
        return str(error)
    raise AssertionError("the disk was not full")


def test_retrying_on_a_full_disk_leaves_the_output_as_it_was(output: Path) -> None:
    before = written(output, failed_row("a"), row("b", 5000)).read_bytes()
    assert "free space" in killing.answer_of(retry_on_full_disk, output)
    assert output.read_bytes() == before
    assert not leftover_of(output).exists()
