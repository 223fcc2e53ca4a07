"""Loading: read and decode half a second of planes and a second of audio."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from avsa.data.clips import parts_of
from avsa.data.raw import RawBatch
from avsa.views.batch import make_batch
from benchmarks.case import Case, Ratio
from benchmarks.material import FPS, RATE_HZ, Material
from benchmarks.meters import cpu_ms, each_of, per_sample, result
from benchmarks.samples import (
    AUDIO,
    FRAMES,
    HEIGHT,
    UNSCALED,
    VIEWS,
    WIDTH,
    paper_load,
    paper_sample,
    sample_loader,
)
from yt360.clip_codec.decoder import ClipDecoder, CodedRange, locate_audio, locate_frames


def clips_of_batch(material: Material) -> int:
    """Return the clips of a batch of the recipe avsa, which share what a batch costs once."""
    return 2 if material.tiny else 28


def cases(material: Material) -> Iterator[Case]:
    """Yield the cases."""
    yield load_case(material)
    yield sample_case(material)
    yield video_case(material)
    yield bytes_case(material)


def load_case(material: Material) -> Case:
    """Load a sample as training does, as the paper's code does, and decode only."""
    clips = clips_of_batch(material)
    loader = sample_loader(material, clips)
    buffer, bare_decode = loader.load(0).buffer, BareDecode(material)
    return Case(
        "load: read and decode 0.5 s of planes and 1 s of audio",
        {
            "load": lambda number: loader.load(number, buffer),
            "libav alone, the same packets": bare_decode,
            "the paper's load": each_of(paper_load(material), clips),
        },
        [
            Ratio("load", "libav alone, the same packets", at_most=1.15),
            Ratio("the paper's load", "load", at_least=8),
        ],
        meter=per_sample(cpu_ms, clips),
        prepare=bare_decode.prepare,
        inputs=1,
    )


def sample_case(material: Material) -> Case:
    """Make whole samples on the CPU."""
    clips = clips_of_batch(material)
    loader = sample_loader(material, clips)
    buffer = loader.load(0).buffer

    def ours(number: int) -> object:
        return make_batch(loader.load(number, buffer), 0, VIEWS, AUDIO, UNSCALED)

    return Case(
        "whole sample on a CPU: load, 4 crops, 16 log-mels",
        {"sample": ours, "the paper's sample": each_of(paper_sample(material), clips)},
        [Ratio("the paper's sample", "sample", at_least=8)],
        meter=per_sample(cpu_ms, clips),
        inputs=1,
    )


def video_case(material: Material) -> Case:
    """Decode a random half second of video."""
    decoder = ClipDecoder()
    luma = np.empty((FRAMES, HEIGHT, WIDTH), np.uint8)
    chroma = np.empty((2, FRAMES, HEIGHT // 2, WIDTH // 2), np.uint8)
    defaults = [path.read_bytes() for path in material.default_gop]

    def ours(number: int) -> None:
        mp4 = material.clips.read(material.clip_of(number), "mp4")
        first = material.first_frame(number)
        decoder.decode_frames(*locate_frames(mp4, first, *luma.shape), luma, chroma)

    def default_gop(number: int) -> None:
        file = io.BytesIO(defaults[material.clip_of(number)])
        decode_through_demuxer(file, material.first_frame(number))

    def by_demuxer(number: int) -> None:
        file = io.BytesIO(bytes(material.clips.read(material.clip_of(number), "mp4")))
        decode_through_demuxer(file, material.first_frame(number))

    return Case(
        "random half second of video",
        {
            "stored format": ours,
            "H.264 at the encoder's defaults": default_gop,
            "stored format through PyAV's demuxer": by_demuxer,
        },
        [
            Ratio("H.264 at the encoder's defaults", "stored format", at_least=4),
            Ratio("stored format through PyAV's demuxer", "stored format", higher_is_better=True),
        ],
    )


def bytes_case(material: Material) -> Case:
    """Compare the bytes of clips with those of H.264 at the encoder's defaults."""
    sizes = [len(material.clips.read(clip, "mp4")) / 1e3 for clip in range(len(material.clips))]
    defaults = [path.stat().st_size / 1e3 for path in material.default_gop]
    return Case(
        "bytes of the video of a clip of 10 s",
        {
            "stored format": lambda number: sizes[number % len(sizes)],
            "H.264 at the encoder's defaults": lambda number: defaults[number % len(sizes)],
        },
        [Ratio("stored format", "H.264 at the encoder's defaults")],
        unit="kB",
        meter=result,
        runs=len(sizes),
        inputs=1,
    )


class BareDecode:
    """Decodes the packets of the batches of `sample_loader` with libav, and nothing else."""

    def __init__(self, material: Material) -> None:
        self.clips = clips_of_batch(material)
        self.loader = sample_loader(material, self.clips)
        self.contexts: dict[tuple[str, bytes], Any] = {}
        self.packets: dict[int, list[tuple[Any, list[av.Packet]]]] = {}

    def prepare(self, number: int) -> None:
        """Find the packets of a batch."""
        batch = self.loader.load(number)
        self.packets[number] = [
            (self._context(codec, coded_range), _packets(coded_range, coded))
            for row in range(self.clips)
            for codec, (coded_range, coded) in self._located(batch, row).items()
        ]

    def __call__(self, number: int) -> None:
        """Decode the packets of a batch."""
        for context, packets in self.packets[number]:
            context.flush_buffers()
            for packet in packets:
                context.decode(packet)
            context.decode(None)

    def _located(self, batch: RawBatch, row: int) -> dict[str, tuple[CodedRange, memoryview]]:
        (clips,) = parts_of(self.loader.clips)
        clip = list(clips.keys).index(batch.keys[row])
        frame = round(batch.video_start_s[row] * FPS)
        sample = round(batch.audio_start_s[row] * RATE_HZ)
        return {
            "h264": locate_frames(clips.read(clip, "mp4"), frame, FRAMES, HEIGHT, WIDTH),
            "flac": locate_audio(clips.read(clip, "flac"), sample, RATE_HZ, 4),
        }

    def _context(self, codec: str, coded_range: CodedRange) -> Any:
        key = codec, coded_range.configuration
        if key not in self.contexts:
            context = av.CodecContext.create(codec, "r")
            context.extradata, context.thread_count = coded_range.configuration, 1
            context.open()
            self.contexts[key] = context
        return self.contexts[key]


def _packets(coded_range: CodedRange, coded: memoryview) -> list[av.Packet]:
    return [av.Packet(bytes(coded[start:end])) for start, end in coded_range.packets]


def decode_through_demuxer(file: io.BytesIO, first: int) -> list[NDArray[Any]]:
    """Decode eight frames of a file to planes."""
    frames: list[NDArray[Any]] = []
    with av.open(file, "r") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        assert stream.time_base is not None
        container.seek(math.floor(first / FPS / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            assert frame.time is not None
            if frame.time >= first / FPS - 1e-3:
                frames.append(frame.to_ndarray())
            if len(frames) == FRAMES:
                break
    return frames
