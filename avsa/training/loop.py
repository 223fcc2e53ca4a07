"""Training: a run from its first step, or from a checkpoint, to its last.

A step is a pure function of the weights, the optimizer's state and (recipe, dataset, step): the
order of clips, clip windows, views, augmentation and dropout come from keyed random generators. A
run that was killed therefore resumes from its last checkpoint with bit-identical losses on the same
machine (on CUDA with ``compute.deterministic``), and a run on another number of ranks sees the same
clips (docs/training.md lists what may differ).

The host queues a whole step, the update of the weights included, before it waits for the loss. The
update is exact all the same: whether loss and gradient are plausible is computed on the device, and
the update reads the answer there (`avsa.training.optimizer.step_if`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from avsa.config.train_config import TrainConfig
from avsa.data.clips import Clips, clip_format, open_datasets, part_numbers
from avsa.models.compilation import begin_step, compile_errors, require_compilable
from avsa.models.compute import autocast
from avsa.profiling.phases import Phase, phase
from avsa.profiling.recorder import StepProfiler
from avsa.profiling.summary import Setting
from avsa.tasks.base import Metrics
from avsa.tracking.trackers import tracker_starts
from avsa.training.checkpoint import checkpoint_path, drop_old_checkpoints, save_checkpoint
from avsa.training.curriculum import lay_out, require_stages_fit
from avsa.training.distributed import (
    World,
    copied_to_host,
    gather_lists,
    mean_over_ranks,
    on_first_rank,
    require_agreement,
)
from avsa.training.gradient_cache import forward_backward_in_parts
from avsa.training.learner import (
    Learner,
    build_encoders,
    implausible_step,
    is_plausible,
    seed_torch,
)
from avsa.training.metrics_log import RunLog, memory_mb
from avsa.training.repeatability import deterministic_kernels, recorded_config, repeatable_config
from avsa.training.request import Outcome
from avsa.training.run_folder import fingerprint, open_run
from avsa.training.signals import StopSignals
from avsa.training.validation import Validation, open_validation
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.batch import Batch, batches
from yt360.config import flatten, to_mapping
from yt360.plugins import loaded_plugins


def train(
    config: TrainConfig,
    datasets: Path | Sequence[Path],
    run: Path,
    world: World,
    *,
    steps: int | None = None,
    resume: bool = False,
    log_keys: bool = False,
    profile_steps: int = 0,
    track: Sequence[str] = ("tensorboard",),
    after_save: Callable[[], None] | None = None,
) -> Outcome:
    """Train by a recipe, or resume a run.

    Args:
        config: The recipe.
        datasets: Dataset folder, or several; their ``train`` split is used.
        run: Folder for the recipe, logs and checkpoints.
        world: This process and the other ranks.
        steps: Stop after this many steps in total, before the end of the recipe.
        resume: Resume from the newest checkpoint in `run`.
        log_keys: Write the keys of each batch's clips into the log.
        profile_steps: Profile so many steps after the first ones (`avsa.profiling.recorder`).
        track: Names of trackers that get the values of each step (`avsa.tracking.trackers`).
        after_save: Called by rank 0 after each checkpoint.

    Raises:
        UserError: Run, dataset and recipe do not fit together, or the loss or the gradient is not
            finite.
    """
    folders = [datasets] if isinstance(datasets, Path) else list(datasets)
    with ExitStack() as opened:
        # Open datasets and run. Only rank 0 reads and writes the run; the others get its results.
        clips = opened.enter_context(closing(open_datasets(folders, "train")))
        validation_clips = None
        if config.validation.every_steps:
            validation_clips = opened.enter_context(
                closing(open_datasets(folders, config.validation.split))
            )
        require_compilable(config.compute, config.optimizer.micro_batches, world)
        stages = lay_out(
            config, clips.video_ids, clips.shard_numbers, world.size, part_numbers(clips)
        )
        require_stages_fit(config, clips, validation_clips)
        options = {"--out": str(run), "--steps": steps, "--resume": resume, "--log-keys": log_keys}
        _require_one_run(options, config, clips, validation_clips)
        saved, statistics = on_first_rank(
            world, lambda: open_run(config, folders, clips, run, resume, opened)
        )
        step = saved.step if saved else 0
        last_step = min(stages[-1].last_step, steps or stages[-1].last_step)
        if step >= last_step:
            return Outcome(step, last_step, checkpoint_path(run, step), None)
        trackers = tracker_starts(track, to_mapping(config)) if world.is_first else []
        log = opened.enter_context(RunLog(run, step, last_step, log_keys, world.is_first, trackers))
        stop = opened.enter_context(StopSignals())
        opened.enter_context(deterministic_kernels(config.compute.deterministic))
        opened.enter_context(compile_errors(config.compute))
        stages = [stage for stage in stages if step < stage.last_step]
        recipe, config = config, repeatable_config(config, clips, world, log)

        profiler = opened.enter_context(
            StepProfiler(
                run, profile_steps, step, last_step, Setting.of_process(config, world), log
            )
        )

        # Train stage by stage. Encoders continue; each stage has a new task and a new optimizer.
        encoders = build_encoders(config, world, saved)
        for stage in stages:
            learner = Learner(config, stage, encoders, world, saved)
            saved = None  # large, and not used by later stages
            upcoming = batches(
                clips,
                stage.order,
                stage.seed,
                config.stage_data(stage.name),
                config.stage_views(stage.name),
                config.audio,
                statistics,
                world,
                first_step=step - stage.first_step,
            )
            until = min(stage.last_step, last_step)
            validation = open_validation(
                config, stage.name, validation_clips, statistics, world, log
            )
            save = partial(
                _save, recorded_config(recipe, config), run, clips, statistics, learner, after_save
            )
            with closing(upcoming):
                step, stopped = train_stage(
                    learner,
                    islice(upcoming, until - step),
                    validation,
                    log,
                    save,
                    stop,
                    profiler,
                    step,
                )
            if stopped or step == last_step:
                break
        return Outcome(step, last_step, checkpoint_path(run, step), stop.name)


def _require_one_run(
    options: Mapping[str, object],
    config: TrainConfig,
    clips: Clips,
    validation_clips: Clips | None,
) -> None:
    """Check that all ranks have the same options, recipe and clips; a collective call."""
    held_out = None if validation_clips is None else fingerprint(validation_clips)
    data = {"the dataset": fingerprint(clips), "the validation split": held_out}
    require_agreement({**options, **data, **flatten(to_mapping(config))})


def train_stage(
    learner: Learner,
    batches: Iterator[Batch],
    validation: Validation | None,
    log: RunLog,
    save: Callable[[int], None],
    stop: StopSignals,
    profiler: StepProfiler,
    step: int,
) -> tuple[int, bool]:
    """Train on every batch; return the last step, and whether a signal stopped a rank."""
    config, world, optimizer = learner.config, learner.world, learner.optimizer
    encoders, task = learner.shared_encoders, learner.shared_task
    precision = partial(autocast, config.compute, world.device)
    micro_batches = config.optimizer.micro_batches
    with phase(Phase.VIEWS):
        upcoming = next(batches, None)
    stopping, finished_at = False, time.perf_counter()
    while upcoming is not None and not stopping:
        batch, step = upcoming, step + 1

        # Forward and backward.
        seed_torch(config.seed, "step", step, world.rank)
        begin_step(config.compute)
        optimizer.zero_grad(set_to_none=True)
        loss_of = partial(_loss, task, batch)
        if micro_batches > 1:
            with phase(Phase.BACKWARD):
                loss, metrics = forward_backward_in_parts(
                    encoders, loss_of, (batch.video, batch.audio), precision, micro_batches
                )
        else:
            with precision(), phase(Phase.ENCODERS):
                features = encoders(batch.video, batch.audio)
            with precision(), phase(Phase.TASK):
                loss, metrics = loss_of(*features)
            with phase(Phase.BACKWARD):
                loss.backward()

        # Step. Queued before the loss is known to the host: the device itself leaves the weights as
        # they are if loss or gradient is implausible (`step_if`).
        wants_stop = stop.name is not None
        with phase(Phase.OPTIMIZER):
            norms = learner.norms()
            means = _means({"loss": loss, **metrics, **norms}, wants_stop)
            plausible = is_plausible(means["loss"], means["gradient_norm"], means["weight_norm"])
            learning_rate = learner.learning_rate(step)
            learner.optimizer_step(learning_rate, norms["gradient_norm"], plausible)
            read = copied_to_host(torch.stack([plausible.float(), *means.values()]))
        # The views of the next batch are queued before the host waits, so that the device has work
        # while the host logs this step. A rank that is to stop does not load another batch.
        with phase(Phase.VIEWS):
            upcoming = None if wants_stop else next(batches, None)

        # Check. This is the only time that the host waits for the device in a step.
        with phase(Phase.CHECK):
            trusted, *values = read()
        record = dict(zip(means, values, strict=True))
        stopping = record.pop("stop") > 0
        if not trusted:
            raise implausible_step(log.run, world, step, record, batch.raw.keys)

        # Log, validate, save. The log line comes before the checkpoint: a resumed run drops the
        # lines after its checkpoint, and must have all lines before it.
        with phase(Phase.LOG):
            step_s = time.perf_counter() - finished_at
            record |= {"lr": learning_rate, **_costs(batch, step_s, world)}
            ending = stopping or upcoming is None
            if (
                validation
                and not stopping
                and (ending or step % config.validation.every_steps == 0)
            ):
                record |= validation.evaluate(learner.encoders, learner.task)
                log.note(f"step {step}: {validation.summary(record)}")
            keys = gather_lists(batch.raw.keys) if log.wants_keys else None
            log.step(step, learner.stage.name, batch.raw.epoch, record, keys)
            if world.is_first and (ending or step % config.checkpoint.every_steps == 0):
                save(step)
        profiler.step()
        finished_at = time.perf_counter()  # validating and saving are not part of the next step
    return step, stopping


def _loss(
    task: torch.nn.Module, batch: Batch, video: Tensor, audio: Tensor
) -> tuple[Tensor, Metrics]:
    """Return the task's loss and metrics for the features (B, K, D) of a batch."""
    loss, metrics = task(*map(batch.by_clip, (video, audio, batch.directions)))
    return loss, metrics


