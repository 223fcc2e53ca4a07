"""A cache of the features of a split on disk, with weights, data, views and seed as its key.

A set of features is a folder ``eval/features/HASH`` of parts, one safetensors file for some
hundreds of clips, and ``spec.json``, the content of the hash. After a kill, computation continues
with the next part. Each rank or worker process (`avsa.evals.workers`) computes parts of its own;
any number of them gives the same parts.

Shapes: N samples (clip and draw), K views, D features.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from avsa.config.train_config import TrainConfig
from avsa.data.loader import DataConfig
from avsa.data.order import DrawnOrder
from avsa.evals.base import Context
from avsa.evals.protocol import data_of, views_of
from avsa.evals.unreadable import left_out_notes, unreadable_split
from avsa.evals.workers.feature_parts import (
    PartOptions,
    PartTask,
    compute_part,
    compute_parts,
    part_file,
)
from avsa.hub.load import Model
from avsa.training.distributed import on_first_rank
from avsa.training.run_folder import fingerprint
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.batch import Batch
from avsa.views.sampling import ViewConfig, check_views
from yt360.config import to_mapping
from yt360.errors import UserError
from yt360.files import write_json
from yt360.shards.format.reader import ShardReader
from yt360.splits import Split
from yt360.terminal.progress import Progress
from yt360.untrusted.safetensors_files import read_safetensors

BATCH_SIZE = 8
PART_BATCHES = 16
FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """Specification of the features of a split.

    Attributes:
        split: Split of the dataset.
        views: How views are drawn; keyed by `seed`, the number of the draw and the clip.
        data: How clip windows are drawn.
        draws: How often each clip is drawn.
        seed: Seed of views and clip windows.
    """

    split: Split
    views: ViewConfig
    data: DataConfig
    draws: int = 1
    seed: int = 0


def plain_spec(config: TrainConfig, split: Split, num_views: int, seed: int) -> FeatureSpec:
    """Return uniform views without augmentation, with the video in the middle of its audio.

    All other settings are those of training.
    """
    return FeatureSpec(
        split=split,
        views=views_of(config, "paper", num_views, augment=False),
        data=replace(data_of(config, "paper"), video_position="middle"),
        seed=seed,
    )


@dataclass(frozen=True)
class Features:
    """Features of all clips of a split that can be read, in order of draws, then of the index.

    Attributes:
        split: Name of the split.
        keys: Clip of each sample.
        video_ids: Video of each sample.
        audio_start_s: (N,) start of the audio in the clip.
        video: float32 (N, K, D), of `Encoders`.
        audio: float32 (N, K, D).
        directions: float32 (N, K, 3), of the views.
        fov: float32 (N, K, 2), horizontal and vertical field of view in radians.
        extra: Further tensors (N, ...) by name.
        unreadable: Samples that are left out, because their clips cannot be read.
    """

    split: Split
    keys: list[str]
    video_ids: list[str]
    audio_start_s: Tensor
    video: Tensor
    audio: Tensor
    directions: Tensor
    fov: Tensor
    extra: dict[str, Tensor]
    unreadable: int = 0

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of a result on samples that are left out."""
        return left_out_notes(self.unreadable, len(self) + self.unreadable, self.split)


