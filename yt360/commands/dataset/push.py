"""``yt360 push``: push a dataset to a hub."""

from __future__ import annotations

from pathlib import Path

import click

from yt360.commands.group import examples
from yt360.terminal.output import echo


@examples(
    "yt360 push DATASET hf://datasets/me/street-walks",
    "yt360 push DATASET hf://datasets/me/street-walks --features features.parquet --public",
)
@click.command("push")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.argument("address", metavar="hf://datasets/NAME")
@click.option(
    "--i-have-the-rights",
    "has_rights",
    is_flag=True,
    help="Push the clips, whatever the licences of their videos say: you have the right to share "
    "all of them.",
)
@click.option(
    "--features",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Features of `avsa embed` to push with it; repeatable.",
)
@click.option("--public", is_flag=True, help="Make a new repository public.  [default: private]")
@click.option(
    "--replace",
    is_flag=True,
    help="Replace what the repository holds, whatever it is; its history keeps it.",
)
def command(
    dataset: Path,
    address: str,
    has_rights: bool,
    features: tuple[Path, ...],
    public: bool,
    replace: bool,
) -> None:
    """Push DATASET to a hub, with a card, Croissant metadata and a picture.

    Lists, labels and features are pushed. The clips are pushed only if the licence of every video
    lets everyone share changed copies, or with --i-have-the-rights. An interrupted push goes on
    when the command is repeated. It needs the extra [hub], and a token (`hf auth login`, or
    HF_TOKEN).
    """
    from yt360.hub.address import parse_address

    target = parse_address(address, "dataset", revision_allowed=False)
    from yt360.hub.repository import quiet_client

    quiet_client()
    from yt360.hub.push_dataset import push_dataset

    done = push_dataset(
        dataset,
        target,
        has_rights=has_rights,
        features=features,
        private=not public,
        replace=replace,
    )
    echo(*done.pushed.lines())
    if done.withheld:
        size = sum(file.size for file in done.withheld)
        reasons = ", ".join(f"{name} {count}" for name, count in done.closed.items())
        echo(
            f"not pushed: {len(done.withheld)} shards of clips ({size / 1e6:.1f} MB), for the "
            f"licences of {sum(done.closed.values())} videos do not allow it ({reasons}); "
            "--i-have-the-rights pushes them"
        )
