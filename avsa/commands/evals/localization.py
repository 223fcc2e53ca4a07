"""``avsa eval localization``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from avsa.commands.evals.common import carry_out, evaluation_options
from yt360.commands.group import examples


@examples(
    "avsa eval localization runs/avsa --data DATASET",
    "avsa eval localization runs/avsa --data DATASET --scenes SCENES",
    "avsa eval localization runs/avsa --data DATASET --directions sources.csv --clips 100",
)
@click.command("localization")
@evaluation_options
@click.option(
    "--scenes",
    type=click.Path(path_type=Path),
    help="Folder of the synthetic scenes of the dataset, for the true directions.",
)
@click.option(
    "--directions",
    type=click.Path(path_type=Path),
    help="CSV file of true directions: key, azimuth_deg, elevation_deg.",
)
@click.option(
    "--clips",
    type=click.IntRange(min=1),
    help="Number of clips.  [default: all with known directions, or those that are drawn]",
)
@click.option(
    "--pictures", type=click.IntRange(min=0), help="Number of clips that are drawn.  [default: 4]"
)
@click.option("--hfov-deg", type=float, help="Field of view of the views.  [default: about 80]")
def command(
    subject: str,
    scenes: Path | None,
    directions: Path | None,
    clips: int | None,
    pictures: int | None,
    hfov_deg: float | None,
    **shared: Any,
) -> None:
    """Show where the model sees the sources of the audio (Fig. 7).

    Grad-CAM of the score by which the pretext task matches video and audio, laid on the panorama,
    beside a map of the audio energy, for clips of the test split. Where the directions of sources
    are known, prints how often the peak is within 20° of a source, and the mean angle between
    them: for the model, for silent, turned and swapped audio, for the audio energy, and for the
    front.
    """
    options = {
        "scenes": scenes and str(scenes),
        "directions": directions and str(directions),
        "clips": clips,
        "pictures": pictures,
        "hfov_deg": hfov_deg,
    }
    carry_out("localization", subject, options, **shared)
