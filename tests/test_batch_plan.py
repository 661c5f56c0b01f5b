"""A run goes on only as what it was begun as; what differs is told in words; nothing that shapes an answer is forgotten."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from library_entry import entry, write_library

from agent import prompt
from agent.batch.disk import JournalError
from agent.batch.plan import (
    COMPARED,
    FORMAT,
    NOT_COMPARED,
    Plan,
    load_plan,
    make_plan,
    make_plan_without_agent,
    plan_file,
    save_plan,
    state_folder,
    unbounded,
)
from agent.config import Settings
from agent.errors import InputError
from agent.ledger import Limits
from principles_store.errors import LibraryError

HASH = "0123456789abcdef" * 4
OTHER_HASH = "f" * 64
OTHER_VALUES: dict[str, Any] = {
    "model": "openai:b",
    "judge": "openai:c",
    "embedder": "other-encoder",
    "principles": False,
    "seeds": False,
    "temperature": 0.7,
    "seed": 3,
    "k": 3,
    "max_output_tokens": 99,
    "thinking_tokens": 7,
    "context_tokens": 8192,
    "redact": True,
    "max_rounds": 2,
    "max_calls": None,
    "max_tokens": 5,
    "max_seconds": 1.5,
    "max_cost": 0.25,
    "length_ratio": 1.5,
    "length_words": 3,
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"CLINALIGN_{name.upper()}", raising=False)
    library = write_library(tmp_path / "library.yaml", entry())
    return Settings(library=library, model="openai:a", price_input=1.0)


@pytest.fixture
def prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a copy of the prompts, which are used instead of ours."""
    folder = Path(shutil.copytree(prompt.PROMPT_FOLDER, tmp_path / "prompts"))
    monkeypatch.setattr(prompt, "PROMPT_FOLDER", folder)
    monkeypatch.setattr(prompt, "load_prompt", prompt.load_prompt.__wrapped__)
    return folder


def plan_of(settings: Settings, sha256: str = HASH, **changed: Any) -> Plan:
    return make_plan(settings.model_copy(update=changed), None, sha256)


def test_every_setting_is_either_compared_or_known_not_to_matter() -> None:
    assert set(COMPARED) | NOT_COMPARED == set(Settings.model_fields)
    assert not set(COMPARED) & NOT_COMPARED


def test_every_bound_of_a_row_is_compared() -> None:
    assert {field.name for field in dataclasses.fields(Limits)} <= set(COMPARED)


def test_the_same_settings_and_input_make_no_difference(settings: Settings) -> None:
    assert plan_of(settings).differences(plan_of(settings)) == []


@pytest.mark.parametrize("name", COMPARED)
def test_a_setting_that_shapes_an_answer_is_told_with_both_values(settings: Settings, name: str) -> None:
    (told,) = plan_of(settings).differences(plan_of(settings, **{name: OTHER_VALUES[name]}))
    shown = "none" if OTHER_VALUES[name] is None else OTHER_VALUES[name]
    assert told.startswith(f"{name} ")
    assert told.endswith(f", now {shown}")


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ({}, {"model": "openai:b"}, ["model openai:a, now openai:b"]),
        ({"model": None}, {}, ["model the embedded engine, now openai:a", "k 8, now 10"]),
        ({}, {"judge": "openai:a"}, []),  # the model judges anyway
        ({}, {"judge": "openai:c"}, ["judge the model itself, now openai:c"]),
        ({"judge": "openai:c"}, {}, ["judge openai:c, now the model itself"]),
        ({}, {"k": 10}, []),  # what a model gets anyway
        ({}, {"temperature": 0.0}, ["temperature none, now 0.0"]),
        ({"max_cost": 1.0}, {"max_cost": None, "redact": True}, ["redact False, now True", "max_cost 1.0, now none"]),
    ],
)
def test_differences_are_told_in_the_words_of_the_user(
    settings: Settings, before: dict[str, Any], now: dict[str, Any], told: list[str]
) -> None:
    assert plan_of(settings, **before).differences(plan_of(settings, **now)) == told


@pytest.mark.parametrize(
    "changed",
    [{"timeout_s": 9.0}, {"price_output": 2.0}, {"trace": Path("t.jsonl")}, {"store": "http://x"}, {"threads": 1}],
)
def test_how_the_work_is_carried_out_may_change(settings: Settings, changed: dict[str, Any]) -> None:
    assert plan_of(settings).differences(plan_of(settings, **changed)) == []


def test_another_input_is_told_by_its_hash(settings: Settings) -> None:
    told = plan_of(settings).differences(plan_of(settings, OTHER_HASH))
    assert told == ["the input has changed since (sha256 0123456789ab…, now ffffffffffff…)"]


def test_the_same_input_at_another_place_is_the_same(settings: Settings, tmp_path: Path) -> None:
    here, there = (make_plan(settings, tmp_path / name, HASH) for name in ("here.jsonl", "there.jsonl"))
    assert here.differences(there) == []
    assert here.moved_to(there.input) == there


