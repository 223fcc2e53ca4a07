"""``avsa eval localization``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from avsa.commands.evals.common import carry_out, evaluation_options, worker_options
from yt360.commands.group import examples


@examples(
    "avsa eval localization runs/avsa --data DATASET",
    "avsa eval localization runs/avsa --data DATASET --scenes SCENES",
    "avsa eval localization runs/avsa --data STARSS23",
    "avsa eval localization runs/avsa --data DATASET --directions sources.csv --clips 100",
)
@click.command("localization")
@evaluation_options
@worker_options
@click.option(
    "--scenes",
    type=click.Path(path_type=Path),
    help="Folder of the synthetic scenes from which the dataset was built, for true directions.",
)
@click.option(
    "--directions",
    type=click.Path(path_type=Path),
    help="CSV file of true directions, with the columns key, azimuth_deg and elevation_deg.",
)
@click.option(
    "--clips",
    type=click.IntRange(min=1),
    help="Number of clips.  [default: all with known directions, or those that are drawn]",
)
@click.option(
    "--pictures", type=click.IntRange(min=0), help="Number of clips in pictures.  [default: 4]"
)
@click.option(
    "--hfov-deg",
    type=float,
    help="Field of view in degrees.  [default: 80, or the nearest of training]",
)
def command(
    subject: str,
    scenes: Path | None,
    directions: Path | None,
    clips: int | None,
    pictures: int | None,
    hfov_deg: float | None,
    **shared: Any,
) -> None:
    """Localize sound sources by Grad-CAM (Fig. 7).

    Draws for clips of the test split the Grad-CAM of the score by which the pretext task matches
    video and audio, projected back onto the panorama, beside a map of the audio energy.

    If the directions of sources are known (by --scenes or --directions, or stored in the dataset by
    `yt360 build-shards --directions`), prints the fraction of clips in which the peak of the
    map is within 20° of a source (hits), and the mean angle from the peak to the nearest source
    (error); as controls also those for silent, swapped and turned audio, for the front, and for the
    audio energy.
    """
    options = {
        "scenes": scenes,
        "directions": directions,
        "clips": clips,
        "pictures": pictures,
        "hfov_deg": hfov_deg,
    }
    carry_out("localization", subject, options, **shared)
