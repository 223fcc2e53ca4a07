"""``yt360 index``: rebuild the index of a dataset."""

from __future__ import annotations

from pathlib import Path

import click

from yt360.commands.group import examples
from yt360.terminal.output import echo


@examples("yt360 index DATASET")
@click.command("index")
@click.argument("dataset", type=Path)
def command(dataset: Path) -> None:
    """Rebuild the index of every split from its shards."""
    from yt360.shards.format.index import rebuild_index

    for split, clips in rebuild_index(dataset).items():
        echo(f"{dataset / split / 'index.parquet'}: {clips} clips")
