"""``avsa embed``."""

from __future__ import annotations

from pathlib import Path, PurePath

import click

from avsa.commands.options import device_option
from yt360.commands.group import PATH_OR_URL, examples
from yt360.errors import UserError
from yt360.execution.collection import uncollected_imports
from yt360.terminal.output import echo


@examples(
    "avsa embed shards --checkpoint runs/small-1 --out features.parquet",
    "avsa embed DATASET --checkpoint CKPT --split train --views 8 --out train.parquet",
)
@click.command("embed")
@click.argument("dataset")
@click.option(
    "--checkpoint",
    required=True,
    type=PATH_OR_URL,
    help="A checkpoint, or the folder of a run or an exported model; also in a bucket or on a hub.",
)
@click.option(
    "--out",
    required=True,
    help="Parquet file; also in a bucket, such as s3://BUCKET/features.parquet.",
)
@click.option("--split", default="test", show_default=True, help="train or test.")
@click.option(
    "--views", default=4, show_default=True, type=click.IntRange(min=1), help="Views of a clip."
)
@click.option(
    "--hfov-deg",
    default=60.0,
    show_default=True,
    type=click.FloatRange(1, 170),
    help="Full horizontal field of view.",
)
@click.option(
    "--batch-size",
    default=8,
    show_default=True,
    type=click.IntRange(min=1),
    help="Clips at a time.",
)
@device_option
def command(
    dataset: str,
    checkpoint: Path,
    out: str,
    split: str,
    views: int,
    hfov_deg: float,
    batch_size: int,
    device: str,
) -> None:
    """Compute features of every clip of a dataset.

    Writes a row for each clip and view: key, time, direction, and features. Views are evenly spaced
    on the horizon, the first in front.

    The columns video and audio hold the features of the two encoders, which lie in separate spaces
    and cannot be compared. The columns video_joint and audio_joint can be: their dot product, in
    [-1, 1], says how well video and audio match. The metadata "avsa" of the file names the weights,
    the recipe, the dataset and the views.
    """
    with uncollected_imports():
        from avsa.data.remote.mirror import dataset_folder
        from avsa.evals.features import EmbedConfig, embed_dataset
        from avsa.hub.load import load
        from yt360.buckets.output_file import written_file

    if PurePath(out).suffix.lower() != ".parquet":
        raise UserError(
            f"{out} is not the name of a Parquet file; name it {PurePath(out).stem}.parquet",
            "invalid",
            "--out",
        )
    config = EmbedConfig(split=split, num_views=views, hfov_deg=hfov_deg, batch_size=batch_size)
    with written_file(out) as path:
        rows = embed_dataset(load(checkpoint, device), dataset_folder(dataset), path, config)
    echo(f"{out}: {rows} rows, one for each clip and view")
