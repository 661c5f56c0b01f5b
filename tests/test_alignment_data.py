"""The questions of a run: two sides that never mix, the same rows from disk and from a stream, in flat memory."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alignment_rows import config_of, question, questions, saved, words

from agent.errors import InputError
from training.alignment.datasets import AlignmentData, data_digest, open_datasets
from training.alignment.splits import is_gold, rank

GOLD_IDS = {row["id"] for row in questions(100) if is_gold(row["id"], 0.1)}


def opened(tmp_path: Path, rows: list[Any], **data: Any) -> AlignmentData:
    file = saved(tmp_path / "rows.jsonl", rows)
    grpo = {"max_steps": 1} if data.get("streaming") else {}
    return open_datasets(config_of(file, data=data, grpo=grpo), count_tokens=words, cache=tmp_path / "cache")


def test_both_sides_have_the_same_columns_and_no_question_in_common(tmp_path: Path) -> None:
    data = opened(tmp_path, questions(100))

    assert data.train.column_names == data.gold.column_names == ["prompt", "id", "split", "rubric"]
    assert {row["id"] for row in data.gold} == GOLD_IDS
    assert [row["id"] for row in data.train] == [f"q{n}" for n in range(100) if f"q{n}" not in GOLD_IDS]
    assert {*data.train["split"]} == {"train"} and {*data.gold["split"]} == {"gold"}


def test_a_row_is_as_the_reward_and_trl_take_it(tmp_path: Path) -> None:
    row = opened(tmp_path, questions(100)).train[0]

    assert row["prompt"] == [{"role": "user", "content": f"What about case {row['id'][1:]}?"}]
    assert row["rubric"][1] == {
        "criterion": "Invents a lab value.",
        "points": -8,
        "axis": "accuracy",
        "principle_id": None,
    }


def test_a_question_stays_on_its_side_when_others_come(tmp_path: Path) -> None:
    first = opened(tmp_path, questions(50))
    second = opened(tmp_path, [*reversed(questions(100)), question("new")])

    assert {row["id"] for row in first.gold} <= {row["id"] for row in second.gold}
    assert {*first.train["id"]} <= {*second.train["id"]}


def test_held_out_questions_beyond_the_most_are_neither_asked_nor_trained_on(tmp_path: Path) -> None:
    data = opened(tmp_path, questions(100), gold_most=3)

    assert [row["id"] for row in data.gold] == sorted(GOLD_IDS, key=rank)[:3]
    assert data.counts.left_out_gold == len(GOLD_IDS) - 3
    assert not GOLD_IDS & {*data.train["id"]}


@pytest.mark.parametrize(("system", "long"), [(None, 1), ("Be brief and kind to whoever asks.", 2)])
def test_what_is_too_long_with_the_system_message_is_left_out_and_counted(
    tmp_path: Path, system: str | None, long: int
) -> None:
    rows = [*questions(20), question(20, text="word " * 12), question(21, text="word " * 7)]

    data = opened(tmp_path, rows, max_prompt_tokens=11, system=system)

    assert data.counts.too_long == long
    assert data.counts.prompt_tokens_most == (11 if system else 7)


def test_a_conversation_keeps_its_own_system_message(tmp_path: Path) -> None:
    own = [{"role": "system", "content": "Mine."}, {"role": "user", "content": "Well?"}]
    rows = [*questions(20), question("own") | {"conversation": own}]

    prompts = {row["id"]: row["prompt"] for row in opened(tmp_path, rows, system="Theirs.", gold_share=0.2).train}

    assert prompts["qown"] == own
    assert all(prompt[0]["content"] == "Theirs." for name, prompt in prompts.items() if name != "qown")


def test_a_stream_has_the_same_rows_in_the_same_order(tmp_path: Path) -> None:
    rows = [*questions(60), question(3), {"id": "f", "error": {"type": "x", "message": "y"}}, *questions(80)]

    on_disk, streamed = opened(tmp_path, rows), opened(tmp_path, rows, streaming=True)

    assert list(streamed.train) == list(on_disk.train)
    assert list(streamed.train) == list(on_disk.train)  # and again in the next epoch
    assert (streamed.counts, streamed.digest, list(streamed.gold)) == (
        on_disk.counts,
        on_disk.digest,
        list(on_disk.gold),
    )
    assert streamed.train.features == on_disk.train.features


def test_a_file_that_changes_under_a_stream_is_refused(tmp_path: Path) -> None:
    data = opened(tmp_path, questions(60), streaming=True)
    saved(tmp_path / "rows.jsonl", questions(61))

    with pytest.raises(InputError, match=r"line 61: the data have changed since the run began"):
        list(data.train)


def test_a_file_without_axes_has_the_same_columns_types(tmp_path: Path) -> None:
    bare = [{"criterion": "Names the dose.", "points": 6}]

    data = opened(tmp_path, [question(n, criteria=bare) for n in range(40)])

    assert data.train.features == opened(tmp_path, questions(40)).train.features


def test_the_copy_on_disk_is_made_once_for_each_split(tmp_path: Path) -> None:
    def files() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.arrow")}

    opened(tmp_path, questions(40))
    once = files()
    opened(tmp_path, questions(40))
    again = files()
    opened(tmp_path, questions(40), gold_share=0.3)

    assert len(once) == 1 and again == once and len(files()) == 2


def test_several_answers_and_failures_are_counted(tmp_path: Path) -> None:
    rows = [*questions(40), *questions(40), {"id": "f", "error": {"type": "x", "message": "y"}}]

    counts = opened(tmp_path, rows).counts

    assert (counts.rows, counts.doubles, counts.passed_over) == (40, 40, {"an error of an earlier step": 1})
    assert counts.train + counts.gold == 40
    assert (counts.criteria_mean, counts.criteria_most, counts.prompt_tokens_mean) == (2, 2, 4)


def test_a_question_that_is_held_out_under_another_id_is_not_trained_on(tmp_path: Path) -> None:
    held_out = sorted(GOLD_IDS)[0]
    twin = question("twin", text=f"What about case {held_out[1:]}?")
    assert not is_gold(twin["id"], 0.1)

    data = opened(tmp_path, [*questions(100), twin])

    assert data.counts.asked_as_gold == 1
    assert "qtwin" not in data.train["id"]


@pytest.mark.parametrize(
    ("held_out", "what"),
    [
        (question(7), "'q7' has the id that is held out at"),
        (question("other", text="What about case 7?"), "'q7' asks exactly the question that is held out at"),
    ],
)
def test_files_on_both_sides_must_share_nothing(tmp_path: Path, held_out: dict[str, Any], what: str) -> None:
    gold = saved(tmp_path / "gold.jsonl", [question("alone"), held_out])

    with pytest.raises(InputError, match=rf"rows\.jsonl: line 8: {what} .*gold\.jsonl: line 2; take it out"):
        opened(tmp_path, questions(10), gold_files=[gold])


def test_files_of_held_out_questions_leave_all_others_to_train_on(tmp_path: Path) -> None:
    gold = saved(tmp_path / "gold.jsonl", [question("held"), question("held")])

    data = opened(tmp_path, questions(100), gold_files=[gold])

    assert (len(data.train), [row["id"] for row in data.gold]) == (100, ["qheld"])


@pytest.mark.parametrize(
    ("rows", "data", "message"),
    [
        (
            questions(3),
            {},
            r"data\.gold_share = 0\.1 holds out none of 3 questions; raise it, or name data\.gold_files",
        ),
        (
            questions(3),
            {"gold_share": 0.9999},
            "no question is left to train on; name more files, or lower data.gold_share",
        ),
        (
            questions(30),
            {"max_prompt_tokens": 2},
            r"no question is left .*; 30 are longer than data\.max_prompt_tokens = 2",
        ),
        ([], {}, "empty; give one row per line"),
    ],
)
def test_a_side_without_questions_is_refused_with_the_key(
    tmp_path: Path, rows: list[Any], data: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        opened(tmp_path, rows, **data)


def test_the_digest_is_what_sha256sum_says(tmp_path: Path) -> None:
    one, two = saved(tmp_path / "one.jsonl", questions(40)), saved(tmp_path / "two.jsonl", [question("more")])

    alone, both = (config_of(one, data={"files": files}).data for files in ([one], [one, two]))

    assert data_digest(alone) == hashlib.sha256(one.read_bytes()).hexdigest()
    assert data_digest(both) == hashlib.sha256(one.read_bytes() + two.read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.usefixtures("data_dir")
def test_shipped_questions_are_opened_like_any_other(tmp_path: Path) -> None:
    config = config_of("shipped")

    data = open_datasets(config, count_tokens=words, cache=tmp_path)

    assert data.counts.train + data.counts.gold + data.counts.left_out_gold == data.counts.rows > 50
    assert data.digest == data_digest(config.data)


_MEMORY = """
import json, resource, sys
from pathlib import Path
from alignment_rows import config_of, question, words
from training.alignment.datasets import open_datasets
folder, rows = Path(sys.argv[1]), int(sys.argv[2])
with (folder / "rows.jsonl").open("w") as file:
    for number in range(rows):
        file.write(json.dumps(question(number, text=f"case {number} " + "word " * 800)) + "\\n")
