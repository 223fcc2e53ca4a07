"""``avsa preview``."""

from __future__ import annotations

from pathlib import Path

import click

from avsa.commands.options import set_option
from yt360.commands.exclusive_options import refuse
from yt360.commands.group import examples
from yt360.errors import UserError
from yt360.execution.collection import uncollected_imports
from yt360.terminal.output import echo


@examples(
    "avsa preview shards",
    "avsa preview DATASET --out sheet.png --samples 5 --seed 3",
    "avsa preview DATASET --recipe avsa --set views.sampler=energy",
    "avsa preview --run runs/small-1 --step 200",
)
@click.command("preview")
@click.argument("dataset", required=False)
@click.option(
    "--out", default="preview.png", show_default=True, type=click.Path(path_type=Path), help="PNG."
)
@click.option("--recipe", default="avsa", show_default=True, help="Name of a recipe, or a file.")
@set_option
@click.option("--split", default="train", show_default=True, help="train or test.")
@click.option("--samples", default=3, show_default=True, type=click.IntRange(1, 20), help="Rows.")
@click.option("--seed", default=0, show_default=True, help="Seed of the samples.")
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    help="Draw samples of this run instead of DATASET and a recipe.",
)
@click.option(
    "--step", type=click.IntRange(min=1), help="Step of the run; by default the last one logged."
)
@click.pass_context
def command(
    context: click.Context,
    dataset: str | None,
    out: Path,
    recipe: str,
    overrides: tuple[str, ...],
    split: str,
    samples: int,
    seed: int,
    run: Path | None,
    step: int | None,
) -> None:
    """Draw training samples as the network sees them.

    Each row is a sample: the panorama with its audio energy by direction and the outlines of the
    views; and for each view, in the same colour, the middle frame of the crop and the log-mels of
    W, Y, Z and X in the frame of the view. Dashed lines mark the time of the video.
    """
    with uncollected_imports():
        from avsa.config.recipe import load_config
        from avsa.data.remote.mirror import dataset_folder
        from avsa.preview.sheet import save_preview, save_run_preview

    if run is not None:
        refuse(
            context,
            ("dataset", "recipe", "overrides", "split", "seed"),
            "does not go with --run, which has its own",
        )
        echo(f"{out}: {', '.join(save_run_preview(run, out, samples, step))}")
        return
    if dataset is None:
        raise UserError(
            "give DATASET, the folder or address of a dataset, or --run RUN", "missing", "DATASET"
        )
    refuse(context, ("step",), "goes with --run")
    config = load_config(recipe, overrides)
    folder = dataset_folder(dataset)
    keys = save_preview(
        folder,
        out,
        config.data,
        config.views,
        config.audio,
        split=split,
        samples=samples,
        seed=seed,
    )
    echo(f"{out}: {', '.join(keys)}")
