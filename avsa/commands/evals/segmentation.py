"""``avsa eval segmentation``."""

from __future__ import annotations

from typing import Any

import click

from avsa.commands.evals.common import carry_out, evaluation_options, refused_worker_options
from yt360.commands.group import examples


@examples(
    "avsa eval segmentation runs/avsa --data DATASET --inputs video+audio+context",
    "avsa eval segmentation kinetics --data DATASET --out runs/kinetics",
    "avsa eval segmentation scratch --data DATASET --out runs/scratch --end-to-end",
)
@click.command("segmentation")
@evaluation_options
@refused_worker_options
@click.option(
    "--inputs",
    type=click.Choice(["video", "video+audio", "video+audio+context"]),
    help="Inputs of the head: feature maps of the video; also audio features; also the features "
    "that translation networks predict from all views of the clip (context).  [default: video]",
)
@click.option(
    "--end-to-end",
    is_flag=True,
    default=None,
    help="Train the encoders with the head, as an upper bound; by default they are frozen.",
)
@click.option(
    "--protocol",
    type=click.Choice(["paper", "published"]),
    help="published: as in the paper's published code, batch norm and dropout of frozen encoders "
    "are in training mode, and test views are augmented.  [default: paper]",
)
@click.option(
    "--kinetics-weights",
    metavar="FILE",
    help="File of the weights of torchvision's r2plus1d_18, for kinetics.  [default: in the cache "
    "of torchvision]",
)
@click.option("--views", type=click.IntRange(min=1), help="Views of a clip.  [default: 4]")
@click.option("--labels", metavar="NAME", help="Label set of the dataset.  [default: panoptic]")
def command(
    subject: str,
    inputs: str | None,
    end_to_end: bool | None,
    protocol: str | None,
    kinetics_weights: str | None,
    views: int | None,
    labels: str | None,
    **shared: Any,
) -> None:
    """Train a segmentation head on feature maps of the video encoder, and test it (Table 3).

    RUN is the folder of a run, a checkpoint, kinetics (R(2+1)D-18 trained on Kinetics; only with
    --inputs video) or scratch (new weights; only with --end-to-end). Targets are the labels of the
    dataset (yt360 pseudolabel) in the 32 classes that the paper evaluates.

    Prints pixel accuracy and mIoU of the whole test split, and their means over batches and images
    as in the paper's published code. Writes a table of classes and pictures of predictions.
    """
    options = {
        "inputs": inputs,
        "end_to_end": end_to_end,
        "protocol": protocol,
        "kinetics_weights": kinetics_weights,
        "views": views,
        "labels": labels,
    }
    carry_out("segmentation", subject, options, **shared)