config = config_of(folder / "rows.jsonl", data={"streaming": sys.argv[3] == "stream"}, grpo={"max_steps": 1})
data = open_datasets(config, count_tokens=words, cache=folder)
assert sum(1 for row in data.train) + data.counts.left_out_gold + data.counts.gold == rows
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["disk", "stream"])
def test_ten_times_the_rows_take_no_more_memory(tmp_path: Path, way: str) -> None:
    def peak(rows: int) -> int:
        """Return MiB of a process that reads so many rows of 4 kB."""
        folder = tmp_path / f"{rows}"
        folder.mkdir()
        command = [sys.executable, "-c", _MEMORY, str(folder), str(rows), way]
        return int(
            subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent).stdout
        )

    assert peak(20_000) - peak(2_000) < 30  # the rows are 80 MB, and what is kept of them less than 1 kB each


def test_nothing_heavy_is_imported_with_the_modules() -> None:
    names = (
        "rows",
        "survey",
        "datasets",
        "memory",
        "model_shape",
        "plan",
        "plan_text",
        "remedies",
        "sharding",
        "splits",
    )
    imports = ", ".join(f"training.alignment.{name}" for name in names)
    heavy = "{'torch', 'transformers', 'datasets', 'peft', 'trl', 'rich', 'pyarrow'}"
    code = f"import sys, {imports}; print(sorted({heavy} & set(sys.modules)))"

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"
