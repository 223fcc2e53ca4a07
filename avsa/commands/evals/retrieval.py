"""``avsa eval retrieval``."""

from __future__ import annotations

from typing import Any

import click

from avsa.commands.evals.common import carry_out, evaluation_options, worker_options
from yt360.commands.group import examples


@examples(
    "avsa eval retrieval runs/avsa --data DATASET",
    "avsa eval retrieval runs/avsa --data DATASET --views 12",
)
@click.command("retrieval")
@evaluation_options
@worker_options
@click.option("--views", type=click.IntRange(min=1), help="Views of a clip.  [default: 4]")
def command(subject: str, views: int | None, **shared: Any) -> None:
    """Retrieve audio by video, and video by audio.

    Prints recall at 1, 5 and 10 and the median rank on the test split, in both directions: among
    the views of a clip, among clips by all of their views, and among clips by one view. Other
    clips of the same video are left out. The pretext task of the model must compare embeddings.
    """
    carry_out("retrieval", subject, {"views": views}, **shared)
