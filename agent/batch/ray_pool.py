"""A batch on a Ray cluster: the same rows through Ray Data, with an actor pool that keeps the engines open.

Ray places, feeds and restarts the workers; here is only what joins it to the batch: how to connect, a bounded feed, and results
as they come. What runs on the nodes is in `ray_actors.py`. Leaves out Ray Client (`ray://`): the calls that are paid for are kept
on the disk of the machine that the batch runs on, which must be a node (docs/cluster.md).
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from agent.batch.errors import BatchError
from agent.batch.job import Opener, with_settings
from agent.batch.ray_cluster import connected, reason
from agent.batch.runners import driven
from agent.batch.task import Event, Fatal, Task
from agent.batch.worker import Ready
from agent.config import Settings
from agent.errors import ConfigError
from agent.judge_spec import with_folder

_log = logging.getLogger(__name__)

_ROWS_PER_ACTOR = 24
"""In flight, where they wait for a model: more keep an actor's one core busy."""
_PORTION = 20_000
"""Rows after which Ray Data begins anew: it keeps 3 KB of statistics per row while it runs."""
_PATIENCE_S = 60.0
_CPUS = 0.5
"""Reserved by an actor, though there is one actor per CPU at most: so those of a node that is lost find room on the others."""
_CLOSE_S = 10.0


