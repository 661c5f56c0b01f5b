"""What the documents show is what the code gives."""

import re
from pathlib import Path
from typing import Any

import pytest

import agent

REPOSITORY = Path(__file__).parent.parent


def _arrows(mermaid: str) -> set[tuple[str, str]]:
    """Return the pairs of nodes that an arrow joins, whatever is written on it or in a node."""
    bare = re.sub(r"\(\[.*?\]\)", "", mermaid)
    return {(a, b) for a, b in re.findall(r"^\s*(\w+) -.*> (\w+);$", bare, re.MULTILINE)}


def test_the_readme_shows_the_graph_as_it_is() -> None:
    picture = re.search(r"```mermaid\n(.*?)```", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert picture
    assert _arrows(picture.group(1)) == _arrows(agent.build_graph().get_graph().draw_mermaid())
    assert len(_arrows(picture.group(1))) == 15


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_every_file_of_the_readme_tree_exists() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    tree = re.search(r"```text\n(.*?)```", text, re.DOTALL)
    assert tree
    rows = [row.split(", ") for row in re.findall(r"^(\S+(?:, \S+)*)\s{2,}", tree.group(1), re.MULTILINE)]
    paths = [Path(row[0]).parent / name if number else Path(name) for row in rows for number, name in enumerate(row)]
    assert len(paths) > 10
    assert [path for path in paths if not (REPOSITORY / path).exists()] == []


def test_langgraph_json_names_a_factory_that_gives_the_graph() -> None:
    import json

    from agent.api import make_graph

    graphs = json.loads((REPOSITORY / "langgraph.json").read_text(encoding="utf-8"))["graphs"]
    assert graphs == {"clinalign": "./agent/api.py:make_graph"}
    assert set(make_graph().get_graph().nodes) >= {"classify", "accept", "finish"}


@pytest.mark.usefixtures("data_dir")
def test_the_code_in_the_chats_page_does_what_it_says() -> None:
    found = re.search(r"```python\n(.*?)```", (REPOSITORY / "docs" / "chat.md").read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(found[1] if found else "", names)
    assert names["waiting"]["__interrupt__"]
    assert names["done"]["turns"][-1]["answer"] == names["asked"]["draft"]
