"""``avsa eval probe``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from avsa.commands.evals.common import carry_out, evaluation_options
from yt360.commands.group import examples


@examples(
    "avsa eval probe runs/avsa --data DATASET --scenes FOOTAGE",
    "avsa eval probe runs/avsa --data DATASET --scenes FOOTAGE --set neighbors=5",
)
@click.command("probe")
@evaluation_options
@click.option(
    "--scenes",
    type=click.Path(path_type=Path),
    help="Folder of yt360 scenes from which the dataset was built.",
)
@click.option(
    "--views", "num_views", type=click.IntRange(min=1), help="Views of a clip.  [default: 4]"
)
def command(subject: str, scenes: Path | None, num_views: int | None, **shared: Any) -> None:
    """Predict facts about synthetic scenes from frozen features.

    Trains linear and k-nearest-neighbour probes on features of video, of audio and of both, and
    tests them on the test split: the place, the number of sources, and the class, azimuth and
    elevation of the source nearest to the centre of each view. The value by chance is that of a
    constant prediction.
    """
    given = {"scenes": None if scenes is None else str(scenes), "num_views": num_views}
    carry_out("probe", subject, given, **shared)
