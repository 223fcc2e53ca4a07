"""``avsa eval avsa-bin``."""

from __future__ import annotations

from typing import Any

import click

from avsa.commands.evals.binary_options import binary_options
from avsa.commands.evals.common import carry_out, evaluation_options
from yt360.commands.group import examples


@examples(
    "avsa eval avsa-bin runs/avsa --data DATASET",
    "avsa eval avsa-bin runs/avsa --data DATASET --views 1",
    "avsa eval avsa-bin runs/avsa --data DATASET --translated",
)
@click.command("avsa-bin")
@evaluation_options
@binary_options
def command(
    subject: str, views: int | None, translated: bool | None, protocol: str | None, **shared: Any
) -> None:
    """Evaluate spatial alignment (AVSA-Bin, Table 2).

    A head on frozen features decides whether the audio is aligned with the video, or the sound
    field was turned about the vertical.

    Prints its accuracy, and as controls those of heads that see only the audio or only the video,
    and its accuracy with the audio of another video.
    """
    options = {"views": views, "translated": translated, "protocol": protocol}
    carry_out("avsa-bin", subject, options, **shared)