@dataclass(frozen=True)
class RayRunner:
    """Rows on the nodes of a Ray cluster."""

    opener: Opener
    in_flight: int
    """Over all actors together."""
    address: str | None = None
    """host:port, or "auto" for the cluster that this machine belongs to; None: a Ray of this machine alone, for the run."""
    actors: int | None = None
    """None: as many as are worth it."""
    gpus: float = 0.0
    """Of each actor, for a model that runs in it."""

    @contextmanager
    def open(
        self, tasks: Iterator[Task], *, calls: Path | None, halted: threading.Event
    ) -> Iterator[Iterator[Sequence[Event]]]:
        with connected(self.address) as ray:
            actors = self._actors(ray)
            slots = RaySlots(
                ray, self.opener, self.in_flight, actors=actors, gpus=self.gpus, calls=calls and calls.resolve()
            )
            try:
                slots.wait()
                yield driven(slots, tasks, slots.count, halted)
            finally:
                slots.close()

    def _actors(self, ray: Any) -> int:
        found = ray.cluster_resources()
        cpus, gpus = int(found.get("CPU", 0)), found.get("GPU", 0.0)
        if self.gpus > gpus or cpus < 1:
            raise ConfigError(f"the Ray cluster has {cpus} CPUs and {gpus:g} GPUs, too few for one actor")
        if self.actors is not None:
            return min(self.actors, self.in_flight)
        room = int(gpus / self.gpus) if self.gpus else cpus
        nodes = sum(node["Alive"] for node in ray.nodes())
        wanted = self.in_flight
        if self.opener.models and not self.gpus:
            is_loaded = self.opener.models[0].startswith(("hf:", "vllm:"))
            wanted = nodes if is_loaded else max(nodes, self.in_flight // _ROWS_PER_ACTOR)
        return max(1, min(room, wanted, self.in_flight))


class RaySlots:
    """Rows in flight on a cluster; what happens is put into `events`."""

    def __init__(
        self, ray: Any, opener: Opener, in_flight: int, *, actors: int, gpus: float, calls: Path | None
    ) -> None:
        from agent.batch.ray_actors import Desk

        self.events: SimpleQueue[Event] = SimpleQueue()
        self._ray, self._opener, self._gpus, self._actors = ray, opener, gpus, actors
        self._per_actor = -(-in_flight // actors)
        self._ahead = max(2, self._per_actor // 4)  # a task takes some 20 ms from the batch to an actor
        self.count = actors * (self._per_actor + self._ahead)
        self._here = {"num_cpus": 0, "label_selector": {"ray.io/node-id": ray.get_runtime_context().get_node_id()}}
        self._desk = ray.remote(Desk).options(**self._here, max_concurrency=10_000).remote(calls)
        self._hearing = threading.Lock()
        self._is_ready, self._is_closed = threading.Event(), threading.Event()
        self._refusal = ""
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._stream, self._listen)]
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        """Wait until an engine is open; raise BatchError if one can't be."""
        while not self._is_ready.wait(_PATIENCE_S):
            _log.warning("Ray has not opened a worker yet; `ray status` shows what is free")
        if self._refusal:
            raise BatchError(self._refusal)

    def submit(self, task: Task) -> None:
        """Have a row done by the next worker that is free."""
        self._desk.give.remote(task)

    def halt(self) -> None:
        """Begin no further model call; rows that need one are left."""
        self._desk.halt.remote()

    def close(self) -> None:
        """End the workers; what they still do is lost if they don't end soon."""
        self._is_closed.set()
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.get([self._desk.halt.remote(), self._desk.end.remote()])
        for thread in self._threads:
            thread.join(_CLOSE_S)
        self._ray.kill(self._desk)

    def _stream(self) -> None:
        """Put the results of one portion after the other, until the tasks end."""
        from agent.batch.ray_actors import event_of

        first = 0
        try:
            while not self._is_closed.is_set():
                for batch in self._dataset(first).iter_batches(
                    batch_size=None, batch_format="pyarrow", prefetch_batches=0
                ):
                    for event in event_of(batch):
                        self._hear(event)
                first += _PORTION
        except Exception as error:  # whatever ends Ray's work ends the batch, not this thread alone
            if not self._is_closed.is_set():
                with contextlib.suppress(self._ray.exceptions.RayError):
                    self._hear()  # a worker that could not open its engine has said why
                self._refuse(f"Ray gave up: {reason(error)}; run again to continue")

    def _listen(self) -> None:
        """Pass on the news of the desk when no results come."""
        with contextlib.suppress(self._ray.exceptions.RayError):
            while not self._is_closed.wait(0.5):
                self._hear()

    def _hear(self, event: Any = None) -> None:
        """Pass on the news, and then an event: a row's calls are counted before it is done."""
        with self._hearing:
            for told in self._ray.get(self._desk.finish.remote(event and event.id)):
                if isinstance(told, Ready):
                    self._is_ready.set()
                elif isinstance(told, Fatal):
                    self._refuse(told.message)
                else:
                    self.events.put(told)
            if event is not None:
                self.events.put(event)

    def _refuse(self, reason: str) -> None:
        self._refusal = self._refusal or reason
        self._is_ready.set()
        self.events.put(Fatal(self._refusal))

    def _dataset(self, first: int) -> Any:
        from agent.batch.ray_actors import Worker, read_tasks
        from principles_store.library import load_library

        data = self._ray.data
        with data.DataContext.current(_data_context(data)):
            portion = data.from_items([{"first": first, "count": _PORTION}])
            tasks = portion.map_batches(read_tasks, fn_kwargs={"desk": self._desk}, batch_size=None, **self._here)
            opener = with_settings(self._opener, _for_nodes(self._opener.settings))
            made_of = (version("clinalign"), load_library(opener.settings.library).content_hash)
            return tasks.map_batches(
                Worker,
                fn_constructor_args=(opener, self._desk, made_of),
                batch_size=1,
                batch_format="pyarrow",
                compute=data.ActorPoolStrategy(
                    size=self._actors,
                    max_tasks_in_flight_per_actor=self._per_actor + self._ahead,
                    max_concurrent_calls_per_actor=self._per_actor,
                    enable_true_multi_threading=True,
                ),
                num_cpus=_CPUS,
                num_gpus=self._gpus or None,
            )


def _data_context(data: Any) -> Any:
    context = data.DataContext.get_current().copy()
    context.target_max_block_size = 1  # a block per row, sent on at once
    context.execution_options.preserve_order = False
    context.enable_progress_bars = context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = -1  # a batch may wait for its next task for as long as it likes
    context.max_consecutive_actor_init_deaths = 3  # a node may be lost while an engine opens
    return context


def _for_nodes(settings: Settings) -> Settings:
    """Return the settings as a worker needs them, who has another working directory and one core."""
    paths = {name: path.resolve() for name in ("library", "cache", "trace") if (path := getattr(settings, name))}
    store = settings.store
    if store and "://" not in store:
        store = str(Path(store).resolve())
    judge = settings.judge and with_folder(settings.judge, Path.resolve)
    return settings.model_copy(update={**paths, "store": store, "judge": judge, "threads": settings.threads or 1})
