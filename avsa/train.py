"""The training loop.

A step is a pure function of the weights, the optimizer's state and (recipe, dataset, step): order,
times, views, jitters and dropout are drawn from keys. So a run that was killed goes on from its
last checkpoint with the same losses to the bit on the same machine, and a run on another number of
ranks sees the same clips (docs/training.md says what may differ there).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from avsa.batch import Batch, make_batch
from avsa.checkpoint import checkpoint_path, drop_old_checkpoints, save_checkpoint
from avsa.config import TrainConfig
from avsa.curriculum import Stage, lay_out
from avsa.data import Loader, require_long_clips
from avsa.distributed import World, from_first_rank, mean_over_ranks, require_agreement
from avsa.guides import open_guide
from avsa.learner import Learner, build_encoders
from avsa.remote import open_clips
from avsa.runfolder import fingerprint, open_run
from avsa.runlog import FILE_NAME as LOG_FILE
from avsa.runlog import RunLog, memory_mb
from avsa.signals import StopSignals
from avsa.stats import AudioStats, ensure_stats
from avsa.tasks import Metrics
from avsa.typed import flatten, to_mapping
from avsa.validation import Validation
from avsa.views import check_views
from yt360.errors import UserError
from yt360.files import write_json
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
    held_out = open_clips(dataset, config.validation.split) if config.validation.every else None
    stages = lay_out(config, clips.video_ids, clips.shard_numbers.tolist(), world.size)
    _require_all_stages_can_run(config, clips, held_out)
    calls = {"--out": str(run), "--steps": steps, "--resume": resume, "--log-keys": log_keys}
    splits = {"the dataset": fingerprint(clips), "held-out": held_out and fingerprint(held_out)}
    require_agreement({**calls, **splits, **flatten(to_mapping(config))})
    measured = _on_first_rank(world, lambda: ensure_stats(dataset, config.audio))
    saved = _on_first_rank(
        world, lambda: open_run(config, dataset, fingerprint(clips), run, resume)
    )
    stats = AudioStats(**saved["stats"]) if saved else measured

    step = saved["step"] if saved else 0
    last_step = min(stages[-1].last_step, steps or stages[-1].last_step)
    if step >= last_step:
        return Outcome(step, last_step, checkpoint_path(run, step), None)

    encoders = build_encoders(config, world, saved)
    with (
        _log(run, step, last_step, world) as log,
        StopSignals() as stop,
        _determinism(config.compute.deterministic),
    ):
        session = _Session(config, run, world, clips, held_out, stats, log, stop, log_keys)
        for stage in stages:
            until = min(stage.last_step, last_step)
            if step >= until:
                continue
            learner = Learner(config, stage, encoders, world, saved)
            step, stopping = _train_stage(session, stage, learner, step, until)
            if stopping:
                break
    return Outcome(step, last_step, checkpoint_path(run, step), stop.name)


@dataclass(frozen=True)
class _Session:
    """What stays the same from the first step of a call of `train` to its last."""

    config: TrainConfig
    run: Path
    world: World
    clips: ShardReader
    held_out: ShardReader | None
    stats: AudioStats
    log: RunLog | None
    stop: StopSignals
    log_keys: bool

    def batches(self, stage: Stage, loader: Loader, step: int, until: int) -> Iterator[Batch]:
        """Yield the batches of the steps after `step`, up to `until`."""
        views = self.config.stage_views(stage.name)
        for raw in islice(loader.batches(step - stage.first_step), until - step):
            yield make_batch(
                raw, stage.seed, views, self.config.audio, self.stats, self.world.device
            )

    def validation(self, stage: Stage) -> Validation | None:
        """Return what judges a stage on held-out clips, if that is wanted and possible."""
        if self.held_out is None:
            return None
        validation = Validation(self.config, stage.name, self.held_out, self.stats, self.world)
        if validation.possible:
            return validation
        if self.log is not None:
            self.log.note(f"too few videos in {self.held_out.split} to judge {stage.name} on them")
        return None

    def save(self, step: int, learner: Learner) -> None:
        """Write a checkpoint, and drop the oldest ones."""
        content = {"step": step, "config": to_mapping(self.config), **learner.state()}
        content |= {"clips": fingerprint(self.clips), "stats": asdict(self.stats)}
        save_checkpoint(checkpoint_path(self.run, step), content)
        drop_old_checkpoints(self.run, self.config.checkpoint.keep)


def _train_stage(
    session: _Session, stage: Stage, learner: Learner, step: int, until: int
) -> tuple[int, bool]:
    """Go on from `step` to `until`; return the last step done, and whether a rank was stopped."""
    config, world = session.config, session.world
    loader = _open_loader(config, stage, session.clips, world)
    validation = session.validation(stage)
    batches = session.batches(stage, loader, step, until)
    upcoming, finished_at = next(batches, None), time.perf_counter()
    stopping = False
    while upcoming is not None and not stopping:
        batch, step = upcoming, step + 1
        loss, metrics = learner.compute_gradients(batch, step)
        # Queued now, while the device is still busy with the gradients.
        upcoming = next(batches, None)

        # Device sync, the only one in a step: the host waits for the loss, because the weights
        # may not move when it is not finite.
        record, stopping = _on_host(loss, metrics, session.stop)
        if not math.isfinite(record["loss"]):
            raise _not_finite(session.run, world, step, record["loss"], batch)
        learner.move_weights(step)

        step_s, finished_at = time.perf_counter() - finished_at, time.perf_counter()
        record |= {"lr": learner.learning_rate(step), **_costs(batch, step_s, world)}
        record["failed_reads"] = loader.failed_reads
        ending = stopping or upcoming is None
        if world.is_first and (ending or step % config.checkpoint.every == 0):
            session.save(step, learner)
        if validation and not stopping and (ending or step % config.validation.every == 0):
            record |= validation.judge(learner.encoders, learner.task)
            finished_at = time.perf_counter()
        keys = _from_all_ranks(batch.raw.keys, world) if session.log_keys else None
        if session.log is not None:
            session.log.step(step, stage.name, batch.raw.epoch, record, keys)
    return step, stopping


def _require_all_stages_can_run(
    config: TrainConfig, clips: ShardReader, held_out: ShardReader | None
) -> None:
    """Refuse before the first step what a later stage would stumble over."""
    for name in config.stages:
        check_views(config.stage_views(name))
        for split in (clips, held_out):
            if split is not None and len(split):
                require_long_clips(split, config.stage_data(name))
                open_guide(config.stage_views(name), split)


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


def _on_host(loss: Tensor, metrics: Metrics, stop: StopSignals) -> tuple[dict[str, float], bool]:
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
