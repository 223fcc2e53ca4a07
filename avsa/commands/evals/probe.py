"""``avsa eval probe``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from avsa.commands.evals.common import carry_out, evaluation_options, worker_options
from yt360.commands.group import examples


@examples(
    "avsa eval probe runs/avsa --data DATASET --scenes SCENES",
    "avsa eval probe runs/avsa --data DATASET --scenes SCENES --set neighbors=5",
    "avsa eval probe runs/avsa --data STARSS23",
)
@click.command("probe")
@evaluation_options
@worker_options
@click.option(
    "--scenes",
    type=click.Path(path_type=Path),
    help="Folder of the synthetic scenes from which the dataset was built (yt360 scenes); needed "
    "unless the dataset has labelled directions.",
)
@click.option("--views", type=click.IntRange(min=1), help="Views of a clip.  [default: 4]")
def command(subject: str, scenes: Path | None, views: int | None, **shared: Any) -> None:
    """Predict from frozen features what is heard in scenes, or in clips with labelled directions.

    Trains linear and k-nearest-neighbour probes on video features, audio features and both, and
    tests them on the test split. Targets are the place, the number of sound sources, and the class,
    azimuth and elevation of the source that is nearest to the centre of each view. Chance is
    that of a constant prediction. Labelled directions have no places.
    """
    carry_out("probe", subject, {"scenes": scenes, "views": views}, **shared)
