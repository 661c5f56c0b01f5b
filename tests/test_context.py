"""Everything an agent needs, opened once."""

import pytest

from agent.config import load_settings
from agent.context import load_context
from agent.errors import ClinAlignError
from principles_store.errors import LibraryError, StoreError


@pytest.fixture(autouse=True)
def _fresh():
    load_context.cache_clear()
    yield
    load_context.cache_clear()


def test_the_same_settings_give_the_same_context_and_others_do_not(data_dir):
    first = load_context(load_settings())
    assert load_context(load_settings()) is first
    other = load_context(load_settings(max_rounds=3, k=4, seed=9))
    assert (other.limits.max_rounds, other.k, other.seed) == (3, 4, 9)


def test_the_context_is_of_the_library_that_is_set(data_dir, library, tmp_path):
    source = tmp_path / "principles.json"
    source.write_text('[{"principle": "Advise a gradual return to sport after a sprain.", "scenario": "layperson"}]')
    context = load_context(load_settings(library=source))
    assert [principle.title for principle in context.index.library] == [
        "Advise a gradual return to sport after a sprain."
    ]
    assert context.index.library.content_hash != library.content_hash


@pytest.mark.parametrize("name", ["missing.yaml", "."], ids=["no file", "an empty folder"])
def test_a_library_that_cannot_be_read_is_an_error(data_dir, tmp_path, name):
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(LibraryError, match=str(folder)):
        load_context(load_settings(library=folder / name))


def test_a_store_that_cannot_be_used_is_an_error_that_says_what_to_do(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(StoreError, match="CLINALIGN_STORE") as caught:
        load_context(load_settings(store=str(blocked)))
    assert isinstance(caught.value, ClinAlignError)
