"""``avsa preview``."""

from __future__ import annotations

from pathlib import Path

import click

from yt360.commands.exclusive_options import refuse
from yt360.commands.group import examples, unique_keys
from yt360.errors import UserError
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
@click.option(
    "--set",
    "overrides",
    multiple=True,
    callback=unique_keys,
    metavar="KEY=VALUE",
    help="Change the recipe.",
)
@click.option("--split", default="train", show_default=True, help="train or test.")
@click.option("--samples", default=3, show_default=True, type=click.IntRange(1, 20))
@click.option("--seed", default=0, show_default=True, help="Which samples are drawn.")
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    help="Draw samples that this run was trained on, in place of DATASET and a recipe.",
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

    Each row is a sample: the panorama with the energy of its sound by direction and the outlines of
    the views; and of each view, in the same colour, the crop (a frame from its middle) and the
    log-mels of W, Y, Z and X in its frame. Dashed lines mark the time of the picture.
    """
    from avsa.config.recipe import load_config
    from avsa.data.remote.mirror import dataset_folder
    from avsa.views.preview import PreviewConfig, save_preview, save_run_preview

    if run is not None:
        refuse(
            context,
            ("dataset", "recipe", "overrides", "split", "seed"),
            "does not go with --run, which has its own",
        )
        echo(f"{out}: {', '.join(save_run_preview(run, out, samples, step))}")
        return
    if dataset is None:
        raise UserError("give DATASET, a dataset's folder or address, or --run RUN")
    refuse(context, ("step",), "goes with --run")
    config = load_config(recipe, overrides)
    folder = dataset_folder(dataset)
    wanted = PreviewConfig(split=split, samples=samples, seed=seed)
    keys = save_preview(folder, out, config.data, config.views, config.audio, wanted)
    echo(f"{out}: {', '.join(keys)}")
