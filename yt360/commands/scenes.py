"""``yt360 scenes``: render synthetic 360° scenes with known sources."""

from __future__ import annotations

import re
from pathlib import Path

import click

from yt360.commands.group import examples, unique_keys
from yt360.devices import usable_cores
from yt360.errors import UserError
from yt360.terminal.output import echo


@examples(
    "yt360 scenes SCENES --videos 40 --seed 0",
    "yt360 scenes SCENES --videos 2000 --size 320x160 --preset hard --workers 2",
    "yt360 scenes SCENES --videos 40 --set sources=1-2 --set noise_db=none",
)
@click.command("scenes")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--videos", default=40, show_default=True, help="Number of scenes.")
@click.option("--seed", default=0, show_default=True, help="Another seed gives other scenes.")
@click.option("--preset", default="default", show_default=True, help="easy, default or hard.")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    callback=unique_keys,
    metavar="NAME=VALUE",
    help="Change one parameter of the preset; may be given several times.",
)
@click.option("--duration-s", default=10.0, show_default=True, help="Length of each scene.")
@click.option("--size", default="640x320", show_default=True, help="Picture, columns x rows.")
@click.option("--fps", default=16, show_default=True, help="Frames per second.")
@click.option("--sample-rate-hz", default=24000, show_default=True, help="Of the sound.")
@click.option("--segmentation-fps", default=4.0, show_default=True, help="Class maps per second.")
@click.option("--crf", default=20, show_default=True, help="H.264 quality, 0 (best) to 51.")
@click.option("--workers", type=click.IntRange(1), help="Processes.  [default: one per core]")
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
) -> None:
    """Render synthetic 360° scenes with known sources into the folder OUT.

    Each scene is an equirectangular video (.mp4), its spatial sound (.flac, four channels, ambiX)
    and its ground truth (.truth.npz). Scenes that are already complete are left as they are, so an
    interrupted command can be run again, and a larger --videos adds to a folder. Scene n of a seed
    is the same whatever the number of scenes.

    Parameters for --set: sources, distractors, lookalikes, max_elevation_deg, radius_deg,
    speed_deg_per_s, still_share, flashing_share, level_spread_db, noise_db, reverberation_s,
    ambience_db, ambience_cue, places.
    """
    from yt360.scenes.world.parameters import SceneFormat, choose_parameters
    from yt360.scenes.write import write_scenes

    match = re.fullmatch(r"(\d+)x(\d+)", size)
    if match is None:
        raise UserError(f"--size {size!r} is not COLUMNSxROWS, such as 640x320")
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
    rendered = write_scenes(out, videos, seed, parameters, form, workers or usable_cores())
    echo(f"{out}: {rendered} scenes rendered, {videos - rendered} were complete")
