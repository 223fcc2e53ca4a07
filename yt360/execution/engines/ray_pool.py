"""Worker processes on the nodes of a Ray cluster.

Each worker is an actor that holds one local worker process (`RemoteWorker`). An actor runs one task
at a time. If an actor or its node ends, another actor takes its place and its task is handed out
again. Actors that wait for a free place in the cluster do not hold tasks, and places that become
free later, also on new nodes, are used.

Ray prints what it likes, and ends its process if the cluster goes away. Therefore `RayExecutor`
runs it in a process of its own (`yt360.execution.engines.bridge`).
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, TypeVar

from pydantic import Field

from yt360.config import config_class
from yt360.devices import usable_cores
from yt360.errors import UserError
from yt360.execution.engines.bridge import Bridge
from yt360.execution.executor import MAX_LOSSES
from yt360.execution.limits import Limits
from yt360.execution.local import Crashed
from yt360.execution.remote_worker import RemoteWorker, pickled_task, result_of
from yt360.plugins import loaded_plugins
from yt360.terminal.text import shortened

Task = TypeVar("Task")
Result = TypeVar("Result")
MAX_FAILED_STARTS = 3
"""Workers in a row that may end before they are ready, while none is."""
MAX_STARTING = 64
"""Workers that start, or wait for a free place in the cluster, at once."""
CONNECT_TIMEOUT_S = 10.0
"""Time in seconds after which a cluster that accepts no connection counts as missing."""
POLL_S = 0.1
"""Time in seconds after which new tasks are looked for."""


@config_class
class RayConfig:
    """Options of Ray."""

    cpus: Annotated[float, Field(ge=0)] = 1.0
    """Logical CPUs of a worker."""
    gpus: Annotated[float, Field(ge=0)] = 0.0
    """GPUs of a worker; a fraction lets several workers share one."""
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    """Memory of a worker in 10^9 bytes, by which Ray places workers; None: not considered."""
    resources: dict[str, float] = Field(default_factory=dict)
    """Custom resources of a worker, such as those of nodes that see the media."""
    env: dict[str, str] = Field(default_factory=dict)
    """Environment variables of the workers."""
    start_timeout_s: Annotated[float, Field(gt=0)] = 600.0
    """Time to wait for the first worker."""


class RayExecutor:
    """Runs workers on a Ray cluster.

    Args:
        config: Options.
        address: Address of the cluster; None starts one on this machine, which ends with the pool.
    """

    def __init__(self, config: RayConfig, address: str | None = None) -> None:
        self._config, self._address = config, address

    @property
    def default_workers(self) -> int:
        """As many as fit, up to 1,000; those of this machine for a cluster of its own."""
        if self._address is None:
            return max(1, int(usable_cores() / max(self._config.cpus, 1.0)))
        return 1000

    def require_answer(self) -> None:
        """Check that something listens at the address.

        Raises:
            UserError: ``"network"``: Nothing does.
        """
        if self._address is not None:
            try:
                require_listener(self._address)
            except (OSError, OverflowError, ValueError) as error:  # also names that no host has
                raise _no_cluster(self._address, error) from None

    def pool(self, workers: int, limits: Limits | None = None) -> Bridge:
        """See `yt360.execution.executor.Executor`."""
        where = self._address or "this machine"
        opening = partial(open_pool, self._address, self._config, workers, limits)
        return Bridge(opening, workers, f"the Ray cluster at {where}")


@contextmanager
def open_pool(
    address: str | None, config: RayConfig, workers: int, limits: Limits | None
) -> Iterator[RayPool]:
    """Connect to a cluster and return a pool on it; see `RayExecutor`.

    Raises:
        UserError: No cluster answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    where: dict[str, Any] = {"address": address}
    if address is None:
        cpus = max(1, round(workers * config.cpus))
        where = {"address": "local", "include_dashboard": False, "num_cpus": cpus}
    try:
        if address is not None:
            require_listener(address)
            os.environ.update(token_mode(os.environ, Path.home()))
        import ray  # only now: it reads the environment

        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # also plain ones, such as for a node that starts too slowly
        raise _no_cluster(address, error) from None
    try:
        with RayPool(ray, workers, limits, config) as pool:
            yield pool
    finally:
        ray.shutdown()


def _no_cluster(address: str | None, error: Exception) -> UserError:
    return UserError(
        f"no Ray cluster answers at {address or 'this machine'}: "
        f"{shortened(' '.join(str(error).split()), 200)}; start one with `ray start --head` "
        "and give its address, such as --executor ray:HOST:6379, and its token if it has one "
        "(`ray get-auth-token` there, RAY_AUTH_TOKEN here)",
        code="network",
        key="--executor",
    )


def require_listener(address: str) -> None:
    """Check that something accepts connections at an address; Ray would try for minutes.

    Args:
        address: ``HOST:PORT`` or ``ray://HOST:PORT``; others, such as ``auto``, are not checked.

    Raises:
        OSError: The connection is refused, or not accepted within `CONNECT_TIMEOUT_S`.
        OverflowError: The port is above 65535.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S).close()


def token_mode(environment: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the variable by which Ray sends its token to a cluster.

    `ray start` makes clusters ask for the token where one exists, but its client sends one only if
    ``RAY_AUTH_MODE`` says so. Clusters that ask for none ignore it.

    Args:
        environment: Environment variables; one that is set is kept.
        home: Home folder, with the token in ``.ray/auth_token``.
    """
    has_token = (
        environment.get("RAY_AUTH_TOKEN")
        or environment.get("RAY_AUTH_TOKEN_PATH")
        or (home / ".ray" / "auth_token").is_file()
    )
    return {"RAY_AUTH_MODE": "token"} if has_token and "RAY_AUTH_MODE" not in environment else {}


