"""Computing parts of the features of a split (`avsa.evals.feature_cache`).

A part is a file with the features of some batches. Its bytes depend on options, model and clips
alone, not on the process that computes it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from avsa.data.loader import DataConfig
from avsa.data.order import DrawnOrder
from avsa.evals.workers.inputs import WorkerInputs
from avsa.hub.load import Model
from avsa.models.compute import autocast
from avsa.training.distributed import World
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.batch import Batch, batches
from avsa.views.sampling import ViewConfig
from yt360.files import atomic_write
from yt360.shards.format.reader import ShardReader


@dataclass(frozen=True, kw_only=True)
class PartOptions:
    """What all parts of a set of features have in common.

    Attributes:
        folder: Folder of the parts.
        views: How views are drawn.
        data: How clip windows are drawn, and how they are loaded.
        draws: How often each clip is drawn.
        seed: Seed of views and clip windows.
        batch_size: Samples of a batch.
        statistics: Standardize spectrograms.
        extra: Computes further tensors; see `avsa.evals.feature_cache.ExtraFeatures`.
    """

    folder: Path
    views: ViewConfig
    data: DataConfig
    draws: int
    seed: int
    batch_size: int
    statistics: AudioStatistics
    extra: Callable[[Model, Batch], dict[str, Tensor]] | None


@dataclass(frozen=True)
class PartTask:
    """A part to compute in a worker.

    Attributes:
        inputs: The model and the split.
        options: Options of all parts.
        part: Number of the part.
        steps: Its batches.
    """

    inputs: WorkerInputs
    options: PartOptions
    part: int
    steps: range


def compute_part(task: PartTask) -> None:
    """Compute and write a part in a worker."""
    with task.inputs.opened() as (model, clips):
        options = replace(task.options, data=task.inputs.loading(task.options.data))
        for _ in compute_parts(model, clips, options, {task.part: task.steps}):
            pass


def compute_parts(
    model: Model, clips: ShardReader, options: PartOptions, parts: Mapping[int, range]
) -> Iterator[None]:
    """Compute and write parts; yield after each batch that can be read.

    Args:
        model: In evaluation mode.
        clips: The split.
        options: Options of all parts.
        parts: Batches of each part by its number, in ascending order.
    """
    steps = [step for numbers in parts.values() for step in numbers]
    if not steps:
        return
    samples = batches(
        clips,
        DrawnOrder(len(clips), options.draws, options.batch_size, steps),
        options.seed,
        replace(options.data, windows_per_clip=1),
        options.views,
        model.config.audio,
        options.statistics,
        World(0, 1, model.device),
    )
    waiting = deque(parts)
    found: list[dict[str, Tensor]] = []
    with closing(samples):
        for batch in samples:
            while steps[batch.raw.step] not in parts[waiting[0]]:
                _write(part_file(options.folder, waiting.popleft()), found)
                found = []
            found.append(_features(model, batch, len(clips), options.extra))
            yield
        while waiting:
            _write(part_file(options.folder, waiting.popleft()), found)
            found = []


def part_file(folder: Path, part: int) -> Path:
    """Return the file of a part."""
    return folder / f"part-{part:05d}.safetensors"


def _write(path: Path, found: list[dict[str, Tensor]]) -> None:
    """Write the features of the batches of a part; none if no clip of it can be read."""
    names = found[0] if found else []
    with atomic_write(path) as file:
        file.write(save({name: torch.cat([each[name] for each in found]) for name in names}))


@torch.no_grad()
def _features(
    model: Model,
    batch: Batch,
    num_clips: int,
    extra: Callable[[Model, Batch], dict[str, Tensor]] | None,
) -> dict[str, Tensor]:
    with autocast(model.config.compute, model.device):
        video, audio = model.encoders(batch.video, batch.audio)
    fov = torch.stack([batch.views.hfov, batch.views.vfov], -1)
    tensors = {"video": video, "audio": audio, "directions": batch.directions, "fov": fov}
    if extra is not None:
        tensors |= extra(model, batch)
    return {
        "clip": torch.tensor(batch.raw.positions) % num_clips,
        "audio_start_s": torch.tensor(batch.raw.audio_start_s, dtype=torch.float64),
        **{name: each.float().cpu().contiguous() for name, each in tensors.items()},
    }
