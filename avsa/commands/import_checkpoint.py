"""``avsa import-checkpoint``."""

from __future__ import annotations

from pathlib import Path

import click

from yt360.commands.group import examples
from yt360.terminal.output import echo


@examples("avsa import-checkpoint checkpoint.pth.tar --out avsa.pt --stats DATASET")
@click.command("import-checkpoint")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The checkpoint.")
@click.option(
    "--stats",
    type=click.Path(path_type=Path),
    help="A dataset with audio statistics, or the published .npz.",
)
@click.option("--encoders-only", is_flag=True, help="Leave heads and translation networks behind.")
def command(file: Path, out: Path, stats: Path | None, encoders_only: bool) -> None:
    """Turn weights published with the paper's code into a checkpoint.

    The result works wherever a checkpoint does. Without --stats it embeds spectrograms only, not
    raw sound.
    """
    from avsa.hub.published import import_published, read_any_stats
    from avsa.training.checkpoint import save_checkpoint

    found = None if stats is None else read_any_stats(stats)
    content = import_published(file, found, encoders_only)
    save_checkpoint(out, content)
    kind = content["config"]["stages"][content["stage"]]["task"]["kind"]
    echo(f'{out}: {kind} weights; use them: model = avsa.load("{out}")')
