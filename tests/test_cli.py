"""The command line as a user meets it: real processes, real exit codes."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from in_process import clinalign_here

REPOSITORY = Path(__file__).parent.parent
SAMPLE = REPOSITORY / "examples" / "chest_pressure.json"
CONTRACT = {
    "answer",
    "draft",
    "accepted",
    "stopped_because",
    "scenario",
    "principles",
    "rubric",
    "critiques",
    "edits",
    "patches",
    "rounds",
    "usage",
    "calls",
    "models",
    "engine",
    "library_hash",
    "rubrics_hash",
    "seeds",
    "warnings",
}


def _clinalign(
    *arguments: str, data_dir: Path, stdin: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "agent.cli", *arguments]
    return subprocess.run(
        command, input=stdin, capture_output=True, env={**os.environ, **environment}, timeout=240, check=False
    )


def test_the_sample_is_revised_as_json_in_the_contract(data_dir: Path) -> None:
    done = _clinalign("revise", "--file", str(SAMPLE), "--json", data_dir=data_dir)
    output = json.loads(done.stdout)
    assert done.returncode == 0
    assert set(output) == CONTRACT
    assert output["accepted"]
    assert output["answer"] != output["draft"]
    assert {edit["op"] for edit in output["edits"]} <= {"ADD", "REMOVE", "MODIFY"}
    assert "emergency" in output["answer"].split("\n")[0]


def test_the_human_report_names_principles_and_verdicts(data_dir: Path) -> None:
    done = _clinalign("revise", "--file", str(SAMPLE), data_dir=data_dir)
    text = done.stdout.decode()
    assert "Verdicts" in text
    assert "Edits" in text
    assert "no substitute for a clinician" in text


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        (["revise"], b"", "standard input: empty"),
        (["revise"], b"\xff\xff", "not UTF-8"),
        (["revise"], b'[{"role": "user"', "malformed JSON"),
        (
            ["revise"],
            b'[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]',
            "ends with a turn of role",
        ),
        (["revise"], b'{"conversation": "a", "colour": 1}', "unknown key 'colour'"),
        (["revise", "q", "--draft", " "], b"", "draft is empty"),
        (["revise", "q", "--library", "/nonexistent"], b"", "/nonexistent"),
        (["revise", "q", "-k", "0"], b"", "setting k"),
        (["revise"], b"x" * 250_000, "characters, more than"),
        (["principles", "show", "no-such-id"], b"", "no principle 'no-such-id'"),
        (["eval", "scenario", "/nonexistent.jsonl"], b"", "/nonexistent.jsonl: can't be read"),
    ],
)
@pytest.mark.usefixtures("data_dir")
def test_bad_input_is_one_line_and_exit_code_2(arguments: list[str], stdin: bytes, says: str) -> None:
    done = clinalign_here(*arguments, stdin=stdin)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.strip()]) == 1
    assert done.stdout == ""


def test_an_error_is_one_line_in_a_process_of_its_own_too(data_dir: Path) -> None:
    done = _clinalign("revise", "q", "--draft", " ", data_dir=data_dir)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"clinalign: ") and done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("arguments", [["revise", "--no-such-option"], ["no-such-command"]])
def test_unknown_options_and_commands_exit_with_2(arguments: list[str], data_dir: Path) -> None:
    done = _clinalign(*arguments, data_dir=data_dir)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr.decode()


def test_a_misspelt_setting_in_the_environment_is_refused(data_dir: Path) -> None:
    done = _clinalign("doctor", data_dir=data_dir, CLINALIGN_LIBARY="x")
    assert done.returncode == 2
    assert "CLINALIGN_LIBARY" in done.stderr.decode()


@pytest.mark.usefixtures("data_dir")
def test_a_store_that_is_a_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.write_text("mine", encoding="utf-8")
    done = clinalign_here("revise", "q", CLINALIGN_STORE=str(store))
    assert done.returncode == 2
    assert str(store) in done.stderr
    assert store.read_text(encoding="utf-8") == "mine"


def test_doctor_names_engine_and_index(data_dir: Path) -> None:
    done = _clinalign("doctor", "--json", data_dir=data_dir)
    names = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 0
    assert names["engine"]["detail"].startswith("embedded")
    assert {"packages", "library", "index", "encoder"} <= set(names)


def test_help_loads_nothing_heavy(data_dir: Path) -> None:
    code = (
        "import sys; sys.argv = ['clinalign', '--help']\n"
        "from agent.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'chromadb', 'langgraph', 'numpy', 'onnxruntime', 'pydantic', 'gradio'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert b"revise" in done.stdout


@pytest.mark.slow
def test_help_costs_little_more_than_what_prints_it(data_dir: Path) -> None:
    """Half a second on a quiet machine of today; held against the import of typer and rich, since machines differ."""

    def seconds(*command: str) -> float:
        """Return the processor time of a command, which waits for nobody."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    typer, ours = [], []
    for _ in range(5):
        typer.append(seconds(sys.executable, "-c", "import typer.main, typer.rich_utils"))
        ours.append(seconds(sys.executable, "-m", "agent.cli", "--help"))
    assert min(ours) < 3.5 * min(typer)
