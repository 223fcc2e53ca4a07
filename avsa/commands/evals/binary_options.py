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
            help="Views, jitter and mirroring as in the paper or its published programs.  "
            "[default: paper]",
        ),
        click.option(
            "--translated",
            is_flag=True,
            default=None,
            help="Use the audio features that the translation network predicts from the video.",
        ),
        click.option(
            "--views", type=click.IntRange(min=1), help="Views of a clip, 1 or 4.  [default: 4]"
        ),
    ):
        command = option(command)
    return command
