"""Where an export goes: nothing is overwritten by mistake, nothing is half there, and memory does not grow with it."""

import re
import resource
import signal
import subprocess
import sys
import time

import pytest
import typer
from batch_output import answer, failed, loaded, refusal, revised, rows_of, written
from pyarrow import parquet
from typer.testing import CliRunner

from agent.batch.exports.answers import export_answers
from agent.batch.exports.cli import export
from agent.batch.task import json_line
from agent.errors import InputError

app = typer.Typer()
app.command()(export)
ANSWERED = [answer("plain"), revised("revised")]
MIXED = [*ANSWERED, failed("failed")]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.jsonl", "is JSON lines already"),
        ("a.csv", "can't write .csv; name a FILE.parquet, or a folder"),
        ("no/a.parquet", "is missing; make it first"),
        ("folder.parquet", "is a folder; name another"),
        ("file", "is a file; name another"),
        ("there.parquet", "exists already; name another, or replace it with --force"),
        ("full", "exists already; name another, or replace it with --force"),
    ],
)
def test_a_target_that_will_not_do_is_refused(tmp_path, name, message):
    output = written(tmp_path, ANSWERED)
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "full").mkdir()
    for file in ("file", "there.parquet", "full/notes.txt"):
        (tmp_path / file).write_text("mine")
    assert message in refusal(export_answers, output, tmp_path / name)
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine"


def test_force_replaces_an_earlier_export_and_nothing_else(tmp_path):
    first = written(tmp_path, MIXED)
    export_answers(first, tmp_path / "set")
    export_answers(first, tmp_path / "a.parquet")
    second = written(tmp_path, [revised("new")])
    for target in ("set", "a.parquet"):
        export_answers(second, tmp_path / target, force=True)
    assert loaded(tmp_path / "set") == [revised("new")] == parquet.read_table(tmp_path / "a.parquet").to_pylist()
    (tmp_path / "set" / "data" / "notes.txt").write_text("mine")
    assert "holds more than an export" in refusal(export_answers, second, tmp_path / "set", force=True)


def test_force_does_not_replace_a_folder_of_others_parquet(tmp_path):
    (tmp_path / "set" / "data").mkdir(parents=True)
    (tmp_path / "set" / "data" / "train.parquet").write_text("mine")
    (tmp_path / "set" / "README.md").write_text("Our own data.")
    assert "holds more than an export" in refusal(
        export_answers, written(tmp_path, ANSWERED), tmp_path / "set", force=True
    )


def test_what_is_read_is_never_written_over(tmp_path):
    output = written(tmp_path, ANSWERED)
    link = tmp_path / "link.parquet"
    link.symlink_to(output)
    assert "is what is read" in refusal(export_answers, output, link, force=True)
    assert len(rows_of(output)) == len(ANSWERED)


def test_an_empty_folder_may_be_the_target(tmp_path):
    (tmp_path / "set").mkdir()
    export_answers(written(tmp_path, ANSWERED), tmp_path / "set")
    assert loaded(tmp_path / "set") == ANSWERED


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path):
    output, target = written(tmp_path, ANSWERED), tmp_path / "a.parquet"
    export_answers(output, target)
    before = target.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # Python ignores the signal, so write fails with EFBIG
    try:
        told = refusal(export_answers, output, target, force=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "can't write" in told
    assert target.read_bytes() == before


def bulky(folder, count):
    """Return an output of rows of 20 kB; holding them here would show in the measurement."""
    output, text = folder / "out.jsonl", json_line(answer("ID", answer="word " * 2_000, draft="word " * 2_000))
    with output.open("wb") as file:
        file.writelines(text.replace(b"ID", b"%d" % number, 1) + b"\n" for number in range(count))
    return output


def started(output, target, *, then="pass"):
    """Export in a process of its own, over what is there."""
    script = f"""if True:
        import sys; from pathlib import Path; from agent.batch.exports.answers import export_answers
        export_answers(Path(sys.argv[1]), Path(sys.argv[2]), force=True)
        {then}"""
    return subprocess.Popen([sys.executable, "-c", script, str(output), str(target)], stdout=subprocess.PIPE)


def test_a_kill_leaves_the_old_file_and_the_next_export_is_whole(tmp_path):
    output, target = bulky(tmp_path, 3_000), tmp_path / "a.parquet"
    target.write_text("old")
    process = started(output, target)
    while not any(tmp_path.glob(".a.parquet.*.partial/a.parquet")):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert target.read_text() == "old"
    export_answers(output, target, force=True)
    assert parquet.read_metadata(target).num_rows == 3_000
    assert not list(tmp_path.glob(".a*"))


def test_a_folder_that_a_kill_caught_on_its_way_out_is_put_back(tmp_path):
    output, target = written(tmp_path, ANSWERED), tmp_path / "set"
    export_answers(output, target)
    left = tmp_path / ".set.k1ll3d.partial"
    left.mkdir()
    target.rename(left / ".replaced")
    with pytest.raises(InputError, match="exists already"):
        export_answers(output, target)
    assert (target / "README.md").is_file()
    assert not left.exists()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path):
    peaks = {}
    for count in (800, 8_000):  # 16 and 160 MB of JSON
        output = bulky(tmp_path, count)
        told, _ = started(output, tmp_path / f"{count}", then="print(open('/proc/self/status').read())").communicate()
        peaks[count] = int(re.search(rb"VmHWM:\s+(\d+) kB", told)[1]) / 1024
    assert peaks[8_000] < peaks[800] + 50


def test_the_command_tells_what_it_wrote_and_what_it_left_out(tmp_path):
    asked = [{"id": row["id"], "question": "What now?"} for row in [*MIXED, answer("later")]]
    output, target = written(tmp_path, MIXED, asked=asked), tmp_path / "a.parquet"
    done = CliRunner().invoke(app, [str(output), str(target)])
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        f"2 answers in {target}",
        "from 3 rows, 1 revised, 1 kept as they were (nothing to improve: 1), 1 failed (ModelError: 1)",
        'the failed ones are left out; in a folder they are apart: load_dataset(FOLDER, "errors")',
        "1 row of the input not done yet: continue with `clinalign batch`, then export again",
        "the texts may be a patient's: have them checked before you publish any of this",
    ]


def test_the_command_takes_force_and_another_place_of_the_input(tmp_path):
    output, target = written(tmp_path, ANSWERED), tmp_path / "set"
    moved = (tmp_path / "asked.jsonl").rename(tmp_path / "moved.jsonl")
    assert CliRunner().invoke(app, [str(output), str(target), "--input", str(moved)]).exit_code == 0
    assert isinstance(CliRunner().invoke(app, [str(output), str(target)]).exception, InputError)
    assert CliRunner().invoke(app, [str(output), str(target), "--force"]).exit_code == 0
