"""``yt360 labels``: comparing and importing sets of labels."""

from __future__ import annotations

from pathlib import Path

import click

from yt360.commands.group import StrictGroup, examples
from yt360.terminal.output import echo


@click.group("labels", cls=StrictGroup)
def command() -> None:
    """Compare sets of labels, and import the maps that YT-360's authors released."""


@examples(
    "yt360 labels compare DATASET:released DATASET:panoptic",
    "yt360 labels compare DATASET OTHER_COPY",
)
@command.command("compare")
@click.argument("a")
@click.argument("b")
def compare_command(a: str, b: str) -> None:
    """Say how far the labels B agree with the labels A, the reference.

    A and B are each DATASET, which means its labels named `panoptic`, or DATASET:NAME.
    """
    from yt360.labels.compare import compare

    echo(*compare(a, b).lines())


@examples("yt360 labels import DATASET segmentation --name released")
@command.command("import")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", default="released", show_default=True, help="Of the set of labels.")
def import_command(dataset: Path, folder: Path, name: str) -> None:
    """Import released maps from FOLDER into DATASET.

    FOLDER holds a folder a clip, VIDEOID-START, with things-NNNN.png and stuff-NNNN.png.
    """
    from yt360.labels.yt360_maps import import_yt360_maps

    report = import_yt360_maps(dataset, folder, name)
    echo(f"{report.clips} clips imported; {report.without_maps} others have no maps")
    for reason, count in sorted(report.skipped.items()):
        echo(f"{count} clips skipped: {reason}")
    if report.elsewhere:
        echo(f"{report.elsewhere} shards are being labelled by another process")
