"""Other libraries that read datasets and decode video.

They are not installed with this project. A separate environment keeps it unchanged:
``python -m venv PEERS``, and install there this project and the packages of `INSTALL`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.case import Case, Ratio, Skipped
from benchmarks.material import Material
from benchmarks.meters import Way
from benchmarks.samples import FRAMES, HEIGHT, WIDTH
from yt360.clip_codec.decoder import ClipDecoder, locate_frames
from yt360.randomness import keyed_generator

INSTALL = {
    "torchcodec": "pip install torchcodec, and the shared libraries of FFmpeg",
    "decord": "pip install decord",
    "wids": "pip install wids",
    "streaming": "pip install mosaicml-streaming",
}
"""How to install each module."""
READS = 200
"""Clips read in a run."""


def cases(material: Material) -> Iterator[Case | Skipped]:
    """Yield the cases of the peers that are installed."""
    decoders = {"torchcodec": _torchcodec, "decord": _decord}
    readers = {"wids": _wids, "streaming": _mds}
    for module in [*decoders, *readers]:
        if find_spec(module) is None:
            yield Skipped(f"peer {module}", f"not installed; {INSTALL[module]}")
    yield decoding_case(material, _installed(decoders, material))
    yield reading_case(material, _installed(readers, material))


def decoding_case(material: Material, peers: dict[str, Way]) -> Case:
    """Decode a random half second of stored clips; the peers return RGB, which they cannot avoid.

    All have the clip in memory and open it anew, as random access to a dataset does.
    """
    decoder, clips = ClipDecoder(), material.clips
    luma = np.empty((FRAMES, HEIGHT, WIDTH), np.uint8)
    chroma = np.empty((2, FRAMES, HEIGHT // 2, WIDTH // 2), np.uint8)

    def ours(number: int) -> None:
        mp4, first = clips.read(material.clip_of(number), "mp4"), material.first_frame(number)
        decoder.decode_frames(*locate_frames(mp4, first, *luma.shape), luma, chroma)

    return Case(
        "random half second of a stored clip",
        {"this package": ours, **peers},
        [Ratio(name, "this package", higher_is_better=True) for name in peers],
    )


def reading_case(material: Material, peers: dict[str, Way]) -> Case:
    """Read whole clips (video and audio) in random order."""
    clips = material.clips
    place = np.empty(4 << 20, np.uint8)

    def ours(number: int) -> None:
        for clip in _random_clips(number, len(clips)):
            for member in ("mp4", "flac"):
                content = clips.read(clip, member)
                place[: len(content)] = content

    return Case(
        f"{READS} whole clips in random order",
        {"this package": ours, **peers},
        [Ratio(name, "this package", higher_is_better=True) for name in peers],
        inputs=1,
    )


def _installed(
    makers: Mapping[str, Callable[[Material], Way]], material: Material
) -> dict[str, Way]:
    return {name: make(material) for name, make in makers.items() if find_spec(name)}


def _random_clips(number: int, count: int) -> list[int]:
    return keyed_generator("clips", number).integers(count, size=READS).tolist()


def _torchcodec(material: Material) -> Way:
    from torchcodec.decoders import VideoDecoder

    def decode(number: int) -> object:
        mp4 = bytes(material.clips.read(material.clip_of(number), "mp4"))
        first = material.first_frame(number)
        video = VideoDecoder(mp4, num_ffmpeg_threads=1, seek_mode="approximate")
        return video.get_frames_in_range(first, first + FRAMES)

    return decode


def _decord(material: Material) -> Way:
    from decord import VideoReader

    def decode(number: int) -> object:
        mp4 = bytes(material.clips.read(material.clip_of(number), "mp4"))
        first = material.first_frame(number)
        reader = VideoReader(io.BytesIO(mp4), num_threads=1)
        return reader.get_batch(range(first, first + FRAMES)).asnumpy()

    return decode


def _wids(material: Material) -> Way:
    from wids import ShardListDataset

    split = material.clips.info.splits["train"]
    shards = [
        {"url": str(material.dataset / "train" / shard.name), "nsamples": shard.clips}
        for shard in split.shards
    ]
    cache = str(material.folder / "wids")
    with redirect_stderr(io.StringIO()):  # it prints a summary
        dataset = ShardListDataset(shards, cache_dir=cache, transformations=lambda each: each)

    def read(number: int) -> None:
        for clip in _random_clips(number, len(dataset)):
            sample = dataset[clip]
            for member in (".mp4", ".flac"):
                sample[member].read()

    return read


def _mds(material: Material) -> Way:
    from streaming import LocalDataset, MDSWriter

    def write(target: Path) -> None:
        columns = {"mp4": "bytes", "flac": "bytes"}
        with MDSWriter(out=str(target), columns=columns) as writer:
            for clip in range(len(material.clips)):
                writer.write({name: bytes(material.clips.read(clip, name)) for name in columns})

    dataset: Any = LocalDataset(str(material.kept("mds", write)))

    def read(number: int) -> None:
        for clip in _random_clips(number, len(dataset)):
            _ = dataset[clip]

    return read
