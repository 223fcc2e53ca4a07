"""``avsa push``."""

from __future__ import annotations

from pathlib import Path

import click

from yt360.commands.group import examples
from yt360.terminal.output import echo


@examples(
    "avsa push runs/avsa hf://me/avsa-streets",
    "avsa push runs/avsa hf://me/avsa-streets --public --replace",
)
@click.command("push")
@click.argument("checkpoint", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("address", metavar="hf://NAME")
@click.option("--public", is_flag=True, help="Make a new repository public.  [default: private]")
@click.option(
    "--replace",
    is_flag=True,
    help="Replace what the repository holds, whatever it is; its history keeps it.",
)
def command(checkpoint: Path, address: str, public: bool, replace: bool) -> None:
    """Push a trained model to a hub: safetensors, recipe, and a card with its evaluations.

    RUN is the folder of a run, a checkpoint or an exported folder. An interrupted push goes on when
    the command is repeated. It needs the extra [hub], and a token (`hf auth login`, or HF_TOKEN).
    """
    from yt360.hub.address import parse_address

    target = parse_address(address, "model", revision_allowed=False)
    from yt360.hub.repository import quiet_client

    quiet_client()
    from avsa.hub.push import push_model

    done = push_model(checkpoint, target, private=not public, replace=replace)
    echo(*done.lines(), f'to use it: model = avsa.load("{done.address}")')
