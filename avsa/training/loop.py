"""The training loop: the steps of one stage."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from avsa.config.recipe import TrainConfig
from avsa.data.clips import clips_form
from avsa.data.loader import Loader
from avsa.tasks.tasks import Metrics
from avsa.training.checkpoint import checkpoint_path, drop_old_checkpoints, save_checkpoint
from avsa.training.curriculum import Stage
from avsa.training.distributed import World, mean_over_ranks
from avsa.training.learner import Learner
from avsa.training.metrics_log import RunLog, memory_mb
from avsa.training.run_folder import fingerprint
from avsa.training.signals import StopSignals
from avsa.training.validation import Validation
from avsa.views.audio_statistics import AudioStats
from avsa.views.batch import Batch, make_batch
from avsa.views.saliency import open_guide
from yt360.config import to_mapping
from yt360.errors import UserError
from yt360.files import write_json
from yt360.shards.format.reader import ShardReader

PLAUSIBILITY = ("loss", "gradient_norm", "weight_norm")
FLOAT32_EPSILON = 2.0**-23


@dataclass(frozen=True)
class Session:
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
        content |= {"clips": fingerprint(self.clips), "fps": clips_form(self.clips.info).fps}
        content["stats"] = asdict(self.stats)
        save_checkpoint(checkpoint_path(self.run, step), content)
        drop_old_checkpoints(self.run, self.config.checkpoint.keep_last)


def train_stage(
    session: Session, stage: Stage, learner: Learner, step: int, until: int
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
        # Queued now, while the device is still busy with the gradients; not waited for by a rank
        # that is to stop.
        upcoming = None if session.stop.name else next(batches, None)

        # Device sync, the only one in a step: the host waits for the loss, because the weights
        # may not move when it, or its gradient, is nonsense.
        record, stopping = _on_host(loss, metrics, session.stop)
        if not is_plausible(**{name: record[name] for name in PLAUSIBILITY}):
            raise _implausible(session.run, world, step, record, batch)
        learner.move_weights(step)

        step_s = time.perf_counter() - finished_at
        record |= {"lr": learner.learning_rate(step), **_costs(batch, step_s, world)}
        record["failed_reads"] = loader.failed_reads
        ending = stopping or upcoming is None
        if validation and not stopping and (ending or step % config.validation.every_steps == 0):
            record |= validation.judge(learner.encoders, learner.task)
            if session.log is not None:
                session.log.note(f"step {step}: {validation.summary(record)}")
        keys = _from_all_ranks(batch.raw.keys, world) if session.log_keys else None
        if session.log is not None:
            session.log.step(step, stage.name, batch.raw.epoch, record, keys)
        # After the line: a run that goes on drops lines after its checkpoint, and lacks none.
        if world.is_first and (ending or step % config.checkpoint.every_steps == 0):
            session.save(step, learner)
        finished_at = time.perf_counter()  # judging and saving are not part of the next step
    return step, stopping


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


def _from_all_ranks(values: list[str], world: World) -> list[str]:
    if world.size == 1:
        return values
    gathered: list[Any] = [None] * world.size
    dist.all_gather_object(gathered, values)
    return [value for part in gathered for value in part]


def is_plausible(loss: float, gradient_norm: float, weight_norm: float) -> bool:
    """Return whether a gradient can be one: finite, and not absurdly long.

    Absurd is a gradient by which rounding the weights to float32, a relative change of 1.2e-7,
    could change the loss by more than its own size (and more than 1): nothing could be learned of
    it. Convolutions that read foreign memory give such ones; exploding training ends there too.
    """
    change = gradient_norm * weight_norm * FLOAT32_EPSILON
    return math.isfinite(loss) and change <= max(1.0, abs(loss))  # False for inf and NaN


def _implausible(
    run: Path, world: World, step: int, record: dict[str, float], batch: Batch
) -> UserError:
    """Save which clips met a gradient that cannot be; return the error that says so."""
    path = run / f"implausible-step-{step:08d}.json"
    keys = _from_all_ranks(batch.raw.keys, world)
    found = {name: str(record[name]) for name in PLAUSIBILITY}
    if world.is_first:
        write_json(path, {"step": step, **found, "keys": keys})
    what = ", ".join(f"{name} is {value}" for name, value in found.items())
    return UserError(
        f"{what} at step {step}: not finite, or far too large; the weights were left as they were, "
        f"the batch's clips are in {path}; a resumed run would meet the same, but with --set "
        "compute.bfloat16=off where bfloat16 was used; else start a new run with a lower "
        "optimizer.lr, or with an optimizer.max_grad_norm"
    )
