"""The common parts of `avsa eval avc-bin` and `avsa eval avsa-bin`."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

import click

from avsa.commands.evals.common import (
    carry_out,
    evaluation_options,
    test_data_option,
    worker_options,
)
from yt360.commands.group import examples

PRINTED = """

Prints its accuracy, and as controls those of heads that see only the audio or only the video, and
its accuracy with the audio of another video.
"""


def binary_command(kind: str, summary: str) -> click.Command:
    """Return the command of a binary task.

    Args:
        kind: Name of the evaluation.
        summary: First part of the help: what a head decides.
    """

    @examples(
        f"avsa eval {kind} runs/avsa --data DATASET",
        f"avsa eval {kind} runs/avsa --data DATASET --views 1",
        f"avsa eval {kind} runs/avsa --data DATASET --translated",
        f"avsa eval {kind} runs/avsa --data SCENES --test-data RECORDINGS",
    )
    @click.command(kind, help=cleandoc(summary) + PRINTED)
    @evaluation_options
    @test_data_option
    @worker_options
    @click.option(
        "--views",
        type=click.IntRange(min=1),
        help="Views of a clip, over which the decision is averaged; the paper has 1 and 4.  "
        "[default: 4]",
    )
    @click.option(
        "--translated",
        is_flag=True,
        default=None,
        help="Replace the video features by the audio features that the translation network "
        "predicts from them.",
    )
    @click.option(
        "--protocol",
        type=click.Choice(["paper", "published"]),
        help="published: views, jitter and mirroring as in the paper's published code.  "
        "[default: paper]",
    )
    def command(
        subject: str,
        views: int | None,
        translated: bool | None,
        protocol: str | None,
        **shared: Any,
    ) -> None:
        options = {"views": views, "translated": translated, "protocol": protocol}
        carry_out(kind, subject, options, **shared)

    return command
