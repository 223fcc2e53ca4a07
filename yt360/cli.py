"""The command line of yt360: a table of commands, each in a module of its own."""

from __future__ import annotations

import click

from yt360 import __version__
from yt360.cli_group import LazyGroup, run

COMMANDS = {
    "doctor": ("yt360.commands.doctor", "Tell whether this machine can do each job."),
    "probe": ("yt360.commands.probe", "Say what a media file is, and why that is believed."),
    "scenes": ("yt360.commands.scenes", "Render synthetic 360° scenes with known sources."),
    "build-shards": ("yt360.commands.build_shards", "Cut media into clips and write shards."),
    "check": ("yt360.commands.check", "Verify a dataset: sums, keys, members, readability."),
    "index": ("yt360.commands.index", "Rebuild the index of a dataset from its shards."),
}


@click.group(cls=LazyGroup, modules=COMMANDS)
@click.version_option(__version__, prog_name="yt360")
def cli() -> None:
    """Find, download, check, cut, shard and label 360° videos with spatial audio."""


def main() -> None:
    """Entry point of the ``yt360`` command."""
    run(cli)
