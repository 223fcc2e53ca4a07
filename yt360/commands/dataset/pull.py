"""``yt360 pull``: download a dataset from a hub."""

from __future__ import annotations

from pathlib import Path

import click

from yt360.commands.group import examples
from yt360.terminal.output import echo

MAX_NAMED = 3


@examples(
    "yt360 pull hf://datasets/me/street-walks",
    "yt360 pull hf://datasets/me/street-walks@v1 --out DATASET",
)
@click.command("pull")
@click.argument("address", metavar="hf://datasets/NAME")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the dataset.  [default: the last part of NAME]",
)
def command(address: str, out: Path | None) -> None:
    """Download a dataset from a hub and verify the sums of its files.

    An interrupted download goes on when the command is repeated, and a dataset that has grown is
    completed. It needs the extra [hub]; private datasets need a token (`hf auth login`, or
    HF_TOKEN).
    """
    from yt360.hub.address import parse_address

    source = parse_address(address, "dataset")
    from yt360.hub.repository import quiet_client

    quiet_client()
    from yt360.hub.pull_dataset import pull_dataset

    folder = out or Path(source.name.rpartition("/")[2])
    done = pull_dataset(source, folder)
    echo(
        f"{folder}: {done.fetched} files ({done.fetched_bytes / 1e6:.1f} MB) from {source} at "
        f"commit {done.commit[:12]}, {done.kept} were there already; sums verified"
    )
    if done.ignored:
        names = ", ".join(done.ignored[:MAX_NAMED])
        more = len(done.ignored) - MAX_NAMED
        rest = f" and {more} more" if more > 0 else ""
        echo(f"not files of a dataset, left there: {names}{rest}")
    if done.missing_shards:
        echo(
            f"{done.missing_shards} shards of clips are not on the hub; to fetch those of their "
            f"videos that are on YouTube: `yt360 import --list {folder}/clips.csv my.catalog`"
        )