def test_the_path_of_the_input_is_kept_whole(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert make_plan(settings, Path("rows.jsonl"), HASH).input == str(tmp_path.resolve() / "rows.jsonl")


def test_a_changed_library_is_told(settings: Settings) -> None:
    before = plan_of(settings)
    write_library(settings.library, entry(title="Say when a tick bite needs a nurse"))
    (told,) = before.differences(plan_of(settings))
    assert told.startswith("the library has changed (hash ")


def test_a_library_that_only_moved_is_the_same(settings: Settings, tmp_path: Path) -> None:
    moved = write_library(tmp_path / "moved.yaml", entry())
    assert plan_of(settings).differences(plan_of(settings, library=moved)) == []


def test_a_library_with_a_fault_makes_no_plan(settings: Settings) -> None:
    write_library(settings.library, entry(severity="awful"))
    with pytest.raises(LibraryError, match="severity"):
        plan_of(settings)


def test_a_changed_prompt_is_told_by_its_name(settings: Settings, prompts: Path) -> None:
    before = plan_of(settings)
    (prompts / "critique.md").write_text("{{draft}} Be kind.", encoding="utf-8")
    (prompts / "judge.md").unlink()
    assert before.differences(plan_of(settings)) == ["the prompt critique has changed", "the prompt judge has changed"]


def test_the_embedded_engine_has_no_prompts(settings: Settings, prompts: Path) -> None:
    before = plan_of(settings, model=None)
    (prompts / "critique.md").write_text("{{draft}} Be kind.", encoding="utf-8")
    assert before.prompts == {}
    assert before.differences(plan_of(settings, model=None)) == []


def test_another_version_of_this_software_may_go_on(settings: Settings) -> None:
    assert dataclasses.replace(plan_of(settings), clinalign="0.0.1").differences(plan_of(settings)) == []


def test_a_setting_that_is_new_since_differs_only_if_it_is_used(settings: Settings) -> None:
    now = plan_of(settings)
    older = dataclasses.replace(now, settings={name: now.settings[name] for name in COMPARED if name != "redact"})
    assert older.differences(now) == []
    assert older.differences(plan_of(settings, redact=True)) == ["redact False, now True"]


def test_a_plan_comes_back_from_disk_as_it_was(settings: Settings, tmp_path: Path) -> None:
    plan = make_plan(settings.model_copy(update={"length_ratio": 1.1 + 2.2}), tmp_path / "rows \udcff.jsonl", HASH)
    output = tmp_path / "out.jsonl"
    state_folder(output).mkdir()
    save_plan(plan, output)
    assert load_plan(output) == plan


def test_where_no_run_has_begun_there_is_no_plan(tmp_path: Path) -> None:
    assert load_plan(tmp_path / "out.jsonl") is None


def kept_plan(output: Path, text: str) -> None:
    state_folder(output).mkdir()
    plan_file(output).write_text(text)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "settings"', '{"format": "x"}', "\0"])
def test_a_damaged_plan_is_named(tmp_path: Path, text: str) -> None:
    kept_plan(tmp_path / "out.jsonl", text)
    with pytest.raises(JournalError, match=r"run\.json is damaged.*--fresh"):
        load_plan(tmp_path / "out.jsonl")


def test_a_plan_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    kept_plan(tmp_path / "out.jsonl", json.dumps({"format": FORMAT + 1, "clinalign": "9.9", "unheard_of": 1}))
    with pytest.raises(InputError, match=r"newer clinalign \(9\.9, .*update clinalign"):
        load_plan(tmp_path / "out.jsonl")


def test_a_plan_holds_no_text_and_no_key(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    kept = json.dumps(dataclasses.asdict(plan_of(settings)))
    assert "sk-secret" not in kept
    assert "tick" not in kept


def test_what_shapes_another_job_is_compared_and_named() -> None:
    begun, now = (
        make_plan_without_agent(
            Settings(),
            None,
            HASH,
            compared=("temperature",),
            work={"judges": name, "attempts": 3},
            prompts={"grade": "1"},
        )
        for name in ("openai:a", "openai:b")
    )
    assert begun.differences(now) == ["judges openai:a, now openai:b"]
    assert begun.differences(begun) == []


def test_a_plan_from_before_there_were_other_jobs_is_read(settings: Settings, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    plan_file(output).parent.mkdir()
    save_plan(make_plan(settings, None, HASH), output)
    kept = json.loads(plan_file(output).read_text())
    del kept["work"]
    plan_file(output).write_text(json.dumps(kept))
    assert load_plan(output) == make_plan(settings, None, HASH)


def test_where_a_bound_only_makes_an_error_it_may_be_raised(settings: Settings) -> None:
    before, now = (unbounded(plan_of(settings, max_seconds=seconds)) for seconds in (1.0, 900.0))
    assert before.differences(now) == []
    assert before.differences(unbounded(plan_of(settings, temperature=0.7))) == ["temperature none, now 0.7"]
