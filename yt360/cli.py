"""The command line of yt360: a table of commands, each in a module of its own."""

from __future__ import annotations

import click

from yt360 import __version__
from yt360.commands.group import LazyGroup
from yt360.commands.run import run
from yt360.terminal.output import guard

# Module below `yt360.commands`, and the line of help.
_COMMANDS = {
    "doctor": ("doctor", "Tell whether this machine can do each job."),
    "search": ("crawl.search", "Find 360° videos with spatial audio on YouTube."),
    "import": (
        "crawl.import_",
        "Put known videos, clips and splits into a catalog.",
    ),
    "formats": ("crawl.formats", "Explain which streams of a video are taken."),
    "download": ("crawl.download", "Fetch the videos of a catalog."),
    "inspect": ("inspect", "Test whether picture and sound are what they seem."),
    "catalog": ("catalog", "Look into a catalog; query, export, split."),
    "probe": ("probe", "Say what a media file is, and why that is believed."),
    "scenes": ("scenes", "Render synthetic 360° scenes with known sources."),
    "build-shards": (
        "dataset.build_shards",
        "Cut media into clips and write shards.",
    ),
    "pseudolabel": ("labels.pseudolabel", "Label every clip of a dataset."),
    "labels": ("labels.labels", "Compare label sets; import released ones."),
    "segment": ("labels.segment", "Segment pictures and panoramas."),
    "stats": ("dataset.stats", "Count clips, hours and classes of a dataset."),
    "preview": ("dataset.preview", "Draw clips and their labels."),
    "check": (
        "dataset.check",
        "Verify a dataset: sums, keys, members, readability.",
    ),
    "index": ("dataset.index", "Rebuild the index of a dataset from its shards."),
}
COMMANDS = {name: (f"yt360.commands.{module}", line) for name, (module, line) in _COMMANDS.items()}


@click.group(cls=LazyGroup, modules=COMMANDS)
@click.version_option(__version__, prog_name="yt360")
def cli() -> None:
    """Find, download, check, cut, shard and label 360° videos with spatial audio."""


def main() -> None:
    """Entry point of the ``yt360`` command."""
    guard()
    run(cli)
