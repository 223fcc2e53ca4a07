"""``avsa stats``."""

from __future__ import annotations

import click

from avsa.commands.options import set_option
from yt360.commands.group import examples
from yt360.execution.collection import uncollected_imports
from yt360.terminal.output import echo


@examples(
    "avsa stats DATASET",
    "avsa stats DATASET --recipe small --samples 4000",
    "avsa stats DATASET --set audio.n_mels=64",
    "avsa stats s3://BUCKET/DATASET",
)
@click.command("stats")
@click.argument("dataset")
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
def command(dataset: str, recipe: str, overrides: tuple[str, ...], samples: int, seed: int) -> None:
    """Measure the audio statistics that training needs.

    Writes the mean and standard deviation of each mel band, over random seconds of the training
    clips and all four channels, to DATASET/audio_stats.json. Training measures them itself if they
    are missing; measure them again after adding clips to a dataset.

    Of a dataset in a bucket, the shards with one of the clips are fetched into the cache, and the
    file is written to the bucket. That of a dataset on a web server stays in the cache.
    """
    with uncollected_imports():
        from avsa.config.recipe import load_config
        from avsa.data.remote.mirror import dataset_folder
        from avsa.data.remote.publishing import publish
        from avsa.views.audio_statistics import load_statistics, measure_statistics, save_statistics

    audio = load_config(recipe, overrides).audio
    folder = dataset_folder(dataset)
    load_statistics(folder, audio)  # report a damaged file before measuring
    stats = measure_statistics(folder, audio, samples, seed)
    address = publish(save_statistics(stats, folder, audio, samples, seed))
    echo(
        f"{address}: {audio.n_mels} mel bands, mean {stats.mean_db.mean():.1f} dB, standard "
        f"deviation {stats.std_db.mean():.1f} dB, from {samples} samples"
    )
