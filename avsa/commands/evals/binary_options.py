"""Options that `avsa eval avc-bin` and `avsa eval avsa-bin` share."""

from __future__ import annotations

import click

from avsa.commands.evals.common import Decorated


def binary_options(command: Decorated) -> Decorated:
    """Add --views, --translated and --protocol to a command."""
    for option in (
        click.option(
            "--protocol",
            type=click.Choice(["paper", "published"]),
            help="published: views, jitter and mirroring as in the paper's published code.  "
            "[default: paper]",
        ),
        click.option(
            "--translated",
            is_flag=True,
            default=None,
            help="Replace the video features by the audio features that the translation network "
            "predicts from them.",
        ),
        click.option(
            "--views",
            type=click.IntRange(min=1),
            help="Views of a clip, over which the decision is averaged; the paper has 1 and 4.  "
            "[default: 4]",
        ),
    ):
        command = option(command)
    return command
