"""``yt360 labels``: compare and import label sets."""

from __future__ import annotations

from pathlib import Path

import click

from yt360.commands.group import StrictGroup, examples
from yt360.terminal.output import echo


@click.group("labels", cls=StrictGroup)
def command() -> None:
    """Compare label sets, and import the label maps that YT-360's authors released."""


@examples(
    "yt360 labels compare DATASET:released DATASET:panoptic",
    "yt360 labels compare DATASET OTHER_COPY",
)
@command.command("compare")
@click.argument("a")
@click.argument("b")
def compare_command(a: str, b: str) -> None:
    """Measure the agreement of label set B with the reference A.

    A and B are DATASET:NAME, or DATASET for its label set `panoptic`.
    """
    from yt360.labels.compare import compare

    echo(*compare(a, b).lines())


@examples("yt360 labels import DATASET segmentation --name released")
@command.command("import")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", default="released", show_default=True, help="Name of the new label set.")
def import_command(dataset: Path, folder: Path, name: str) -> None:
    """Import released label maps from FOLDER into DATASET.

    FOLDER contains one folder per clip, VIDEOID-START, with things-NNNN.png and stuff-NNNN.png.
    """
    from yt360.labels.yt360_maps import import_yt360_maps

    report = import_yt360_maps(dataset, folder, name)
    echo(f"{report.clips} clips imported; {report.without_maps} others have no maps")
    for reason, count in sorted(report.skipped.items()):
        echo(f"{count} clips skipped: {reason}")
    if report.elsewhere:
        echo(f"{report.elsewhere} shards are being labelled by another process")
