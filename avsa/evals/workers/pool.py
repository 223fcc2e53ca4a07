"""Running the tasks of an evaluation in worker processes."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from avsa.evals.subject import Evaluated
from avsa.evals.workers.inputs import WorkerInputs
from avsa.training.distributed import World
from avsa.training.run_folder import fingerprint
from yt360.devices import cores_per_process, usable_cores
from yt360.errors import UserError
from yt360.execution.engines.choice import open_executor
from yt360.execution.executor import Executor, LocalExecutor, workers_of
from yt360.execution.local import Crashed
from yt360.files import resolved
from yt360.shards.format.reader import ShardReader

logger = logging.getLogger(__name__)

Task = TypeVar("Task")
Result = TypeVar("Result")
ATTEMPTS = 3
"""How often a task is tried whose process dies."""


@dataclass(frozen=True)
class Workers:
    """Worker processes of an evaluation.

    Attributes:
        executor: Where they run.
        count: Number of them, at least 1.
        device: Device of each: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``. Those that share
            a machine take its GPUs in turn.
    """

    executor: Executor
    count: int
    device: str

    @property
    def is_elsewhere(self) -> bool:
        """Whether they run on an engine, not as processes of this machine."""
        return not isinstance(self.executor, LocalExecutor)

    def run(
        self, function: Callable[[Task], Result], tasks: Sequence[Task]
    ) -> Iterator[tuple[Task, Result]]:
        """Yield each task with its result, in any order.

        Args:
            function: Called with a task in a worker; it, tasks and results are pickled. A task may
                run twice, also at once.
            tasks: The tasks.

        Raises:
            UserError: The process of a task died `ATTEMPTS` times (``"system"``), the engine
                failed, or raised by `function`.
        """
        waiting, deaths = deque(tasks), Counter[int]()
        if not tasks:
            return
        with self.executor.pool(min(self.count, len(tasks))) as pool:
            for task, result in pool.run(function, waiting):
                if not isinstance(result, Crashed):
                    yield task, result
                    continue
                deaths[id(task)] += 1
                if deaths[id(task)] >= ATTEMPTS:
                    raise UserError(
                        f"{ATTEMPTS} worker processes died under one task of the evaluation: "
                        f"{result.describe()}; what is done is kept: run the same command again "
                        "to continue, with fewer --workers if memory is short",
                        "system",
                        "--workers",
                    )
                waiting.append(task)

    def inputs(self, subject: Evaluated, clips: ShardReader) -> WorkerInputs:
        """Return what workers open, which is checked to be the same there.

        Args:
            subject: The model.
            clips: A split of a dataset.
        """
        name = Path(subject.name)
        return WorkerInputs(
            subject=str(name.absolute()) if name.exists() else subject.name,
            weights_sha256=subject.require_model().weights_hash(),
            device=self.device,
            dataset=clips.dataset.absolute(),
            split=clips.split,
            clips=fingerprint(clips),
            threads=torch.get_num_threads(),
            decoders=None if self.is_elsewhere else max(1, cores_per_process() // self.count),
        )


def choose_workers(
    executor: str, config: Path | None, count: int | None, device: str, out: Path, world: World
) -> Workers | None:
    """Return the workers of a command; None if this process does the work itself.

    Args:
        executor: As for `yt360.execution.engines.choice.open_executor`, as the next one.
        config: YAML file of the engine's options.
        count: Number of workers; None for 1 on this machine, and the engine's default elsewhere.
        device: See `Workers`.
        out: Folder of the results; the folder of jobs of Slurm is beside it.
        world: This process and the other ranks.

    Raises:
        UserError: The engine is unknown, not installed, or combined with ranks of torchrun
            (``"conflict"``).
    """
    engine = open_executor(executor, config, resolved(out))
    number = workers_of(engine, count, 1)
    if isinstance(engine, LocalExecutor) and number == 1:
        return None
    if world.size > 1:
        raise UserError(
            f"--executor and --workers do not go together with the {world.size} ranks of "
            "torchrun; leave out one of the two",
            "conflict",
            "--executor",
        )
    workers = Workers(engine, number, device)
    threads, cores = torch.get_num_threads(), usable_cores()
    if not workers.is_elsewhere and world.device.type == "cpu" and number * threads > cores:
        logger.warning(
            "%d workers with %d threads each share %d cores; OMP_NUM_THREADS=%d is faster",
            number, threads, cores, max(1, cores // number),
        )  # fmt: skip
    return workers
