"""Features of every clip of a dataset, as one Parquet file."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from avsa import __version__
from avsa.data.clips import clips_form, open_to_load
from avsa.data.order import SequentialOrder
from avsa.data.prefetch import prefetched, read_ahead
from avsa.data.remote.mirror import address_of
from avsa.evals.subject import require_clip_format
from avsa.hub.load import Model
from avsa.training.distributed import World
from avsa.training.run_folder import fingerprint
from avsa.views.batch import Batch, batches
from avsa.views.sampling import ViewConfig
from yt360.config import to_mapping
from yt360.errors import UserError
from yt360.files import atomic_write
from yt360.shards.format.arrow_values import array_of
from yt360.shards.format.reader import ShardReader
from yt360.sphere import azimuth_elevation
from yt360.terminal.progress import Progress

SEED = 0


@dataclass(frozen=True, kw_only=True)
class EmbedConfig:
    """Which views of each clip are embedded."""

    split: str = "test"
    """Split of the dataset."""
    num_views: int = 4
    """Views of a clip, evenly spaced on the horizon, the first in front."""
    hfov_deg: float = 60.0
    """Full horizontal field of view."""
    batch_size: int = 8
    """Clips at a time; it does not affect features beyond rounding."""


def embed_dataset(model: Model, dataset: Path, out: Path, config: EmbedConfig) -> int:
    """Write the features of every clip and view; return how many rows.

    The file has the columns ``key``, ``start_s`` (of the audio within the clip), ``view``,
    ``azimuth_deg``, ``elevation_deg``; ``video`` and ``audio``, the features of the two encoders,
    in separate spaces; and, if the task of the model compares embeddings, ``video_joint`` and
    ``audio_joint``, whose dot product says how well they match (`Model.similarity` of the views of
    one clip). All are lists of float32. The metadata ``avsa`` of the file is a JSON object with its
    origin. The file gets its name when it is complete. Equal arguments give equal bytes on the same
    machine.

    Args:
        model: From `avsa.load`.
        dataset: Folder of shards.
        out: The file.
        config: Which views.

    Raises:
        UserError: The model has no audio statistics or was trained on clips of another format, or
            the split has no clips, or none of them can be read.
    """
    rows = 0
    with closing(open_to_load(dataset, config.split)) as clips:
        if not len(clips):
            raise UserError(
                f"the split {config.split} of {dataset} has no clips; use another --split",
                "empty",
                "--split",
            )
        statistics = model.require_audio_statistics()
        require_clip_format(model, clips_form(clips.info))
        schema = _schema(model, _provenance(model, clips, config))
        with (
            Progress("embedding", len(clips), "clips") as progress,
            atomic_write(out) as file,
            pq.ParquetWriter(file, schema) as writer,
            ExitStack() as opened,
        ):
            samples = opened.enter_context(
                closing(
                    batches(
                        clips,
                        SequentialOrder(len(clips), config.batch_size),
                        SEED,
                        replace(model.config.data, windows_per_clip=1, video_position="middle"),
                        fixed_views(model.config.views, config.num_views, config.hfov_deg),
                        model.config.audio,
                        statistics,
                        World(0, 1, model.device),
                    )
                )
            )
            # Three threads: one makes the views of the next batch, this one computes features, and
            # one writes those of the last batch.
            ready = opened.enter_context(closing(read_ahead(samples, ahead=1)))
            computed = ((batch, _features(model, batch)) for batch in ready)
            write = partial(_write, writer, schema)
            written = opened.enter_context(closing(prefetched(write, computed, 1, ahead=1)))
            for clips_written, rows_written in written:
                rows += rows_written
                progress.advance(clips_written)
            if not rows:
                raise UserError(
                    f"no clip of the split {config.split} of {dataset} can be read; "
                    f"`yt360 check {dataset}` shows the reasons",
                    "empty",
                    "--split",
                )
    return rows


def fixed_views(views: ViewConfig, num_views: int, hfov_deg: float) -> ViewConfig:
    """Return views without jitter, evenly spaced on the horizon, each with its own audio."""
    return replace(
        views,
        audio_rotation="view",
        num_views=num_views,
        sampler="grid",
        augment=False,
        hfov_min_deg=hfov_deg,
        hfov_max_deg=hfov_deg,
    )


@torch.inference_mode()
def _features(model: Model, batch: Batch) -> list[Tensor]:
    """Return features (B, K, D) of video and audio, and joint embeddings (B, K, E) if any."""
    features = model.encode(batch.video, batch.audio)
    return [*features, *(model.joint_embeddings(*features) if joint_dim(model) else ())]


def _write(
    writer: pq.ParquetWriter, schema: pa.Schema, computed: tuple[Batch, list[Tensor]]
) -> tuple[int, int]:
    """Write the rows of a batch; return the numbers of clips and of rows."""
    table = _table(*computed, schema)
    writer.write_table(table)
    return len(computed[0].raw.keys), len(table)


@torch.inference_mode()
def _table(batch: Batch, features: list[Tensor], schema: pa.Schema) -> pa.Table:
    clips, views = features[0].shape[:2]
    azimuth, elevation = azimuth_elevation(batch.directions.flatten(0, 1).cpu())
    columns = [
        array_of([key for key in batch.raw.keys for _ in range(views)], pa.string()),
        array_of(np.repeat(batch.raw.audio_start_s, views), pa.float64()),
        array_of(list(range(views)) * clips, pa.int32()),
        array_of(torch.rad2deg(azimuth).numpy(), pa.float32()),
        array_of(torch.rad2deg(elevation).numpy(), pa.float32()),
        *(
            pa.FixedSizeListArray.from_arrays(
                array_of(feature.float().flatten().cpu().numpy(), pa.float32()), feature.shape[-1]
            )
            for feature in features
        ),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _schema(model: Model, provenance: dict[str, Any]) -> pa.Schema:
    feature = pa.list_(pa.float32(), model.feature_dim)
    fields = [
        ("key", pa.string()),
        ("start_s", pa.float64()),
        ("view", pa.int32()),
        ("azimuth_deg", pa.float32()),
        ("elevation_deg", pa.float32()),
        ("video", feature),
        ("audio", feature),
    ]
    if length := joint_dim(model):
        joint = pa.list_(pa.float32(), length)
        fields += [("video_joint", joint), ("audio_joint", joint)]
    return pa.schema(fields, metadata={"avsa": json.dumps(provenance, sort_keys=True)})


def joint_dim(model: Model) -> int:
    """Return the length of the embeddings that the pretext task compares; 0 if there are none."""
    return 0 if model.task is None else model.task.joint_dim


def _provenance(model: Model, clips: ShardReader, config: EmbedConfig) -> dict[str, Any]:
    """Return the origin of the features, as JSON values."""
    return {
        "avsa": __version__,
        "weights_sha256": model.weights_hash(),
        "step": model.step,
        "recipe": to_mapping(model.config),
        "dataset": {"path": address_of(clips.dataset), "clips": fingerprint(clips)},
        "split": config.split,
        "num_views": config.num_views,
        "hfov_deg": config.hfov_deg,
    }
