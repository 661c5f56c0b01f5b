"""What docs/alignment.md shows is what the code takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from training.alignment.config import load_config
from training.alignment.manifest import FREE_TO_CHANGE
from training.alignment.rows import read_rows

GUIDE = (Path(__file__).parent.parent / "docs" / "alignment.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_config_it_shows_is_one(tmp_path: Path) -> None:
    from training.grpo import check_keys, grpo_config

    shown = re.search(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    assert shown
    (tmp_path / "mine.toml").write_text(shown[1], encoding="utf-8")
    config = load_config(tmp_path / "mine.toml")
    check_keys(config)
    assert grpo_config(config).num_generations == 8


def test_the_least_row_it_shows_is_one(tmp_path: Path) -> None:
    shown = re.search(r'^    (\{"id": "q1".*\})$', GUIDE, re.MULTILINE)
    assert shown
    row = json.loads(shown[1])
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    (read,) = read_rows(tmp_path / "rows.jsonl")
    assert (read.id, [criterion.points for criterion in read.rubric]) == ("q1", [5, -8])


def test_it_names_every_key_that_may_change_on_the_way() -> None:
    told = GUIDE[GUIDE.index("Free to change are") :].split("\n\n")[0]
    for key in FREE_TO_CHANGE - {"run.output"}:
        name = "prices" if "price" in key else key.split(".")[1]
        assert name in told, key
