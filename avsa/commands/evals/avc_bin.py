"""``avsa eval avc-bin``."""

from __future__ import annotations

from typing import Any

import click

from avsa.commands.evals.binary_options import binary_options
from avsa.commands.evals.common import carry_out, evaluation_options
from yt360.commands.group import examples


@examples(
    "avsa eval avc-bin runs/avsa --data DATASET",
    "avsa eval avc-bin runs/avsa --data DATASET --views 1",
    "avsa eval avc-bin runs/avsa --data DATASET --translated",
)
@click.command("avc-bin")
@evaluation_options
@binary_options
def command(
    subject: str, views: int | None, translated: bool | None, protocol: str | None, **shared: Any
) -> None:
    """Evaluate audio-visual correspondence (AVC-Bin, Table 2).

    A head on frozen features decides whether video and audio come from the same clip.

    Prints its accuracy, and as controls those of heads that see only the audio or only the video,
    and its accuracy with the audio of another video.
    """
    options = {"views": views, "translated": translated, "protocol": protocol}
    carry_out("avc-bin", subject, options, **shared)
