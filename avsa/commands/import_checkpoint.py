"""``avsa import-checkpoint``."""

from __future__ import annotations

from pathlib import Path

import click

from yt360.commands.group import examples
from yt360.terminal.output import echo


@examples("avsa import-checkpoint checkpoint.pth.tar --out avsa.pt --stats DATASET")
@click.command("import-checkpoint")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Checkpoint to write.")
@click.option(
    "--stats",
    type=click.Path(path_type=Path),
    help="A dataset with audio statistics, or the published .npz.",
)
@click.option("--encoders-only", is_flag=True, help="Leave out heads and translation networks.")
def command(file: Path, out: Path, stats: Path | None, encoders_only: bool) -> None:
    """Convert weights published with the paper's code to a checkpoint.

    The result can be used like any checkpoint. Without --stats the model accepts spectrograms only,
    not waveforms.
    """
    from avsa.hub.published import import_published, read_any_stats
    from avsa.training.checkpoint import save_checkpoint

    found = None if stats is None else read_any_stats(stats)
    content = import_published(file, found, encoders_only)
    save_checkpoint(out, content)
    kind = content["config"]["stages"][content["stage"]]["task"]["kind"]
    echo(f'{out}: {kind} weights; to use them: model = avsa.load("{out}")')
