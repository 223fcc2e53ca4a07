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
    help="Image file to write.",
)
@click.option("--labels", is_flag=True, help="Also show the label maps and a legend.")
@click.option(
    "--name", default="panoptic", show_default=True, help="Label set to show with --labels."
)
@click.option(
    "--clip",
    "keys",
    multiple=True,
    metavar="KEY",
    help="Clip to draw; repeatable.  [default: a selection]",
)
@click.option(
    "--clips",
    "num_clips",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="Number of clips to draw without --clip.",
)
@click.option("--at-s", type=float, help="Time in each clip in seconds.  [default: the middle]")
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
    """Draw clips of DATASET: the panorama and, with --labels, its label map and a legend."""
    from yt360.labels.clip_sheet import draw_clip_sheet

    if not labels:
        refuse(context, ("name",), "selects the label set of --labels; add --labels")
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
