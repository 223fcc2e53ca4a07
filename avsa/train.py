"""The training loop.

A step is a pure function of the weights, the optimizer's state and (recipe, dataset, step): order,
times, views, jitters and dropout are drawn from keys. So a run that was killed goes on from its
last checkpoint with the same losses to the bit on the same machine, and a run on another number of
ranks sees the same clips (docs/training.md says what may differ there).
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from avsa.accumulate import Inputs, forward_backward
from avsa.batch import Batch, make_batch
from avsa.checkpoint import checkpoint_path, drop_old_checkpoints, save_checkpoint
from avsa.config import TrainConfig
from avsa.curriculum import Stage, lay_out
from avsa.data import Loader
from avsa.distributed import World, from_first_rank, mean_over_ranks, require_agreement
from avsa.guides import open_guide
from avsa.model import Encoders, autocast, place_encoders
from avsa.optimization import build_optimizer, learning_rate, set_learning_rate
from avsa.remote import open_clips
from avsa.runfolder import fingerprint, open_run
from avsa.runlog import FILE_NAME as LOG_FILE
from avsa.runlog import RunLog, memory_mb
from avsa.stats import ensure_stats
from avsa.tasks import Metrics, build_task
from avsa.typed import flatten, to_mapping
from avsa.validation import Validation
from avsa.views import check_views
from yt360.errors import UserError
from yt360.files import write_json
from yt360.randomness import keyed_generator
from yt360.shards.reader import ShardReader

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """How a call of `train` ended.

    Attributes:
        step: Steps done in all.
        steps: Steps that were asked for.
        checkpoint: The newest one.
        stopped_by: Name of the signal that ended it early, or None.
    """

    step: int
    steps: int
    checkpoint: Path
    stopped_by: str | None

    def message(self, run: Path) -> str:
        """Return where things are and what to do next, in a few lines."""
        end = f"stopped by {self.stopped_by}, " if self.stopped_by else ""
        lines = [
            f"{end}step {self.step} of {self.steps}; checkpoint: {self.checkpoint}",
            f"log: {run / LOG_FILE}; curves: tensorboard --logdir {run}",
            f'use it: model = avsa.load("{run}")',
        ]
        if self.step < self.steps:
            lines.append(f"go on: avsa train --out {run} --resume")
        return "\n".join(lines)


def train(
    config: TrainConfig,
    dataset: Path,
    run: Path,
    world: World,
    *,
    steps: int | None = None,
    resume: bool = False,
    log_keys: bool = False,
) -> Outcome:
    """Train by a recipe, or go on with a run.

    Args:
        config: The recipe.
        dataset: Folder of shards; its ``train`` split is used.
        run: Folder for the recipe, logs and checkpoints.
        world: This process among the ranks.
        steps: Stop after this many steps in all, before the recipe's end.
        resume: Go on from the newest checkpoint in `run`.
        log_keys: Write the keys of each batch's clips into its log line.

    Raises:
        UserError: Run, dataset and recipe do not go together, or the loss is not finite.
    """
    clips = open_clips(dataset, "train")
    stages = lay_out(config, clips.video_ids, clips.shard_numbers.tolist(), world.size)
    for name in config.stages:
        check_views(config.stage_views(name))
    require_agreement({"the dataset": fingerprint(clips.keys), **flatten(to_mapping(config))})
    stats = _on_first_rank(world, lambda: ensure_stats(dataset, config.audio))
    saved = _on_first_rank(
        world, lambda: open_run(config, dataset, fingerprint(clips.keys), run, resume)
    )

    step = saved["step"] if saved else 0
    last_step = min(stages[-1].last_step, steps or stages[-1].last_step)
    if step >= last_step:
        return Outcome(step, last_step, checkpoint_path(run, step), None)

    _seed(config.seed, "encoders")
    encoders = Encoders(config.video_encoder, config.audio_encoder, config.audio.channels)
    if saved:
        encoders.load_state_dict(saved["encoders"])
    encoders = place_encoders(encoders, config.compute, world).train()
    numerics = partial(autocast, config.compute, world.device)
    held_out = open_clips(dataset, config.validation.split) if config.validation.every else None

    with (
        _log(run, step, last_step, world) as log,
        _StopSignals() as stop,
        _determinism(config.compute.deterministic),
    ):
        for stage in stages:
            if step >= min(stage.last_step, last_step):
                continue
            # Encoders go on from stage to stage; the task's networks and the optimizer start anew.
            _seed(config.seed, "task", stage.name)
            task = build_task(stage.config.task, config.video_encoder.feature_dim)
            task = task.to(world.device).train()
            parameters = [*encoders.parameters(), *task.parameters()]
            optimizer = build_optimizer(parameters, config.optimizer)
            if saved and saved["stage"] == stage.name:
                task.load_state_dict(saved["task"])
                optimizer.load_state_dict(saved["optimizer"])
            saved = None
            shared_encoders, shared_task = _share(encoders, world), _share(task, world)

            loader = _open_loader(config, stage, clips, world)
            validation = held_out and Validation(config, stage.name, held_out, stats, world)
            count = min(stage.last_step, last_step) - step
            views = config.stage_views(stage.name)
            batches = (
                make_batch(raw, stage.seed, views, config.audio, stats, world.device)
                for raw in islice(loader.batches(step - stage.first_step), count)
            )
            upcoming, finished_at = next(batches, None), time.perf_counter()
            while upcoming is not None:
                batch, step = upcoming, step + 1
                # Dropout draws from torch's own generator, which is keyed here for this step.
                _seed(config.seed, "step", step, world.rank)
                rate = learning_rate(config.optimizer, step - 1 - stage.first_step, stage.steps)
                set_learning_rate(optimizer, rate)
                optimizer.zero_grad(set_to_none=True)

                inputs = Inputs(batch.video, batch.audio, batch.directions, batch.raw.moments)
                loss, metrics = forward_backward(
                    shared_encoders, shared_task, inputs, numerics, config.optimizer.micro_batches
                )
                # Queued now, while the device is still busy with the gradients.
                upcoming = next(batches, None)

                # Device sync, the only one in a step: the host waits for the loss, because the
                # optimizer may not move when it is not finite.
                record, stopping = _on_host(loss, metrics, stop)
                if not math.isfinite(record["loss"]):
                    raise _not_finite(run, world, step, record["loss"], batch)
                if config.optimizer.gradient_clip > 0:
                    nn.utils.clip_grad_norm_(parameters, config.optimizer.gradient_clip)
                optimizer.step()

                step_s, finished_at = time.perf_counter() - finished_at, time.perf_counter()
                record |= {"lr": rate, **_costs(batch, step_s, world)}
                record["failed_reads"] = loader.failed_reads
                keys = _from_all_ranks(batch.raw.keys, world) if log_keys else None
                ending = stopping or upcoming is None
                if validation and (upcoming is None or step % config.validation.every == 0):
                    record |= validation.judge(encoders, task)
                    finished_at = time.perf_counter()
                if log is not None:
                    log.step(step, stage.name, batch.raw.epoch, record, keys)

                if world.is_first and (ending or step % config.checkpoint.every == 0):
                    content = {"step": step, "stage": stage.name, "config": to_mapping(config)}
                    content |= {"clips": fingerprint(clips.keys), "stats": asdict(stats)}
                    content |= {"encoders": encoders.state_dict(), "task": task.state_dict()}
                    content |= {"optimizer": optimizer.state_dict()}
                    save_checkpoint(checkpoint_path(run, step), content)
                    drop_old_checkpoints(run, config.checkpoint.keep)
                if stopping:
                    return Outcome(step, last_step, checkpoint_path(run, step), stop.name)
    return Outcome(step, last_step, checkpoint_path(run, step), None)


def _open_loader(config: TrainConfig, stage: Stage, clips: ShardReader, world: World) -> Loader:
    return Loader(
        clips,
        stage.plan,
        config.stage_data(stage.name),
        stage.seed,
        world.rank,
        world.size,
        pin_memory=world.device.type == "cuda",
        guide=open_guide(config.stage_views(stage.name), clips),
    )


def _on_host(loss: Tensor, metrics: Metrics, stop: _StopSignals) -> tuple[dict[str, float], bool]:
    """Return loss and metrics averaged over ranks, and whether any rank was told to stop."""
    wanted = torch.full_like(loss, float(stop.name is not None))
    values = mean_over_ranks(torch.stack([wanted, loss, *metrics.values()])).tolist()
    return dict(zip(["loss", *metrics], values[1:], strict=True)), values[0] > 0


def _costs(batch: Batch, step_s: float, world: World) -> dict[str, float]:
    """Return what a step took: time, views a second over all ranks, waiting for data, memory."""
    views = batch.video.shape[0] * batch.video.shape[1] * world.size
    return {
        "step_s": step_s,
        "views_per_s": views / step_s,
        "data_wait_s": batch.raw.wait_s,
        "memory_mb": memory_mb(world.device),
    }


def _share(module: nn.Module, world: World) -> nn.Module:
    """Return a module whose gradients are averaged over ranks, the same one on a single rank."""
    return module if world.size == 1 else DistributedDataParallel(module)


def _on_first_rank(world: World, work: Callable[[], T]) -> T:
    """Return what `work` gives on rank 0, on every rank; its `UserError` is raised on all."""
    result: T | None = None
    error: UserError | None = None
    if world.is_first:
        try:
            result = work()
        except UserError as caught:
            error = caught
    result, error = from_first_rank((result, error))
    if error is not None:
        raise error
    return cast(T, result)


def _from_all_ranks(values: list[str], world: World) -> list[str]:
    if world.size == 1:
        return values
    gathered: list[Any] = [None] * world.size
    dist.all_gather_object(gathered, values)
    return [value for part in gathered for value in part]


def _not_finite(run: Path, world: World, step: int, loss: float, batch: Batch) -> UserError:
    """Save which clips met a loss that is not finite; return the error that says so."""
    path = run / f"not-finite-step-{step:08d}.json"
    keys = _from_all_ranks(batch.raw.keys, world)
    if world.is_first:
        write_json(path, {"step": step, "loss": str(loss), "keys": keys})
    return UserError(
        f"the loss is {loss} at step {step}; the weights were left as they were, the batch's clips "
        f"are in {path}; go on from the last checkpoint with --resume, with a lower optimizer.lr "
        "or compute.bfloat16=off"
    )


def _log(
    run: Path, step: int, last_step: int, world: World
) -> AbstractContextManager[RunLog | None]:
    return RunLog(run, step, last_step) if world.is_first else nullcontext()


def _seed(*key: int | str) -> None:
    torch.manual_seed(int(keyed_generator(*key).integers(2**63)))


@contextmanager
def _determinism(wanted: bool) -> Iterator[None]:
    """Let torch choose deterministic kernels alone while the block runs."""
    before = torch.are_deterministic_algorithms_enabled()
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS demands it
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


class _StopSignals:
    """Turns SIGTERM and Ctrl-C into a wish to stop after the step; a second Ctrl-C interrupts.

    Attributes:
        name: Of the signal that came, or None.
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> _StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.name is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name