def _means(values: dict[str, Tensor], wants_stop: bool) -> dict[str, Tensor]:
    """Return scalars averaged over ranks; ``stop`` is the fraction of ranks that are to stop."""
    wanted = torch.full_like(values["loss"], float(wants_stop))
    means = mean_over_ranks(torch.stack([wanted, *values.values()]))
    return dict(zip(("stop", *values), means.unbind(), strict=True))


def _costs(batch: Batch, step_s: float, world: World) -> dict[str, float]:
    """Return time, views per second over all ranks, time without data, memory, failed reads."""
    views = batch.video.shape[0] * batch.video.shape[1] * world.size
    return {
        "step_s": step_s,
        "views_per_s": views / step_s,
        "data_wait_s": batch.raw.wait_s,
        "memory_mb": memory_mb(world.device),
        "failed_reads": batch.raw.failed_reads,
    }


def _save(
    config: TrainConfig,
    run: Path,
    clips: Clips,
    statistics: AudioStatistics,
    learner: Learner,
    after_save: Callable[[], None] | None,
    step: int,
) -> None:
    """Write a checkpoint, and remove the oldest ones."""
    content = {"step": step, "config": to_mapping(config), **learner.state()}
    content |= {"clips": fingerprint(clips), "fps": clip_format(clips).fps}
    content |= {"plugins": list(loaded_plugins())}
    save_checkpoint(checkpoint_path(run, step), content | {"stats": asdict(statistics)})
    drop_old_checkpoints(run, config.checkpoint.keep_last)
    if after_save is not None:
        after_save()
