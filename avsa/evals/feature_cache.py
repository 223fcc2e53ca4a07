"""Features of a split on disk, computed once by (weights, data, views, seed).

A set of features is a folder ``eval/features/HASH`` of parts, one safetensors file for some
hundreds of clips, and ``spec.json``, which says what was hashed. A killed run goes on with the next
part. Ranks compute different parts and need not communicate; every number of ranks gives the same
parts.

Shapes: N samples (clip and draw), K views, D features.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from avsa.data.loader import DataConfig
from avsa.data.order import Draw
from avsa.evals.base import Context
from avsa.hub.load import Model
from avsa.models.compute import autocast
from avsa.training.distributed import World, on_first_rank
from avsa.training.run_folder import fingerprint
from avsa.views.batch import Batch, batches
from avsa.views.sampling import ViewConfig
from yt360.config import to_mapping
from yt360.errors import UserError
from yt360.files import atomic_write, write_json
from yt360.shards.format.reader import ShardReader
from yt360.splits import Split
from yt360.terminal.progress import Progress
from yt360.untrusted.safetensors_files import read_safetensors

BATCH_SIZE = 8
PART_BATCHES = 32
FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """Which features.

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


@dataclass(frozen=True)
class Features:
    """Features of all clips of a split that can be read, in order of draws, then of the index.

    Attributes:
        keys: Clip of each sample.
        video_ids: Video of each sample.
        draws: (N,) number of the draw of each sample, from 0.
        audio_start_s: (N,) start of the audio in the clip.
        video: float32 (N, K, D), of `Encoders`.
        audio: float32 (N, K, D).
        directions: float32 (N, K, 3), of the views.
        extra: Further tensors (N, ...) by name.
    """

    keys: list[str]
    video_ids: list[str]
    draws: Tensor
    audio_start_s: Tensor
    video: Tensor
    audio: Tensor
    directions: Tensor
    extra: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.keys)


