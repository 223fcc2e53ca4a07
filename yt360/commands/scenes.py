"""``yt360 scenes``: render synthetic 360° scenes with known sources."""

from __future__ import annotations

import re
from pathlib import Path

import click

from yt360.clips import DEFAULT_CLIP_S
from yt360.commands.executor_options import cores_option, executor_options
from yt360.commands.group import examples, unique_keys
from yt360.errors import UserError
from yt360.terminal.output import echo


@examples(
    "yt360 scenes SCENES --videos 40 --seed 0",
    "yt360 scenes SCENES --videos 2000 --size 320x160 --preset hard --workers 2",
    "yt360 scenes SCENES --videos 40 --set sources=1-2 --set noise_db=none",
    "yt360 scenes SCENES/train --videos 2000 --preset claims --set pool=train",
)
@click.command("scenes")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--videos", type=click.IntRange(1), default=40, show_default=True, help="Number of scenes."
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the scenes."
)
@click.option(
    "--preset", default="default", show_default=True, help="easy, default, hard or claims."
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    callback=unique_keys,
    metavar="NAME=VALUE",
    help="Change a parameter of the preset; repeatable.",
)
@click.option(
    "--duration-s", default=float(DEFAULT_CLIP_S), show_default=True, help="Length of a scene."
)
@click.option("--size", default="640x320", show_default=True, help="Frame size, COLUMNSxROWS.")
@click.option("--fps", default=16, show_default=True, help="Frames per second.")
@click.option("--sample-rate-hz", default=24000, show_default=True, help="Audio sample rate.")
@click.option("--segmentation-fps", default=4.0, show_default=True, help="Class maps per second.")
@click.option("--crf", default=20, show_default=True, help="CRF of x264, 0 (best) to 51.")
@cores_option
@executor_options
def command(
    out: Path,
    videos: int,
    seed: int,
    preset: str,
    assignments: tuple[str, ...],
    duration_s: float,
    size: str,
    fps: int,
    sample_rate_hz: int,
    segmentation_fps: float,
    crf: int,
    workers: int | None,
    executor: str,
    executor_config: Path | None,
) -> None:
    """Render synthetic 360° scenes with known sources into the folder OUT.

    A scene is an equirectangular video (.mp4), its spatial audio (.flac, four channels, ambiX) and
    its ground truth (.truth.npz). Complete scenes are not rendered again: run the same command
    after an interruption, or with a larger --videos to add scenes. Scene n of a seed does not
    depend on the number of scenes. The result is the same on every executor.

    Parameters for --set: sources, distractors, lookalikes, max_elevation_deg, radius_deg,
    speed_deg_per_s, still_fraction, flashing_fraction, level_spread_db, noise_db, reverberation_s,
    ambience_db, ambience_cue, places, pool, instances.
    """
    from yt360.execution.engines.choice import open_executor
    from yt360.scenes.world.parameters import SceneFormat, choose_parameters
    from yt360.scenes.write import write_scenes

    match = re.fullmatch(r"(\d+)x(\d+)", size)
    if match is None:
        raise UserError(f"--size {size!r} is not COLUMNSxROWS, such as 640x320", key="--size")
    form = SceneFormat(
        duration_s=duration_s,
        width=int(match[1]),
        height=int(match[2]),
        fps=fps,
        sample_rate_hz=sample_rate_hz,
        segmentation_fps=segmentation_fps,
        crf=crf,
    )
    parameters = choose_parameters(preset, assignments)
    engine = open_executor(executor, executor_config, out)
    workers = workers or engine.default_workers
    rendered = write_scenes(out, videos, seed, parameters, form, workers, engine.pool)
    echo(f"{out}: {rendered} scenes rendered, {videos - rendered} were complete")
