"""``avsa stats``."""

from __future__ import annotations

from pathlib import Path

import click

from avsa.commands.options import set_option
from yt360.commands.group import examples
from yt360.terminal.output import echo


@examples(
    "avsa stats DATASET",
    "avsa stats DATASET --recipe small --samples 4000",
    "avsa stats DATASET --set audio.n_mels=64",
)
@click.command("stats")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--recipe", default="avsa", show_default=True, help="Recipe with the spectrograms to measure."
)
@set_option
@click.option(
    "--samples",
    default=1000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Random seconds.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the samples.")
def command(
    dataset: Path, recipe: str, overrides: tuple[str, ...], samples: int, seed: int
) -> None:
    """Measure the audio statistics that training needs.

    Writes the mean and standard deviation of each mel band, over random seconds of the training
    clips and all four channels, to DATASET/audio_stats.json. Training measures them itself if they
    are missing; measure them again after adding clips to a dataset.
    """
    from avsa.config.recipe import load_config
    from avsa.views.audio_statistics import load_statistics, measure_statistics, save_statistics

    audio = load_config(recipe, overrides).audio
    load_statistics(dataset, audio)  # report a damaged file before measuring
    stats = measure_statistics(dataset, audio, samples, seed)
    path = save_statistics(stats, dataset, audio, samples, seed)
    echo(
        f"{path}: {audio.n_mels} mel bands, mean {stats.mean_db.mean():.1f} dB, standard deviation "
        f"{stats.std_db.mean():.1f} dB, from {samples} samples"
    )