@dataclass(eq=False)
class _Worker:
    """An actor.

    Attributes:
        actor: Its handle.
        is_ready: Whether it has started.
        task: The task that it runs.
    """

    actor: Any
    is_ready: bool = False
    task: Any = None


class RayPool:
    """Workers on a Ray cluster; see `yt360.execution.local.WorkerPool`.

    Args:
        ray: The package, connected to a cluster.
        workers: Number of workers, at least 1; fewer run if the cluster has no place for all.
        limits: Limits of each worker; None for no limits.
        config: Options.
    """

    def __init__(self, ray: Any, workers: int, limits: Limits | None, config: RayConfig) -> None:
        self._ray, self._config, self._wanted = ray, config, workers
        self._arguments = limits, loaded_plugins(), str(Path.cwd())
        self._class = ray.remote(RemoteWorker).options(**_options(config))
        self._workers: list[_Worker] = []
        self._waiting: dict[Any, _Worker] = {}
        """Reference to the next reply of a worker -> the worker."""
        self._losses: Counter[int] = Counter()
        """Identity of a task that is under way -> workers that ended under it."""
        self._failed_starts = 0
        self._started_at = time.monotonic()

    def __enter__(self) -> RayPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            with suppress(Exception):  # its node may be gone
                self._ray.kill(worker.actor)

    def run(
        self, function: Callable[[Task], Result], tasks: deque[Task]
    ) -> Iterator[tuple[Task, Result | Crashed]]:
        """See `yt360.execution.local.WorkerPool.run`.

        Raises:
            UserError: No worker starts, or a task has lost `MAX_LOSSES` workers.
        """
        while True:
            self._assign(function, tasks)
            if not any(worker.task is not None for worker in self._workers) and not tasks:
                return
            for reference in self._next_replies():
                worker = self._waiting.pop(reference)
                task, worker.task = worker.task, None
                try:
                    reply = self._ray.get(reference)
                except self._ray.exceptions.RayError as error:
                    self._remove(worker, task, error, tasks)
                    continue
                if not worker.is_ready:
                    worker.is_ready, self._failed_starts = True, 0
                    continue
                self._losses.pop(id(task), None)
                yield task, result_of(reply)

    def _assign(self, function: Callable[[Any], Any], tasks: deque[Any]) -> None:
        """Give tasks to the ready workers that have none; start the workers that are missing."""
        idle = [each for each in self._workers if each.is_ready and each.task is None]
        for worker in idle[: len(tasks)]:
            worker.task = tasks.popleft()
            reply = worker.actor.call.remote(pickled_task(function, worker.task))
            self._waiting[reply] = worker
        starting = sum(not worker.is_ready for worker in self._workers)
        missing = min(self._wanted - len(self._workers), min(len(tasks), MAX_STARTING) - starting)
        for _ in range(missing):
            worker = _Worker(self._class.remote(*self._arguments))
            self._workers.append(worker)
            self._waiting[worker.actor.ready.remote()] = worker

    def _next_replies(self) -> list[Any]:
        """Wait up to `POLL_S` for a reply of a worker; return all that have arrived."""
        waiting = list(self._waiting)
        if any(worker.is_ready for worker in self._workers):
            self._started_at = time.monotonic()
        limit_s = self._config.start_timeout_s
        if time.monotonic() > self._started_at + limit_s:
            raise UserError(
                f"no worker has started within {limit_s:g} s: the cluster has no free place for "
                f"{self._config.cpus:g} CPUs and {self._config.gpus:g} GPUs; wait, or change them "
                "with --executor-config",
                code="system",
                key="--executor",
            )
        if not self._ray.wait(waiting, num_returns=1, timeout=POLL_S)[0]:
            return []
        return list(self._ray.wait(waiting, num_returns=len(waiting), timeout=0)[0])

    def _remove(self, worker: _Worker, task: Any, error: Exception, tasks: deque[Any]) -> None:
        """Remove a worker that ended, and put its task back."""
        self._workers.remove(worker)
        detail = shortened(" ".join(str(error).split()), 300)
        if not worker.is_ready:
            self._failed_starts += 1
            is_any_ready = any(each.is_ready for each in self._workers)
            if self._failed_starts >= MAX_FAILED_STARTS and not is_any_ready:
                raise UserError(
                    f"workers end when they start: {detail}; every node needs the same "
                    "environment as this one (see PYTHONPATH in --executor-config)",
                    code="dependency",
                    key="--executor",
                )
        elif task is not None:
            self._losses[id(task)] += 1
            if self._losses[id(task)] >= MAX_LOSSES:
                raise UserError(
                    f"{MAX_LOSSES} workers ended under one task: {detail}; run the same command "
                    "again to continue, with fewer workers on a node if memory is short",
                    code="system",
                    key="--executor",
                )
            tasks.appendleft(task)


def _options(config: RayConfig) -> dict[str, Any]:
    """Return the options of the actors."""
    path = os.pathsep.join(each for each in sys.path if each)
    options: dict[str, Any] = {
        "num_cpus": config.cpus,
        "num_gpus": config.gpus,
        "resources": config.resources,
        "max_restarts": 0,
        "scheduling_strategy": "SPREAD",
        "runtime_env": {"env_vars": {"PYTHONPATH": path, **config.env}},
    }
    if config.memory_gb is not None:
        options["memory"] = round(config.memory_gb * 1e9)
    return options
