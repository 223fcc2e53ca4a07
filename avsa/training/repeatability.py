"""Repeatable training on CPUs: options under which equal steps give equal gradients.

A small step of each stage of the run is computed several times (`avsa.models.repeatability` says
why), so that an interrupted run finds the same options when it is resumed in a later stage.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial

import torch
from torch import Tensor, nn

from avsa.config.train_config import TrainConfig
from avsa.data.clip_window import WindowShape
from avsa.data.clips import Clips, clip_format
from avsa.models.compute import ComputeConfig, autocast, place_encoders
from avsa.models.repeatability import (
    Computation,
    has_bfloat16_units,
    is_repeatable,
    options_to_try,
)
from avsa.training.distributed import World, mean_over_ranks
from avsa.training.memory import sample_shapes
from avsa.training.metrics_log import RunLog


def repeatable_config(config: TrainConfig, clips: Clips, world: World, log: RunLog) -> TrainConfig:
    """Return the recipe with compute options under which this CPU repeats a step of every stage."""
    form = clip_format(clips)

    def steps(compute: ComputeConfig) -> list[Tensor]:
        return [
            gradient
            for stage in config.stages
            for gradient in small_step(
                config, stage, config.stage_data(stage).window_shape(form), compute
            )
        ]

    compute, warning = repeatable_compute(config.compute, world, steps)
    if warning is not None:
        log.warn(warning)
    if config.compute.bfloat16 == "auto" and compute.bfloat16 == "on":
        log.note(
            "this CPU computes in bfloat16 and repeats a step to the bit: training uses "
            f"compute.bfloat16=on and compute.channels_last={compute.channels_last}"
        )
    return replace(config, compute=compute)


def recorded_config(recipe: TrainConfig, used: TrainConfig) -> TrainConfig:
    """Return what a checkpoint says of a run that was asked for by `recipe` and computes as `used`.

    ``auto`` stays, since another machine decides anew. Options that were turned off, because they
    do not repeat here, stay off.
    """
    asked, compute = recipe.compute, used.compute
    if asked.bfloat16 == "auto":
        compute = replace(compute, bfloat16="auto")
    if asked.channels_last == "auto":
        compute = replace(compute, channels_last="auto")
    return replace(used, compute=compute)


@contextmanager
def deterministic_kernels(wanted: bool) -> Iterator[None]:
    """Use only deterministic kernels of torch in the block, if wanted."""
    if not wanted:  # else torch would import its compiler
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # required by cuBLAS
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def repeatable_compute(
    wanted: ComputeConfig,
    world: World,
    step: Computation,
    has_units: Callable[[], bool] = has_bfloat16_units,
) -> tuple[ComputeConfig, str | None]:
    """Return the options nearest to the wanted ones under which the CPU repeats a step.

    On a CPU, ``auto`` becomes ``on`` for bfloat16 if the CPU has units for it and repeats the step,
    and for channels_last if bfloat16 is on and both together repeat it. The result is the same on
    all ranks. Nothing is computed if neither option is wanted, or on other devices, where the
    options are returned unchanged.

    Args:
        wanted: Options of the recipe.
        world: This process and the other ranks.
        step: The step: gradients for some options, such as those of `small_step`.
        has_units: Whether the CPU has units for bfloat16.

    Returns:
        The options, and a warning that names the ones that are on in the recipe and off here, or
        None.
    """
    if world.device.type != "cpu":
        return wanted, None
    *candidates, plain = options_to_try(wanted, _on_all_ranks(has_units()))
    in_float32 = cache(partial(step, plain))
    for candidate in candidates:
        if _on_all_ranks(is_repeatable(step, candidate, in_float32)):
            break
    else:
        candidate = plain
    changed = [
        f"compute.{name}=off"
        for name in ("bfloat16", "channels_last")
        if (getattr(wanted, name), getattr(candidate, name)) == ("on", "off")
    ]
    if not changed:
        return candidate, None
    return candidate, (
        f"this CPU does not repeat a step with compute.bfloat16={wanted.bfloat16} and "
        f"compute.channels_last={wanted.channels_last}: gradients differ between equal calls, or "
        f"from float32; training uses {' and '.join(changed)}"
    )


def small_step(
    config: TrainConfig, stage: str, window: WindowShape, compute: ComputeConfig
) -> list[Tensor]:
    """Return the gradients of the initial networks of a stage, for two clips of noise on the CPU.

    Args:
        config: The recipe.
        stage: Name of the stage.
        window: Shape of the clip windows.
        compute: Options to compute with; networks are not compiled.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoders = config.encoders.build(config.audio.num_channels)
        alone = World(0, 1, torch.device("cpu"))
        place_encoders(encoders, replace(compute, batch_norm_splits=1), alone).train()
        settings = config.stages[stage].task
        task = settings.build(config.encoders.feature_dim).train()
        windows = config.stage_data(stage).windows_per_clip
        shapes = sample_shapes(config, stage, window)
        video, audio = (torch.randn(2 * windows, *shape) for shape in shapes)
        directions = nn.functional.normalize(torch.randn(*video.shape[:2], 3), dim=-1)
        with autocast(compute, alone.device):
            features = (*encoders(video, audio), directions)
            loss, _ = task(*(each.unflatten(0, (2, windows)) for each in features))
        loss.backward()
    parameters = (*encoders.parameters(), *task.parameters())
    return [each.grad for each in parameters if each.grad is not None]


def _on_all_ranks(here: bool) -> bool:
    return bool(mean_over_ranks(torch.tensor(float(here))) == 1)
