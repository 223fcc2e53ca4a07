"""Material for the benchmark: clips as the paper's authors released theirs, and shards of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ffmpeg

from yt360.media.ffmpeg import compile_arguments, graph_name, run_ffmpeg
from yt360.scenes.world.parameters import SceneFormat, choose_parameters
from yt360.scenes.write import write_scenes
from yt360.shards.builder.build import build_shards
from yt360.shards.builder.inputs import find_inputs
from yt360.shards.builder.options import BuildOptions

SOUND = (".flac", ".wav", ".m4a")


@dataclass(frozen=True)
class Material:
    """Files of the benchmark, all showing and sounding the same.

    Attributes:
        dataset: Shards, as `yt360 build-shards` makes them; all clips train.
        released: For each clip the picture (640x360, 24 fps, H.264 at the encoder's default group
            of pictures) and the sound (four-channel AAC, 48 kHz), as YT-360 was released.
        default_gop: For each clip the picture in the shards' size and rate, but with the encoder's
            default settings.
    """

    dataset: Path
    released: list[tuple[Path, Path]]
    default_gop: list[Path]


def render_scenes(folder: Path, scenes: int) -> Path:
    """Render synthetic scenes; return their folder."""
    media = folder / "media"
    write_scenes(media, scenes, 0, choose_parameters("default", ()), SceneFormat(), workers=1)
    return media


def make_material(folder: Path, media: Path) -> Material:
    """Build shards of a folder of 10 s videos with sound beside them, and encode them otherwise."""
    dataset = folder / "dataset"
    options = BuildOptions(test_fraction=0.0)
    build_shards(find_inputs([media], exclude=dataset), dataset, options)
    released, default_gop = [], []
    for video in sorted(media.glob("*.mp4")):
        picture = folder / f"released-{video.name}"
        _encode(video, picture, width=640, height=360, fps=24)
        sound = folder / f"released-{video.stem}.m4a"
        _encode_sound(
            next(p for p in sorted(media.glob(f"{video.stem}.*")) if p.suffix in SOUND), sound
        )
        released.append((picture, sound))
        same_size = folder / f"default-{video.name}"
        _encode(video, same_size, width=640, height=320, fps=16)
        default_gop.append(same_size)
    return Material(dataset, released, default_gop)


def _sound_of(video: Path) -> Path:
    beside = (video.with_suffix(suffix) for suffix in SOUND)
    return next((path for path in beside if path.exists()), video)


def _encode(source: Path, target: Path, width: int, height: int, fps: int) -> None:
    picture = (
        ffmpeg.input(graph_name(source)).video.filter("scale", width, height).filter("fps", fps)
    )
    _run(ffmpeg.output(picture, graph_name(target), vcodec="libx264", pix_fmt="yuv420p"), source)


def _encode_sound(source: Path, target: Path) -> None:
    sound = ffmpeg.input(graph_name(source)).audio
    # The layout is only a name for four channels; none is mixed.
    _run(
        ffmpeg.output(sound, graph_name(target), acodec="aac", ar=48000, channel_layout="4.0"),
        source,
    )


def _run(stream: ffmpeg.Stream, source: Path) -> None:
    run_ffmpeg(compile_arguments(stream.overwrite_output()), source)
