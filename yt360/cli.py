"""The command line of yt360: a table of commands, each in a module of its own."""

from __future__ import annotations

import atexit
import gc
import os

import click

from yt360 import __version__
from yt360.commands.group import LazyGroup
from yt360.commands.run import run
from yt360.terminal.output import guard

# Module below `yt360.commands`, and the line of help.
_COMMANDS = {
    "doctor": ("doctor", "Check what this machine can do, and what is missing."),
    "search": ("crawl.search", "Find 360° videos with spatial audio on YouTube."),
    "import": (
        "crawl.import_",
        "Add known videos, clips and splits to a catalog.",
    ),
    "formats": ("crawl.formats", "List the streams of a video and the selected ones."),
    "download": ("crawl.download", "Download the videos of a catalog."),
    "inspect": ("inspect", "Check whether audio is spatial and video is 360°."),
    "dedup": ("dedup", "Find videos that hold the same footage."),
    "catalog": ("catalog", "Show, query, export, split and check a catalog."),
    "probe": ("probe", "Show the streams, projection and audio layout of media files."),
    "scenes": ("scenes", "Render synthetic 360° scenes with ground truth."),
    "build-shards": (
        "dataset.build_shards",
        "Cut media files into clips and write shards.",
    ),
    "pseudolabel": (
        "labels.pseudolabel",
        "Label the clips of a dataset by segmentation.",
    ),
    "labels": ("labels.labels", "Compare label sets; import released label maps."),
    "segment": ("labels.segment", "Segment images and panoramas."),
    "stats": ("dataset.stats", "Count the clips, hours and classes of a dataset."),
    "preview": ("dataset.preview", "Draw clips with their labels and audio energy."),
    "explore": ("dataset.explore", "Look at clips and listen to them on a page."),
    "check": (
        "dataset.check",
        "Verify a dataset: checksums, keys, members, decoding.",
    ),
    "index": ("dataset.index", "Rebuild the index of a dataset from its shards."),
    "push": ("dataset.push", "Push a dataset to a hub, with card and metadata."),
    "pull": ("dataset.pull", "Download a dataset from a hub and verify it."),
}
COMMANDS = {name: (f"yt360.commands.{module}", line) for name, (module, line) in _COMMANDS.items()}


@click.group(cls=LazyGroup, modules=COMMANDS)
@click.version_option(__version__, prog_name="yt360")
def cli() -> None:
    """Find, download, check, cut, shard and label 360° videos with spatial audio."""


def main() -> None:
    """Entry point of the ``yt360`` command."""
    guard()
    # The search for plugins of pydantic reads the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    atexit.register(gc.freeze)  # the last collection would look at every object for nothing
    run(cli)
