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

AUDIO_SUFFIXES = (".flac", ".wav", ".m4a")


@dataclass(frozen=True)
class Material:
    """Files of the benchmark, with the same content in different encodings.

    Attributes:
        dataset: Shards built by `yt360 build-shards`, all in the train split.
        released: For each clip a video file (640x360, 24 fps, H.264 with the encoder's default GOP)
            and an audio file (four-channel AAC, 48 kHz), as YT-360 was released.
        default_gop: For each clip a video file in the shards' size and rate, with the encoder's
            default GOP.
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
    """Build shards of 10 s videos with separate audio files, and encode them in other ways."""
    dataset = folder / "dataset"
    options = BuildOptions(test_fraction=0.0)
    build_shards(find_inputs([media], exclude=dataset), dataset, options)
    released, default_gop = [], []
    for video in sorted(media.glob("*.mp4")):
        video_file = folder / f"released-{video.name}"
        _encode(video, video_file, width=640, height=360, fps=24)
        audio_file = folder / f"released-{video.stem}.m4a"
        _encode_audio(
            next(p for p in sorted(media.glob(f"{video.stem}.*")) if p.suffix in AUDIO_SUFFIXES),
            audio_file,
        )
        released.append((video_file, audio_file))
        same_size = folder / f"default-{video.name}"
        _encode(video, same_size, width=640, height=320, fps=16)
        default_gop.append(same_size)
    return Material(dataset, released, default_gop)


def _encode(source: Path, target: Path, width: int, height: int, fps: int) -> None:
    video = ffmpeg.input(graph_name(source)).video.filter("scale", width, height).filter("fps", fps)
    _run(ffmpeg.output(video, graph_name(target), vcodec="libx264", pix_fmt="yuv420p"), source)


def _encode_audio(source: Path, target: Path) -> None:
    audio = ffmpeg.input(graph_name(source)).audio
    # The layout only names four channels; they are not mixed.
    _run(
        ffmpeg.output(audio, graph_name(target), acodec="aac", ar=48000, channel_layout="4.0"),
        source,
    )


def _run(stream: ffmpeg.Stream, source: Path) -> None:
    run_ffmpeg(compile_arguments(stream.overwrite_output()), source)
