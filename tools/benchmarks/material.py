"""Inputs of the benchmarks: clips as the paper's authors released theirs, and shards of them.

Everything is made on first use and kept in a folder, so that a later run can use it again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import ffmpeg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from yt360.clip_codec.format import ClipFormat
from yt360.media.ffmpeg import compile_arguments, graph_name, run_ffmpeg
from yt360.randomness import keyed_generator
from yt360.scenes.world.parameters import SceneFormat, choose_parameters
from yt360.scenes.write import write_scenes
from yt360.shards.builder.build import build_shards
from yt360.shards.builder.inputs.search import find_inputs
from yt360.shards.builder.options import BuildOptions
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.index import write_index
from yt360.shards.format.index_file import INDEX_SCHEMA
from yt360.shards.format.reader import ShardReader

AUDIO_SUFFIXES = (".flac", ".wav", ".m4a")
CLIP_S, FPS, RATE_HZ = 10, 16, 24000
CLIPS_OF_VIDEO = 10
SMALL_FRAMES = ClipFormat(width=32, height=16)
"""Frames so small that it takes no time to copy or crop them."""


@dataclass(frozen=True)
class Material:
    """Inputs with the same content in different encodings.

    Args:
        folder: Where files are kept.
        tiny: Make as little as possible, to test the benchmarks.
        media: Folder of 10 s videos with separate audio files; by default scenes are rendered.
    """

    folder: Path
    tiny: bool = False
    media: Path | None = None

    @cached_property
    def videos(self) -> list[Path]:
        """Video of each clip."""
        return sorted(self._media.glob("*.mp4"))

    @cached_property
    def dataset(self) -> Path:
        """Shards built by `yt360 build-shards`, all in the train split."""
        return self._built("dataset", ClipFormat())

    @cached_property
    def small_dataset(self) -> Path:
        """Shards of the same clips in `SMALL_FRAMES`."""
        return self._built("small", SMALL_FRAMES)

    @cached_property
    def clips(self) -> ShardReader:
        """The clips of `dataset`, read from the page cache."""
        return ShardReader(self.dataset, "train", method="mmap")

    @cached_property
    def released(self) -> list[tuple[Path, Path]]:
        """For each clip, video and audio as YT-360 was released.

        The video is 640 x 360, 24 fps, H.264 with the encoder's default GOP; the audio is
        four-channel AAC, 48 kHz.
        """
        return [
            (
                self.kept(f"released-{video.name}", partial(_encode, video, 360, 24)),
                self.kept(f"released-{video.stem}.m4a", partial(_encode_audio, video)),
            )
            for video in self.videos
        ]

    @cached_property
    def default_gop(self) -> list[Path]:
        """For each clip, a video of the shards' size and rate with the encoder's default GOP."""
        return [
            self.kept(f"default-{video.name}", partial(_encode, video, 320, FPS))
            for video in self.videos
        ]

    def many_clips(self, dataset: Path, clips: int) -> Path:
        """Return a dataset of so many clips, ten of a video, which share the bytes of a few.

        Args:
            dataset: Whose train split has the bytes.
            clips: Rows of the index.
        """
        return self.kept(f"{dataset.name}-{clips}", partial(_repeat_clips, dataset, clips))

    def clip_of(self, number: int) -> int:
        """Return the clip of a random input."""
        return int(keyed_generator("clip", number).integers(len(self.videos)))

    def first_frame(self, number: int) -> int:
        """Return the first frame of a random half second, with room for a second of audio."""
        return int(keyed_generator("frame", number).integers(4, 149))

    @property
    def _media(self) -> Path:
        """Folder of the videos; scenes are rendered unless the folder has them."""
        if self.media is not None:
            return self.media
        media, scenes, form = self.folder / "media", 4, SceneFormat()
        if self.tiny:
            scenes, form = 1, SceneFormat(width=128, height=64)
        write_scenes(media, scenes, 0, choose_parameters("default", ()), form)
        return media

    def _built(self, name: str, form: ClipFormat) -> Path:
        options = BuildOptions(test_fraction=0.0, form=form)

        def build(folder: Path) -> None:
            build_shards(find_inputs([self._media], exclude=folder), folder, options)

        return self.kept(name, build)

    def kept(self, name: str, make: Callable[[Path], None]) -> Path:
        """Return a file or folder; it is made if it does not exist."""
        path, unfinished = self.folder / name, self.folder / f"making-{name}"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            make(unfinished)
            unfinished.rename(path)
        return path


def _repeat_clips(dataset: Path, clips: int, target: Path) -> None:
    info, table = DatasetInfo.load(dataset), ShardReader(dataset, "train").table
    numbers = np.arange(clips)
    videos, starts_s = pa.array(numbers // CLIPS_OF_VIDEO), numbers % CLIPS_OF_VIDEO * CLIP_S
    video_ids = pc.binary_join_element_wise("v", pc.cast(videos, pa.string()), "")
    seconds = pc.ascii_lpad(pc.cast(pa.array(starts_s), pa.string()), 5, "0")
    columns = {name: table[name].take(numbers % len(table)) for name in table.column_names}
    columns |= {"video_id": video_ids, "start_s": pa.array(starts_s)}
    columns["key"] = pc.binary_join_element_wise(video_ids, seconds, "-")
    (target / "train").mkdir(parents=True)
    for shard in info.splits["train"].shards:
        (target / "train" / shard.name).hardlink_to(dataset / "train" / shard.name)
    shutil.copytree(dataset / "test", target / "test")
    split = replace(
        info.splits["train"],
        clips=clips,
        videos=-(-clips // CLIPS_OF_VIDEO),
        duration_s=float(clips * CLIP_S),
    )
    replace(info, splits={**info.splits, "train": split}).save(target)
    repeated = pa.table([columns[name] for name in table.column_names], table.column_names)
    write_index(target / "train", repeated.cast(INDEX_SCHEMA), split)


def _encode(source: Path, height: int, fps: int, target: Path) -> None:
    video = ffmpeg.input(graph_name(source)).video.filter("scale", 640, height).filter("fps", fps)
    _run(ffmpeg.output(video, graph_name(target), vcodec="libx264", pix_fmt="yuv420p"), source)


def _encode_audio(video: Path, target: Path) -> None:
    source = next(p for p in sorted(video.parent.glob(f"{video.stem}.*")) if _is_audio(p))
    audio = ffmpeg.input(graph_name(source)).audio
    # The layout only names four channels; they are not mixed.
    options = {"acodec": "aac", "ar": 48000, "channel_layout": "4.0"}
    _run(ffmpeg.output(audio, graph_name(target), **options), source)


def _is_audio(path: Path) -> bool:
    return path.suffix in AUDIO_SUFFIXES


def _run(stream: ffmpeg.Stream, source: Path) -> None:
    run_ffmpeg(compile_arguments(stream.overwrite_output()), source)
