"""`revise_all`: the rows of the file as they are written, one iterator for whoever calls it from Python."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_work import (
    CALLS,
    SETTINGS,
    Model,
    Row,
    a_run,
    asked,
    ids_in,
    ids_of,
    input_of,
    rows_in,
    without_seconds,
)
from scripted_model import with_model
from waiting import wait_until

from agent.api import invoke
from agent.batch import revise_all
from agent.batch.disk import JournalError
from agent.batch.errors import BatchError
from agent.config import Settings
from agent.state import AgentContext
from agent.testing import FakeServer, Fault


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def threads_of_rows() -> int:
    return sum(thread.name.startswith("clinalign-row-") for thread in threading.enumerate())


def test_what_is_yielded_is_the_file_in_its_order_and_on_disk_before(context: AgentContext, output: Path) -> None:
    yielded: list[Row] = []
    with FakeServer(Model()) as server:
        engine = with_model(context, server)
        for row in revise_all(asked(12), output=output, settings=SETTINGS, context=engine, concurrency=5):
            assert row["id"] in ids_in(output)
            yielded.append(row)
    assert yielded == rows_in(output)
    assert len(yielded) == 12


def test_rows_are_what_invoke_gives(context: AgentContext) -> None:
    settings = Settings()
    rows = [*asked(3), {"question": "Is 38 °C a fever?"}, "My chest hurts."]
    given = {row["id"]: row for row in revise_all(rows, settings=settings, context=context)}  # type: ignore[arg-type]
    for id, question, draft in [
        ("r1", asked(2)[1]["question"], asked(2)[1]["draft"]),
        ("row-4", "Is 38 °C a fever?", None),
        ("row-5", "My chest hurts.", None),
    ]:
        expected = invoke(question, draft=draft, context=context)
        assert without_seconds(given[id]) == without_seconds({"id": id, **json.loads(json.dumps(expected))})


def test_leaving_the_loop_frees_the_output_and_the_threads(context: AgentContext, output: Path) -> None:
    model = Model(delay_s=0.1)

    def rows() -> Iterator[Row]:
        engine = with_model(context, server)
        return revise_all(asked(12), output=output, settings=SETTINGS, context=engine, concurrency=3)

    with FakeServer(model) as server:
        for row in rows():
            assert "answer" in row
            break
        wait_until(lambda: not threads_of_rows(), at_most_s=20)
        before = ids_in(output)
        rest = list(rows())
    assert ids_of([*map(dict, rest), *({"id": id} for id in before)]) == ids_of(asked(12))
    assert len(model.asked) == 12 * CALLS
    assert not model.asked_twice


def test_a_batch_without_an_output_keeps_nothing(context: AgentContext, tmp_path: Path) -> None:
    with FakeServer(Model()) as server:
        rows = list(revise_all(asked(3), settings=SETTINGS, context=with_model(context, server)))
    assert ids_of(rows) == ["r0", "r1", "r2"]
    assert list(tmp_path.iterdir()) == []


def test_a_row_that_was_cut_off_costs_only_its_open_call(context: AgentContext, output: Path) -> None:
    source, model = input_of(output.parent, asked(6)), Model(delay_s=0.05)
    with FakeServer(model) as server:
        with pytest.raises(JournalError, match="is gone while the run was writing"):
            for _ in a_run(source, context, server, output):
                output.rename(output.with_suffix(".away"))
        output.with_suffix(".away").rename(output)
        wait_until(lambda: not threads_of_rows())
        list(a_run(source, context, server, output))
    assert not model.asked_twice
    assert ids_of(rows_in(output)) == ids_of(asked(6))


def test_a_server_that_refuses_every_row_is_an_error_after_the_rows_that_it_refused(
    context: AgentContext, output: Path
) -> None:
    with FakeServer(Model(faults=lambda case, task: Fault.http(401, "wrong key"))) as server:
        rows = revise_all(asked(60), output=output, context=with_model(context, server), settings=SETTINGS)
        with pytest.raises(BatchError, match=r"wrong key.*call again to continue"):
            list(rows)
    assert 16 <= len(rows_in(output)) < 60