class DrawnOrder:
    """Every clip of a split `draws` times, in the order of the index; never replaced.

    The position of a sample, by which its views are drawn, is ``draw * num_clips + clip``, and its
    epoch is the draw.

    Args:
        num_clips: Clips of the split.
        draws: Draws of each clip.
        batch_size: Samples in a batch; the last one may be smaller.
    """

    full_batches = False

    def __init__(self, num_clips: int, draws: int, batch_size: int) -> None:
        self.num_clips, self.draws, self.batch_size = num_clips, draws, batch_size

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-self.num_clips * self.draws // self.batch_size)

    def batch(self, step: int) -> list[Draw]:
        """Return the samples of a batch; empty past the end."""
        first = step * self.batch_size
        last = min(first + self.batch_size, self.num_clips * self.draws)
        return [Draw(i, i // self.num_clips, i % self.num_clips) for i in range(first, last)]

    def replacements(self, draw: Draw) -> Iterator[int]:  # noqa: ARG002 - the protocol's signature
        """Return nothing: clips are not replaced."""
        return iter(())


class ExtraFeatures:
    """Computes further tensors from the batches of `view_features`.

    Attributes:
        identity: What determines them, as plain values; part of the hash.
    """

    identity: dict[str, Any]

    def __call__(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Return tensors (B, ...) by name; the raw tensors of the batch are valid."""
        raise NotImplementedError


def view_features(
    context: Context, spec: FeatureSpec, extra: ExtraFeatures | None = None
) -> Features:
    """Return the features of a split, from disk as far as they are there; a collective call.

    Args:
        context: Its model computes the features, in evaluation mode.
        spec: Which features.
        extra: Computes further tensors.

    Raises:
        UserError: The split has no clips, or none of them can be read.
    """
    model = context.subject.require_model()
    with context.clips(spec.split) as clips:
        identity = _identity(model, clips, spec, extra)
        text = json.dumps(identity, sort_keys=True)
        folder = context.features / hashlib.sha256(text.encode()).hexdigest()[:16]
        order = DrawnOrder(len(clips), spec.draws, BATCH_SIZE)
        on_first_rank(context.world, lambda: _describe(folder, identity))
        _compute_missing(context, model, clips, spec, extra, order, folder)
        on_first_rank(context.world, lambda: None)  # wait for the parts of all ranks
        return _read(folder, clips, order, spec)


def _identity(
    model: Model, clips: ShardReader, spec: FeatureSpec, extra: ExtraFeatures | None
) -> dict[str, Any]:
    data = to_mapping(spec.data)
    for key in ("num_threads", "prefetch_batches"):
        del data[key]
    return {
        "format_version": FORMAT_VERSION,
        "weights": model.weights_hash(),
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


def _compute_missing(
    context: Context,
    model: Model,
    clips: ShardReader,
    spec: FeatureSpec,
    extra: ExtraFeatures | None,
    order: DrawnOrder,
    folder: Path,
) -> None:
    """Compute this rank's share of the parts that are not there."""
    world, alone = context.world, World(0, 1, context.world.device)
    starts = range(0, len(order), PART_BATCHES)
    missing = [start for start in starts if not _part(folder, start).exists()]
    mine = missing[world.rank :: world.size]
    total = sum(min(PART_BATCHES, len(order) - start) for start in mine)
    progress = Progress(f"features of {spec.split}", total, "batches")
    with progress:
        for start in mine:
            samples = batches(
                clips,
                order,
                spec.seed,
                replace(spec.data, windows_per_clip=1),
                spec.views,
                model.config.audio,
                context.statistics(model.config.audio),
                alone,
                first_step=start,
            )
            found: list[dict[str, Tensor]] = []
            with closing(samples):
                for batch in samples:
                    if batch.raw.step >= start + PART_BATCHES:
                        break
                    found.append(_features(model, batch, len(clips), extra))
                    progress.advance()
            names = found[0] if found else []
            table = {name: torch.cat([each[name] for each in found]) for name in names}
            with atomic_write(_part(folder, start)) as file:
                file.write(save(table))


@torch.no_grad()
def _features(
    model: Model, batch: Batch, num_clips: int, extra: ExtraFeatures | None
) -> dict[str, Tensor]:
    positions = torch.tensor(batch.raw.positions)
    with autocast(model.config.compute, model.device):
        video, audio = model.encoders(batch.video, batch.audio)
    tensors = {"video": video, "audio": audio, "directions": batch.directions}
    if extra is not None:
        tensors |= extra(model, batch)
    return {
        "clip": positions % num_clips,
        "draw": positions // num_clips,
        "audio_start_s": torch.tensor(batch.raw.audio_start_s, dtype=torch.float64),
        **{name: each.float().cpu().contiguous() for name, each in tensors.items()},
    }


def _read(folder: Path, clips: ShardReader, order: DrawnOrder, spec: FeatureSpec) -> Features:
    parts = []
    for start in range(0, len(order), PART_BATCHES):
        try:
            parts.append(read_safetensors(_part(folder, start))[0])
        except (OSError, ValueError) as error:
            raise UserError(
                f"{_part(folder, start)} cannot be read ({error}); remove {folder} to compute the "
                "features again",
                key=folder,
            ) from None
    parts = [part for part in parts if part]
    if not parts:
        raise UserError(
            f"no clip of the split {spec.split} of {clips.dataset} can be read; "
            f"`yt360 check {clips.dataset}` shows the reasons",
            "empty",
            spec.split,
        )
    table = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    numbers = table.pop("clip").numpy()
    known = ("video", "audio", "directions", "audio_start_s")
    return Features(
        keys=np.asarray(clips.keys, object)[numbers].tolist(),
        video_ids=np.asarray(clips.video_ids, object)[numbers].tolist(),
        draws=table.pop("draw"),
        **{name: table.pop(name) for name in known},
        extra=table,
    )


def _part(folder: Path, start: int) -> Path:
    return folder / f"part-{start // PART_BATCHES:05d}.safetensors"
