"""``avsa preview``."""

from __future__ import annotations

from pathlib import Path

import click

from yt360.cli_group import examples


@examples(
    "avsa preview shards",
    "avsa preview DATASET --out sheet.png --samples 5 --seed 3",
    "avsa preview DATASET --recipe avsa --set views.sampler=energy",
)
@click.command("preview")
@click.argument("dataset")
@click.option(
    "--out", default="preview.png", show_default=True, type=click.Path(path_type=Path), help="PNG."
)
@click.option("--recipe", default="avsa", show_default=True, help="Name of a recipe, or a file.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change the recipe.")
@click.option("--split", default="train", show_default=True, help="train or test.")
@click.option("--samples", default=3, show_default=True, type=click.IntRange(1, 20))
@click.option("--seed", default=0, show_default=True, help="Which samples are drawn.")
def command(
    dataset: str,
    out: Path,
    recipe: str,
    overrides: tuple[str, ...],
    split: str,
    samples: int,
    seed: int,
) -> None:
    """Draw training samples as the network sees them.

    Each row is a sample: the panorama with the energy of its sound by direction and the outlines of
    the views; and of each view, in the same colour, the crop (a frame from its middle) and the
    log-mels of W, Y, Z and X in its frame. Dashed lines mark the time of the picture.
    """
    from avsa.config import load_config
    from avsa.mirror import dataset_folder
    from avsa.preview import PreviewConfig, save_preview

    config = load_config(recipe, overrides)
    folder = dataset_folder(dataset)
    wanted = PreviewConfig(split=split, samples=samples, seed=seed)
    keys = save_preview(folder, out, config.data, config.views, config.audio, wanted)
    click.echo(f"{out}: {', '.join(keys)}")
