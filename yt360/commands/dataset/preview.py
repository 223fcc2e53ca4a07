"""``yt360 preview``: draw clips and their labels."""

from __future__ import annotations

from pathlib import Path

import click

from yt360.commands.exclusive_options import refuse
from yt360.commands.group import examples
from yt360.terminal.output import echo


@examples(
    "yt360 preview DATASET --labels",
    "yt360 preview DATASET --labels --name released --clip kqAZkf5Odyw-00080 --at-s 2.5",
)
@click.command("preview")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("preview.png"),
    show_default=True,
    help="The picture to write.",
)
@click.option("--labels", is_flag=True, help="Show label maps and their legend too.")
@click.option(
    "--name", default="panoptic", show_default=True, help="Set of labels to show with --labels."
)
@click.option(
    "--clip",
    "keys",
    multiple=True,
    metavar="KEY",
    help="Clip to draw; may be given several times. [default: some of all]",
)
@click.option(
    "--clips",
    "num_clips",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="How many clips to draw when none is named.",
)
@click.option("--at-s", type=float, help="Second of each clip. [default: its middle]")  # fmt: skip
@click.pass_context
def command(
    context: click.Context,
    dataset: Path,
    out: Path,
    labels: bool,
    name: str,
    keys: tuple[str, ...],
    num_clips: int,
    at_s: float | None,
) -> None:
    """Draw clips of DATASET: the panorama and, with --labels, its map and legend."""
    from yt360.labels.clip_sheet import draw_clip_sheet

    if not labels:
        refuse(context, ("name",), "chooses the labels that --labels shows; give --labels too")
    drawn = draw_clip_sheet(
        dataset,
        out,
        labels=name if labels else None,
        keys=keys,
        num_clips=num_clips,
        at_s=at_s,
        note=lambda line: echo(line, err=True),
    )
    echo(f"{out}: {', '.join(drawn)}")
