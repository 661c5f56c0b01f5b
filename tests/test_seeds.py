"""Seeds: which kept rubrics are found for a conversation, how much of each is shown, and in what form."""

from __future__ import annotations

import pytest
from toy_rubrics import GOUT, PULSE, TICK, toy_entry, toy_rubrics, toy_seeds

from agent.config import Settings
from agent.context import open_seeds
from agent.errors import ConfigError
from agent.prompt import Fenced
from agent.seeds import MAX_SEEDS, MIN_SIMILARITY, SHARES, NoSeeds, Seed, seed_rows, seeds_block
from principles_store.errors import LibraryError
from principles_store.rubric_entry import RubricEntry
from principles_store.rubric_set import load_rubrics
from principles_store.seed_index import rubric_text
from principles_store.store import open_seed_index


def asked(question):
    return [{"role": "user", "content": question}]


def test_the_rubric_of_a_like_conversation_is_found_and_no_other(embedder):
    found = toy_seeds(embedder).similar(asked("my big toe is red, swollen and hurts terribly, could it be gout?"))
    assert {seed.rubric_id for seed in found} == {"gout"}
    assert all(seed.similarity >= MIN_SIMILARITY for seed in found)


def test_nothing_is_shown_where_nothing_is_similar_enough(embedder):
    assert toy_seeds(embedder).similar(asked("Write a poem about the sea.")) == ()


def test_no_rubric_is_shown_whole_and_the_weightiest_criteria_come_first(embedder):
    few, many = toy_entry("few", GOUT, 4), toy_entry("many", GOUT, 12)
    found = toy_seeds(embedder, few, many).similar(asked(GOUT))
    counts = [sum(seed.rubric_id == name for seed in found) for name in ("few", "many")]
    assert counts[0] <= 3
    assert counts[1] <= SHARES[0]
    assert len(found) <= MAX_SEEDS
    assert [abs(s.points) for s in found if s.rubric_id == "many"][:3] == [9, 8, 8]


def test_a_verified_rubric_stands_before_a_nearer_one_that_is_not(embedder):
    own, checked = toy_entry("own", GOUT), toy_entry("checked", f"{GOUT} I also have diabetes.", verified_by=["Dr A"])
    found = toy_seeds(embedder, own, checked).similar(asked(GOUT))
    assert list(dict.fromkeys(seed.rubric_id for seed in found)) == ["checked", "own"]
    assert found[0].is_verified
    assert not found[-1].is_verified


def test_a_later_turn_is_understood_by_the_turns_before(embedder):
    turns = [*asked(TICK), {"role": "assistant", "content": "Where is it?"}, *asked("On my leg, since this morning.")]
    assert {seed.rubric_id for seed in toy_seeds(embedder).similar(turns)} == {"tick"}


def test_seeds_come_with_where_they_are_from_and_who_checked_them():
    seeds = [
        Seed("r7", "Names the kidneys.", 6, 0.71, is_verified=True, question="Is it safe?"),
        Seed("r7", "Says to stop.", -4, 0.71, is_verified=True, question="Is it safe?"),
        Seed("r8", "Names the liver.", 3, 0.6),
    ]
    block = seeds_block(seeds)
    assert isinstance(block, Fenced)
    assert block.text.splitlines() == [
        "Of a conversation with similarity 0.71, checked by clinicians: 'Is it safe?'",
        "1. (+6) Names the kidneys.",
        "2. (-4) Says to stop.",
        "Of a conversation with similarity 0.60, not checked by a clinician",
        "3. (+3) Names the liver.",
    ]
    assert seed_rows(seeds)[0] == {
        "rubric_id": "r7", "similarity": 0.71, "verified": True, "question": "Is it safe?", "criteria": 2,
    }  # fmt: skip


def test_without_seeds_the_prompt_says_nothing_of_them():
    assert seeds_block(()) == ""


def test_seeds_can_be_switched_off(embedder):
    assert open_seeds(Settings(model="openai:x", seeds=False), embedder) == NoSeeds()


def test_principles_cannot_be_switched_off_without_a_model(monkeypatch):
    from agent.config import load_settings

    monkeypatch.setenv("CLINALIGN_PRINCIPLES", "false")
    with pytest.raises(ConfigError, match="principles=false needs a model"):
        load_settings()


def test_rubrics_of_ones_own_are_indexed_beside_the_principles(embedder, tmp_path):
    file = tmp_path / "mine.jsonl"
    file.write_text(RubricEntry.model_validate(toy_entry("mine", PULSE)).model_dump_json() + "\n", encoding="utf-8")
    seeds = open_seeds(Settings(model="openai:x", rubrics=file, store=str(tmp_path / "chroma")), embedder)
    assert {seed.rubric_id for seed in seeds.similar(asked(PULSE))} == {"mine"}
    again = open_seed_index(load_rubrics(file), embedder, tmp_path / "chroma")
    assert again.rubrics.content_hash == seeds.content_hash


def test_a_broken_file_of_rubrics_is_told_by_file_entry_and_field(embedder, tmp_path):
    file = tmp_path / "mine.jsonl"
    file.write_text(
        '{"id": "a", "theme": "x", "question": "q?", "rubric": [], "origin": "synthetic"}\n', encoding="utf-8"
    )
    with pytest.raises(LibraryError, match=r"mine.jsonl: entry 1 \(a\): field rubric: "):
        open_seeds(Settings(model="openai:x", rubrics=file, store=str(tmp_path / "chroma")), embedder)


def test_a_kept_rubric_is_found_by_what_it_asks_for_too():
    (rubric,) = toy_rubrics(toy_entry("gout", "x" * 2000))
    text = rubric_text(rubric)
    assert text.startswith("x" * 600 + "\nSays fact 1 of gout.")
    assert "opposite" not in text
