"""``avsa export``."""

from __future__ import annotations

from pathlib import Path

import click

from yt360.commands.group import examples
from yt360.terminal.output import echo


@examples("avsa export runs/avsa --out avsa-model")
@click.command("export")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="New folder.")
def command(checkpoint: Path, out: Path) -> None:
    """Write a trained model as safetensors, with its recipe and a model card."""
    from avsa.hub.export import export_model

    export_model(checkpoint, out)
    echo(f'{out}: weights, recipe and model card; to use them: model = avsa.load("{out}")')
