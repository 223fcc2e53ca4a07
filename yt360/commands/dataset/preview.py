"""``yt360 preview``: draw clips with their labels and audio energy."""

from __future__ import annotations

from pathlib import Path

import click

from yt360.commands.exclusive_options import refuse
from yt360.commands.group import examples
from yt360.terminal.output import echo


@examples(
    "yt360 preview DATASET",
    "yt360 preview DATASET --no-energy --name released --clip kqAZkf5Odyw-00080 --at-s 2.5",
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
@click.option(
    "--labels/--no-labels",
    default=None,
    help="Show the label maps and a legend.  [default: if the dataset has labels]",
)
@click.option(
    "--name", help="Label set to show.  [default: panoptic, or the first one of the dataset]"
)
@click.option(
    "--energy/--no-energy",
    default=True,
    show_default=True,
    help="Show the audio energy by direction over the frame.",
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
@click.option(
    "--at-s",
    type=float,
    help="Time in each clip in seconds, limited to the clip.  [default: the middle]",
)
@click.pass_context
def command(
    context: click.Context,
    dataset: Path,
    out: Path,
    labels: bool | None,
    name: str | None,
    energy: bool,
    keys: tuple[str, ...],
    num_clips: int,
    at_s: float | None,
) -> None:
    """Draw clips of DATASET: frame, label map with a legend, and audio energy side by side.

    The layout is that of Fig. 4 of the paper. The energy is that of a cardioid to each direction,
    over the second of audio around the frame, drawn down to 12 dB below the loudest direction.
    """
    from yt360.labels.clip_sheet import draw_clip_sheet
    from yt360.labels.format.label_set import DEFAULT_NAME, default_label_set

    if labels is False:
        refuse(context, ("name",), "selects the labels that --no-labels leaves out")
    else:
        name = name or default_label_set(dataset) or (DEFAULT_NAME if labels else None)
    drawn = draw_clip_sheet(
        dataset,
        out,
        labels=name,
        energy=energy,
        keys=keys,
        num_clips=num_clips,
        at_s=at_s,
        note=lambda line: echo(line, err=True),
    )
    echo(f"{out}: {', '.join(drawn)}")
