"""Repeatable training on CPUs: options under which equal steps give equal gradients.

Some kernels read uninitialized memory. Convolutions of torch 2.13 did, in bfloat16 and
channels_last on some CPUs: gradients of equal steps differed by up to 1e35, or were NaN. Which
options are safe depends on the version of torch, the CPU and the layers. Therefore a small step of
the run's own networks is computed several times, with NaN in freed memory, and its gradients are
compared with each other and with those in float32.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from avsa.config.train_config import TrainConfig
from avsa.data.clip_window import WindowShape
from avsa.data.clips import clips_form
from avsa.models.compute import ComputeConfig, autocast, is_on, place_encoders
from avsa.training.distributed import World, mean_over_ranks
from avsa.training.memory import sample_shapes
from avsa.training.metrics_log import RunLog
from yt360.shards.format.reader import ShardReader

Gradients: TypeAlias = list[Tensor]
# Returns the gradients of a fixed step, computed with some options.
Step: TypeAlias = Callable[[ComputeConfig], Gradients]

REPEATS = 3
# Maximum distance from the gradient in float32, relative to its norm. Rounding to bfloat16 stays
# well below it; reads of uninitialized memory do not.
TOLERANCE = 0.5
# NaN for float32 and for each half of it as bfloat16.
_NAN_BITS = 0x7FC07FC0
_FREED_BYTES = tuple(1 << power for power in range(10, 26))


def repeatable_config(
    config: TrainConfig, stage: str, clips: ShardReader, world: World, log: RunLog
) -> TrainConfig:
    """Return the recipe with compute options under which this CPU repeats a step of a stage."""
    window = config.stage_data(stage).window_shape(clips_form(clips.info))
    step = partial(small_step, config, stage, window)
    compute, warning = repeatable_compute(config.compute, world, step)
    if warning is not None:
        log.warn(warning)
    return replace(config, compute=compute)


@contextmanager
def deterministic_kernels(wanted: bool) -> Iterator[None]:
    """Use only deterministic kernels of torch in the block, if wanted."""
    before = torch.are_deterministic_algorithms_enabled()
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # required by cuBLAS
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def repeatable_compute(
    wanted: ComputeConfig, world: World, step: Step
) -> tuple[ComputeConfig, str | None]:
    """Return the options nearest to the wanted ones under which the CPU repeats a step.

    The result is the same on all ranks. On other devices, and if neither bfloat16 nor channels_last
    is on, the options are returned unchanged.

    Args:
        wanted: Options of the recipe.
        world: This process and the other ranks.
        step: The step, such as a partial `small_step`.

    Returns:
        The options, and a warning that names the changes, or None.
    """
    *candidates, plain = _candidates(wanted, world.device)
    if world.device.type != "cpu" or not candidates:
        return wanted, None
    for candidate in candidates:
        repeats = torch.tensor(float(is_repeatable(step, candidate, plain)))
        if mean_over_ranks(repeats) == 1:
            break
    else:
        candidate = plain
    if candidate == wanted:
        return wanted, None
    changed = [
        f"compute.{name}=off"
        for name in ("bfloat16", "channels_last")
        if getattr(candidate, name) != getattr(wanted, name)
    ]
    return candidate, (
        f"this CPU does not repeat a step with compute.bfloat16={wanted.bfloat16} and "
        f"compute.channels_last={wanted.channels_last}: gradients differ between equal calls, or "
        f"from float32; training uses {' and '.join(changed)}"
    )


def is_repeatable(step: Step, compute: ComputeConfig, plain: ComputeConfig) -> bool:
    """Return whether a step gives equal gradients every time, close to those of `plain`."""
    reference = step(plain)
    first: Gradients | None = None
    for _ in range(REPEATS):
        _leave_nan_in_freed_memory()
        gradients = step(compute)
        if first is None:
            first = gradients
            errors = [one - other for one, other in zip(first, reference, strict=True)]
            limit = TOLERANCE * nn.utils.get_total_norm(reference)
            if not nn.utils.get_total_norm(errors) <= limit:  # also false for NaN
                return False
        elif not all(map(torch.equal, gradients, first)):
            return False
    return True


def small_step(
    config: TrainConfig, stage: str, window: WindowShape, compute: ComputeConfig
) -> Gradients:
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
        place_encoders(
            encoders, replace(compute, compile="off", batch_norm_splits=1), alone
        ).train()
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


def _candidates(wanted: ComputeConfig, device: torch.device) -> Iterator[ComputeConfig]:
    """Yield the wanted options, then without channels_last, without bfloat16, and without both."""
    options = [
        name for name in ("bfloat16", "channels_last") if is_on(getattr(wanted, name), device)
    ]
    for switches in product((None, "off"), repeat=len(options)):
        changes: dict[str, Any] = {
            name: value for name, value in zip(options, switches, strict=True) if value
        }
        yield replace(wanted, **changes)


def _leave_nan_in_freed_memory() -> None:
    """Write NaN to blocks of many sizes and free them, so that later allocations contain them."""
    blocks = [torch.full((size // 4,), _NAN_BITS, dtype=torch.int32) for size in _FREED_BYTES]
    del blocks
