"""The command line of yt360: a table of commands, each in a module of its own."""

from __future__ import annotations

import click

from yt360 import __version__
from yt360.cli_group import LazyGroup, run
from yt360.terminal import guard

COMMANDS = {
    "doctor": ("yt360.commands.doctor", "Tell whether this machine can do each job."),
    "search": ("yt360.commands.search", "Find 360° videos with spatial audio on YouTube."),
    "import": ("yt360.commands.import_", "Put known videos, clips and splits into a catalog."),
    "formats": ("yt360.commands.formats", "Explain which streams of a video are taken."),
    "download": ("yt360.commands.download", "Fetch the videos of a catalog."),
    "inspect": ("yt360.commands.inspect", "Test whether picture and sound are what they seem."),
    "catalog": ("yt360.commands.catalog", "Look into a catalog; query, export, split."),
    "probe": ("yt360.commands.probe", "Say what a media file is, and why that is believed."),
    "scenes": ("yt360.commands.scenes", "Render synthetic 360° scenes with known sources."),
    "build-shards": ("yt360.commands.build_shards", "Cut media into clips and write shards."),
    "pseudolabel": ("yt360.commands.pseudolabel", "Label every clip of a dataset."),
    "labels": ("yt360.commands.labels", "Compare label sets; import released ones."),
    "segment": ("yt360.commands.segment", "Segment pictures and panoramas."),
    "stats": ("yt360.commands.stats", "Count clips, hours and classes of a dataset."),
    "preview": ("yt360.commands.preview", "Draw clips and their labels."),
    "check": ("yt360.commands.check", "Verify a dataset: sums, keys, members, readability."),
    "index": ("yt360.commands.index", "Rebuild the index of a dataset from its shards."),
}


@click.group(cls=LazyGroup, modules=COMMANDS)
@click.version_option(__version__, prog_name="yt360")
def cli() -> None:
    """Find, download, check, cut, shard and label 360° videos with spatial audio."""


def main() -> None:
    """Entry point of the ``yt360`` command."""
    guard()
    run(cli)