class ExtraFeatures(Protocol):
    """Computes further tensors from the batches of `view_features`.

    Attributes:
        identity: What determines them, as plain values; part of the hash.
    """

    identity: dict[str, Any]

    def __call__(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Return tensors (B, ...) by name; the raw tensors of the batch are valid."""


def view_features(
    context: Context, spec: FeatureSpec, extra: ExtraFeatures | None = None
) -> Features:
    """Return the features of a split, and compute those that are not on disk; a collective call.

    Args:
        context: Its model computes the features, in evaluation mode.
        spec: Which features.
        extra: Computes further tensors.

    Raises:
        UserError: The split has no clips, or none of them can be read.
    """
    model = context.subject.require_model()
    check_views(spec.views)
    statistics = context.statistics(model.config.audio)
    with context.clips(spec.split) as clips:
        identity = _identity(model, clips, spec, statistics, extra)
        text = json.dumps(identity, sort_keys=True)
        folder = context.features / hashlib.sha256(text.encode()).hexdigest()[:16]
        on_first_rank(context.world, lambda: _describe(folder, identity))
        options = PartOptions(
            folder=folder.absolute(),
            views=spec.views,
            data=spec.data,
            draws=spec.draws,
            seed=spec.seed,
            batch_size=BATCH_SIZE,
            statistics=statistics,
            extra=extra,
        )
        _compute_missing(context, clips, options)
        on_first_rank(context.world, lambda: None)  # wait for the parts of all ranks
        return _read(folder, clips, spec)


def _identity(
    model: Model,
    clips: ShardReader,
    spec: FeatureSpec,
    statistics: AudioStatistics,
    extra: ExtraFeatures | None,
) -> dict[str, Any]:
    data = to_mapping(spec.data)
    for key in ("num_workers", "prefetch_batches"):
        del data[key]
    return {
        "format_version": FORMAT_VERSION,
        "weights": model.weights_hash(),
        "statistics": statistics.sha256(),
        "clips": fingerprint(clips),
        "split": spec.split,
        "views": to_mapping(spec.views),
        "data": data,
        "audio": to_mapping(model.config.audio),
        "draws": spec.draws,
        "seed": spec.seed,
        "extra": None if extra is None else extra.identity,
    }


def _describe(folder: Path, identity: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "spec.json").exists():
        write_json(folder / "spec.json", identity)


def _compute_missing(context: Context, clips: ShardReader, options: PartOptions) -> None:
    """Compute the parts that are not there: this rank's share of them, or all with workers."""
    world, subject = context.world, context.subject
    parts = _parts(clips, options.draws)
    missing = on_first_rank(  # one list for all ranks, before any of them writes a part
        world,
        lambda: [n for n in range(len(parts)) if not part_file(options.folder, n).exists()],
    )
    mine = {part: parts[part] for part in missing[world.rank :: world.size]}
    count = sum(map(len, mine.values()))
    if not count:
        return
    with Progress(f"features of {clips.split}", count, "batches") as progress:
        if context.workers is None:
            for _ in compute_parts(subject.require_model(), clips, options, mine):
                progress.advance()
            return
        inputs = context.workers.inputs(subject, clips)
        tasks = [PartTask(inputs, options, part, steps) for part, steps in mine.items()]
        for task, _ in context.workers.run(compute_part, tasks):
            progress.advance(len(task.steps))


def _parts(clips: ShardReader, draws: int) -> list[range]:
    """Return the batches of each part."""
    count = len(DrawnOrder(len(clips), draws, BATCH_SIZE))
    starts = range(0, count, PART_BATCHES)
    return [range(start, min(start + PART_BATCHES, count)) for start in starts]


def _read(folder: Path, clips: ShardReader, spec: FeatureSpec) -> Features:
    expected, count = len(clips) * spec.draws, 0
    table: dict[str, Tensor] = {}
    for part in range(len(_parts(clips, spec.draws))):
        path = part_file(folder, part)
        try:
            tensors = read_safetensors(path)[0]
            if not tensors:
                continue  # none of its clips can be read
            if not table:
                table = {
                    name: torch.empty((expected, *each.shape[1:]), dtype=each.dtype)
                    for name, each in tensors.items()
                }
            if tensors.keys() != table.keys():
                raise ValueError(f"it has {sorted(tensors)}, not {sorted(table)}")
            rows = slice(count, count + len(tensors["clip"]))
            for name, each in tensors.items():
                table[name][rows] = each
            count = rows.stop
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise UserError(
                f"{path} cannot be read ({error}); remove it to compute its features again",
                key=path,
            ) from None
    if not count:
        raise unreadable_split(clips)
    table = {name: each[:count] for name, each in table.items()}
    numbers = table.pop("clip").numpy()
    known = ("video", "audio", "directions", "fov", "audio_start_s")
    return Features(
        split=spec.split,
        keys=np.asarray(clips.keys, object)[numbers].tolist(),
        video_ids=np.asarray(clips.video_ids, object)[numbers].tolist(),
        **{name: table.pop(name) for name in known},
        extra=table,
        unreadable=expected - count,
    )
