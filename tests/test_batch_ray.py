"""A batch on a real Ray of this machine, two workers, one for the whole module: what comes out, what dies, and what is paid for."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from waiting import wait_until

from agent.batch.errors import BatchError
from agent.batch.ray_cluster import connected
from agent.batch.ray_pool import RayRunner, _for_nodes
from agent.batch.revising import AgentOpener, Revising
from agent.batch.rows import Row
from agent.batch.run import BatchRun
from agent.batch.task import Done, Fatal, Left, Task
from agent.config import Settings, load_settings
from agent.errors import ConfigError
from agent.testing import FakeServer, Fault, Reply
from evals.rehearsed import RehearsedModel
from principles_store.library import load_library

pyarrow = pytest.importorskip("pyarrow")
remote = pytest.importorskip("ray")
pytest.importorskip("ray.data")

from agent.batch.ray_actors import MAX_DEATHS, Desk, Worker, event_of  # noqa: E402  # needs Ray

CALLS_PER_ROW = 3
IN_FLIGHT = 8
Body = Mapping[str, Any]


@dataclass
class Ray:
    """The one Ray of the module, with a model server that its workers know; each test says what the server says."""

    server: FakeServer
    settings: Settings
    address: str
    says: Callable[[Body], Reply | Fault] = field(default_factory=RehearsedModel)

    @property
    def asked(self) -> int:
        return len(self.server.requests)

    def run(self, rows: list[dict[str, Any]], output: Path | None = None, **options: Any) -> BatchRun:
        runner = RayRunner(
            AgentOpener(self.settings), options.pop("in_flight", IN_FLIGHT), actors=options.pop("actors", 2)
        )
        return BatchRun(Revising(rows, self.settings), runner, output=output, **options)


@pytest.fixture(scope="module")
def shared_ray(built_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ray]:
    store = tmp_path_factory.mktemp("ray") / "chroma"
    with FileLock(built_store.parent / ".lock"):
        shutil.copytree(built_store, store)
    made: list[Ray] = []

    def says(body: Body) -> Reply | Fault:
        return made[0].says(body)

    with FakeServer(says) as server, pytest.MonkeyPatch.context() as environment:
        environment.setenv("OPENAI_BASE_URL", server.base_url)
        environment.setenv("OPENAI_API_KEY", "none")
        with connected(None) as ray:
            settings = load_settings(model="openai:fake", store=str(store))
            made.append(Ray(server, settings, ray.get_runtime_context().gcs_address))
            yield made[0]
    assert not any(map(_is_alive, _workers())), "Ray's workers outlive the run"


@pytest.fixture
def ray(shared_ray: Ray) -> Ray:
    shared_ray.says = RehearsedModel()
    shared_ray.server.requests.clear()
    shared_ray.server.most_in_flight = 0
    return shared_ray


def questions(count: int) -> list[dict[str, Any]]:
    text = "It is usually nothing serious. Drink enough."
    return [{"id": f"q{n}", "question": f"My knee hurts for {n} days. Why?", "draft": text} for n in range(count)]


def written(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.read_bytes().splitlines()]


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(row["id"] for row in rows)


def _workers() -> list[int]:
    """Return the processes in which rows are revised, of this Ray and no other: grandchildren of ours."""
    parents = {int(entry.name): _parent(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    workers = [pid for pid, parent in parents.items() if parents.get(parent) == os.getpid()]
    return [pid for pid in workers if _read(pid, "cmdline").startswith("ray::MapWorker")]


def _parent(pid: int) -> int:
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return int(fields[1]) if fields else 0


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it has ended by now
        return ""


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


pytestmark = pytest.mark.slow


def test_every_row_is_written_once_though_one_fails_and_a_worker_dies_and_only_calls_in_flight_are_paid_again(
    ray: Ray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.batch.ray_pool._PORTION", 16)
    killed: list[int] = []
    ray.says = killing_a_worker(ray, after_calls=20, killed=killed, otherwise=failing_on("for 3 days"))
    run = ray.run(questions(24), tmp_path / "out.jsonl", in_flight=12)
    given = [json.loads(done.line) for done in run]
    rows = written(tmp_path / "out.jsonl")
    assert killed
    assert given == rows
    assert ids(rows) == ids(questions(24))
    [error] = [row for row in rows if not row.get("accepted")]
    assert (list(error), error["id"], error["error"]["type"]) == (["id", "error"], "q3", "ModelError")
    assert 1 < ray.server.most_in_flight <= 12
    # what the killed worker had kept, but not told yet, is used and not counted
    assert 23 * CALLS_PER_ROW - 12 // 2 <= run.tally.spent.calls <= 23 * CALLS_PER_ROW
    assert ray.asked <= 1 + 23 * CALLS_PER_ROW + 12 // 2


def failing_on(text: str) -> Callable[[Body], Reply | Fault]:
    healthy = RehearsedModel(0.5)
    return lambda body: Fault.http(400, "no") if text in json.dumps(body["messages"]) else healthy(body)


def killing_a_worker(
    ray: Ray, *, after_calls: int, killed: list[int], otherwise: Callable[[Body], Reply | Fault]
) -> Callable[[Body], Reply | Fault]:
    def says(body: Body) -> Reply | Fault:
        if ray.asked == after_calls:
            killed.append(max(_workers()))
            os.kill(killed[0], signal.SIGKILL)
        return otherwise(body)

    return says


def test_a_batch_that_is_killed_and_then_halted_is_continued_and_pays_again_only_for_calls_in_flight(
    ray: Ray, tmp_path: Path
) -> None:
    ray.says = RehearsedModel(0.2)
    rows, output = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in questions(24)), encoding="utf-8")
    kill_a_batch(ray, rows, output, after_calls=30)
    done, asked = len(written(output)), ray.asked
    assert 0 < done < 24
    halted = BatchRun(
        Revising(rows, ray.settings), RayRunner(AgentOpener(ray.settings), IN_FLIGHT, actors=2), output=output
    )
    for _ in halted:
        halted.halt()
    assert done < len(written(output)) < 24
    last = BatchRun(
        Revising(rows, ray.settings), RayRunner(AgentOpener(ray.settings), IN_FLIGHT, actors=2), output=output
    )
    list(last)
    assert ids(written(output)) == ids(questions(24))
    assert asked + halted.tally.spent.calls + last.tally.spent.calls == ray.asked
    assert ray.asked <= 24 * CALLS_PER_ROW + IN_FLIGHT


def kill_a_batch(ray: Ray, rows: Path, output: Path, *, after_calls: int) -> None:
    """Run a batch in a process of its own, which joins the Ray by its address; kill it in the middle."""
    program = (
        "import sys; from pathlib import Path; from agent.batch.ray_pool import RayRunner;"
        "from agent.batch.revising import AgentOpener, Revising;"
        "from agent.batch.run import BatchRun; from agent.config import load_settings;"
        "settings = load_settings(model='openai:fake', store=sys.argv[3]);"
        "runner = RayRunner(AgentOpener(settings), 8, address=sys.argv[4], actors=2);"
        "list(BatchRun(Revising(Path(sys.argv[1]), settings), runner, output=Path(sys.argv[2])))"
    )
    given = [str(rows), str(output), str(ray.settings.store), ray.address]
    batch = subprocess.Popen([sys.executable, "-c", program, *given], env={**os.environ, "RAY_AUTH_MODE": "token"})
    wait_until(lambda: ray.asked >= after_calls or batch.poll() is not None)
    batch.kill()
    batch.wait()
    wait_until(lambda: not _workers())


def test_an_engine_that_cannot_be_opened_ends_the_batch_with_its_reason(ray: Ray) -> None:
    settings = ray.settings.model_copy(update={"model": "nobody:nothing"})
    run = BatchRun(Revising(questions(2), settings), RayRunner(AgentOpener(settings), 2, actors=1))
    with pytest.raises(BatchError, match=re.escape(f"on the node {socket.gethostname()}: ")) as raised:
        list(run)
    assert "nobody" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_row_at_which_every_worker_dies_becomes_an_error_row(ray: Ray) -> None:
    desk, library = opened_desk(), load_library()
    row = Row("deadly", [{"role": "user", "content": "Why?"}], None)
    for _ in range(MAX_DEATHS + 1):
        remote.get(desk.begin.remote("deadly"))
    worker = Worker(AgentOpener(ray.settings), desk, (version("clinalign"), library.content_hash))
    [done] = event_of(worker(pyarrow.table({"task": [pickle.dumps(Task(row))]})))
    assert isinstance(done, Done)
    assert (done.id, done.error) == ("deadly", "WorkerDied")


def test_a_node_with_another_library_ends_the_batch_and_does_no_row(ray: Ray) -> None:
    desk = opened_desk()
    worker = Worker(AgentOpener(ray.settings), desk, (version("clinalign"), "other"))
    [told] = remote.get(desk.finish.remote())
    assert isinstance(told, Fatal)
    assert re.search(r"the library's hash is \w+, and other where", told.message)
    row = Row("q", [{"role": "user", "content": "Why?"}], None)
    assert event_of(worker(pyarrow.table({"task": [pickle.dumps(Task(row))]}))) == [Left("q")]


def opened_desk() -> Any:
    return remote.remote(Desk).options(num_cpus=0).remote(None)


def test_ray_that_is_not_installed_is_named_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=re.escape("pip install 'clinalign[ray]'")), connected(None):
        pass


@pytest.mark.parametrize(
    ("address", "message"),
    [("127.0.0.1:1", "no Ray cluster answers"), ("ray://h:1", "on a node of the cluster"), ("head", "no address")],
)
def test_an_address_without_a_cluster_is_refused_at_once(address: str, message: str) -> None:
    program = f"from agent.batch.ray_cluster import connected\nwith connected({address!r}): pass"
    began = time.monotonic()
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert message in told.stderr.splitlines()[-1]
    assert time.monotonic() - began < 20


def test_a_node_with_another_working_directory_finds_the_small_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _for_nodes(Settings(judge="small:a,openai:b")).judge == f"small:{tmp_path.resolve()}/a,openai:b"
