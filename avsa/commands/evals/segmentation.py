"""``avsa eval segmentation``."""

from __future__ import annotations

from typing import Any

import click

from avsa.commands.evals.common import carry_out, evaluation_options
from yt360.commands.group import examples


@examples(
    "avsa eval segmentation runs/avsa --data DATASET --inputs video+audio+context",
    "avsa eval segmentation kinetics --data DATASET --out runs/kinetics",
    "avsa eval segmentation scratch --data DATASET --out runs/scratch --end-to-end",
)
@click.command("segmentation")
@evaluation_options
@click.option(
    "--inputs",
    type=click.Choice(["video", "video+audio", "video+audio+context"]),
    help="What the head sees: maps of the video; its audio features, too; and those that "
    "translation networks predict from all views of the clip, too.  [default: video]",
)
@click.option(
    "--end-to-end",
    is_flag=True,
    default=None,
    help="Train the encoders with the head, an upper bound; otherwise they are frozen.",
)
@click.option(
    "--protocol",
    type=click.Choice(["paper", "published"]),
    help="published: batch norm and dropout of frozen encoders are in training mode, and test "
    "views are augmented, as in the published programs.  [default: paper]",
)
@click.option(
    "--kinetics-weights",
    metavar="FILE",
    help="Weights of torchvision's r2plus1d_18, for the model kinetics.  [default: where "
    "torchvision keeps them]",
)
@click.option("--labels", metavar="NAME", help="Label set of the dataset.  [default: panoptic]")
def command(
    subject: str,
    inputs: str | None,
    end_to_end: bool | None,
    protocol: str | None,
    kinetics_weights: str | None,
    labels: str | None,
    **shared: Any,
) -> None:
    """Train a segmentation head on maps of the video encoder, and test it (Table 3).

    RUN is the folder of a run, a checkpoint, kinetics (R(2+1)D-18 trained on Kinetics, video only),
    or scratch (new weights; with --end-to-end). Targets are the 32 classes of the paper in the
    labels of the dataset (yt360 pseudolabel). Prints pixel accuracy and mIoU of the whole test
    split, and the means over batches and images of the published programs. Writes tables of
    classes, and pictures of predictions beside targets.
    """
    options = {
        "inputs": inputs,
        "end_to_end": end_to_end,
        "protocol": protocol,
        "kinetics_weights": kinetics_weights,
        "labels": labels,
    }
    carry_out("segmentation", subject, options, **shared)
