"""What the benchmark times: each case does the same work with this package and with others."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import av
import cv2
import numpy as np
import torch
import torchaudio
import webdataset
from numpy.typing import NDArray

from avsa.data.loader import DataConfig, Loader
from avsa.data.order import TrainingOrder
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.batch import make_batch
from avsa.views.crops import crop_views
from avsa.views.sampling import ViewConfig, Views, draw_views, stack_views
from avsa.views.spectrogram import AudioConfig, view_spectrograms
from bench import paper
from bench.material import Material
from yt360.ambisonics.transforms import rotate
from yt360.clip_codec.decoder import ClipDecoder, locate_audio, locate_frames
from yt360.randomness import keyed_generator
from yt360.shards.format.reader import ShardReader

SIZE, HEIGHT, WIDTH, FRAMES, FPS = 112, 320, 640, 8, 16
RATE_HZ, VIDEO_S, AUDIO_S, CLIP_S = 24000, 0.5, 1.0, 10.0
VIEWS, AUDIO = ViewConfig(), AudioConfig()
UNSCALED = AudioStatistics(torch.zeros(AUDIO.n_mels), torch.ones(AUDIO.n_mels))

Run = Callable[[int], object]


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes:
        name: What is timed.
        ours: This package's implementation; the argument is the number of the random input.
        theirs: Other implementations by name; the first one counts for the target.
        at_least: Required ratio to the first of `theirs`, or None.
        aim: Desired ratio, as text.
    """

    name: str
    ours: Run
    theirs: dict[str, Run]
    at_least: float | None = None
    aim: str = ""


@dataclass
class Inputs:
    """Random inputs that all implementations share."""

    material: Material
    clips: ShardReader = field(init=False)
    decoder: ClipDecoder = field(default_factory=ClipDecoder)

    def __post_init__(self) -> None:
        self.clips = ShardReader(self.material.dataset, "train", method="mmap")

    def views(self, run: int) -> Views:
        """Return four random views (1, 4)."""
        return stack_views([draw_views(VIEWS, 0, 0, run)])

    def clip(self, run: int) -> int:
        """Return a random clip."""
        return int(keyed_generator("clip", run).integers(len(self.clips)))

    def first_frame(self, run: int) -> int:
        """Return the first frame of a random half second with room for its audio."""
        return int(keyed_generator("frame", run).integers(4, 149))


def cases(material: Material) -> list[Case]:
    """Return the cases, in the order of the table."""
    inputs = Inputs(material)
    return [
        Case(
            "load path: read, decode 0.5 s of planes and 1 s of audio",
            _load(inputs), {"paper's load path": _paper_load(inputs)}, at_least=8,
        ),
        Case(
            "whole sample on CPU: loader, 4 crops, 16 log-mels",
            _whole(inputs), {"paper's whole sample": _paper_sample(inputs)}, at_least=8, aim="15",
        ),
        _crop_case(inputs),
        _log_mel_case(inputs),
        _reading_case(inputs),
        _decoding_case(inputs),
    ]  # fmt: skip


def _loader(inputs: Inputs) -> Loader:
    plan = TrainingOrder(inputs.clips.video_ids, 1, 0)
    return Loader(inputs.clips, plan, DataConfig(), 0)


def _load(inputs: Inputs) -> Run:
    loader = _loader(inputs)
    buffer = loader.load(0).buffer
    return lambda run: loader.load(run, buffer)


def _whole(inputs: Inputs) -> Run:
    loader = _loader(inputs)
    buffer = loader.load(0).buffer
    return lambda run: make_batch(loader.load(run, buffer), 0, VIEWS, AUDIO, UNSCALED)


def _paper_load(inputs: Inputs) -> Callable[[int], tuple[list[Any], Any]]:
    def load(run: int) -> tuple[list[Any], Any]:
        video_file, audio_file = inputs.material.released[inputs.clip(run)]
        start_s = inputs.first_frame(run) / FPS
        frames = paper.decode_frames(video_file, start_s, VIDEO_S, FPS)
        audio_start_s = start_s - (AUDIO_S - VIDEO_S) / 2
        return frames, paper.decode_audio(audio_file, audio_start_s, AUDIO_S, RATE_HZ)

    return load


def _paper_sample(inputs: Inputs) -> Run:
    load = _paper_load(inputs)

    def run_paper(run: int) -> object:
        frames, audio = load(run)
        views = inputs.views(run)
        crops = _numpy_crops(frames, views)
        factors = keyed_generator("jitter", run).uniform(
            (0.6, 0.6, 0.6, -0.1), (1.4, 1.4, 1.4, 0.1), (VIEWS.num_views, 4)
        )
        video = paper.jitter_views(crops, factors)
        return video, paper.view_log_mels(audio, views.rotations[0].numpy(), RATE_HZ)

    return run_paper


def _numpy_crops(frames: list[paper.Bytes], views: Views) -> list[list[paper.Bytes]]:
    height, width = frames[0].shape[:2]
    crops = []
    for azimuth, elevation, hfov in _angles(views):
        columns, rows = paper.view_map(azimuth, elevation, hfov, SIZE, height, width)
        crops.append([paper.crop_frame(frame, columns, rows) for frame in frames])
    return crops


def _angles(views: Views) -> list[tuple[float, float, float]]:
    return [
        (float(a), float(e), float(h))
        for a, e, h in zip(views.azimuth[0], views.elevation[0], views.hfov[0], strict=True)
    ]


def _crop_case(inputs: Inputs) -> Case:
    luma = torch.empty((1, FRAMES, HEIGHT, WIDTH), dtype=torch.uint8)
    chroma = torch.empty((1, 2, FRAMES, HEIGHT // 2, WIDTH // 2), dtype=torch.uint8)
    located = locate_frames(inputs.clips.read(0, "mp4"), 40, FRAMES, HEIGHT, WIDTH)
    inputs.decoder.decode_frames(*located, luma[0].numpy(), chroma[0].numpy())
    with av.open(str(inputs.material.default_gop[0])) as container:
        frames = [
            frame.to_ndarray(format="rgb24")
            for frame, _ in zip(container.decode(video=0), range(FRAMES), strict=False)
        ]
    fixed_maps: dict[int, list[tuple[Any, Any]]] = {}

    def remap(run: int) -> object:
        views = run % 20
        if views not in fixed_maps:
            fixed_maps[views] = [
                cv2.convertMaps(*paper.view_map(*angles, SIZE, HEIGHT, WIDTH), cv2.CV_16SC2)
                for angles in _angles(inputs.views(views))
            ]
        return [
            cv2.remap(frame, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
            for maps in fixed_maps[views]
            for frame in frames
        ]

    for run in range(20):
        remap(run)
    drawn = [inputs.views(run) for run in range(20)]
    return Case(
        "crops: 4 views x 8 frames from 320x640, jittered and standardized",
        lambda run: crop_views(luma, chroma, drawn[run % 20], SIZE, SIZE),
        {
            "NumPy bilinear, frame by frame": lambda run: _numpy_crops(frames, drawn[run % 20]),
            "cv2.remap alone, fixed maps made before": remap,
        },
        at_least=4,
        aim="0.7 of cv2.remap",
    )  # fmt: skip


def _log_mel_case(inputs: Inputs) -> Case:
    samples = torch.empty((1, 4, RATE_HZ), dtype=torch.int16)
    located = locate_audio(inputs.clips.read(0, "flac"), 60000, RATE_HZ, 4)
    inputs.decoder.decode_audio(*located, samples[0].numpy())
    audio = samples[0].float() / 32768
    drawn = [inputs.views(run) for run in range(20)]
    rotations = [views.rotations for views in drawn]
    transform = torchaudio.transforms.MelSpectrogram(
        RATE_HZ, 512, hop_length=240, n_mels=128, power=1.0, norm="slaney", mel_scale="slaney"
    )
    to_decibels = torchaudio.transforms.AmplitudeToDB("magnitude", top_db=100)

    def by_torchaudio(run: int) -> object:
        return to_decibels(transform(rotate(audio, rotations[run % 20][0])))

    def ours(run: int) -> object:
        stats = (UNSCALED.mean_db, UNSCALED.std_db)
        return view_spectrograms(samples, rotations[run % 20], AUDIO, *stats)

    def by_librosa(run: int) -> object:
        return paper.view_log_mels(audio.numpy(), rotations[run % 20][0].numpy(), RATE_HZ)

    return Case(
        "log-mels: 4 views x 4 channels of 1 s",
        ours,
        {"librosa, each channel and view": by_librosa, "torchaudio": by_torchaudio},
        at_least=10,
        aim="18",
    )


def _reading_case(inputs: Inputs) -> Case:
    dataset = inputs.material.dataset
    shard = dataset / "train" / inputs.clips.rows[0].shard
    members = sum(row.mp4_bytes + row.flac_bytes for row in inputs.clips.rows)
    by_pread = ShardReader(dataset, "train", method="pread")
    place = np.empty(4 << 20, np.uint8)

    def random_members(clips: ShardReader) -> Run:
        def read(run: int) -> None:
            for clip in keyed_generator("order", run).permutation(len(clips)):
                for member in ("mp4", "flac"):
                    content = clips.read(int(clip), member)
                    place[: len(content)] = content

        return read

    def sequential(_: int) -> None:
        with shard.open("rb", buffering=0) as file:
            while file.readinto(place[: 1 << 20].data):
                pass

    def by_webdataset(_: int) -> None:
        for _sample in webdataset.WebDataset(str(shard), shardshuffle=False, empty_check=False):
            pass

    return Case(
        f"all clips ({members / 1e6:.1f} MB) of a shard in random order, mmap",
        random_members(inputs.clips),
        {
            "sequential read() of the shard": sequential,
            "pread by the index": random_members(by_pread),
            "webdataset, in order": by_webdataset,
        },
        at_least=0.8,
        aim="1.5",
    )


def _decoding_case(inputs: Inputs) -> Case:
    planes = np.empty((FRAMES, HEIGHT, WIDTH), np.uint8)
    chroma = np.empty((2, FRAMES, HEIGHT // 2, WIDTH // 2), np.uint8)
    defaults = [path.read_bytes() for path in inputs.material.default_gop]

    def ours(run: int) -> None:
        mp4 = inputs.clips.read(inputs.clip(run), "mp4")
        located = locate_frames(mp4, inputs.first_frame(run), FRAMES, HEIGHT, WIDTH)
        inputs.decoder.decode_frames(*located, planes, chroma)

    def default_gop(run: int) -> None:
        _decode_planes(io.BytesIO(defaults[inputs.clip(run)]), inputs.first_frame(run))

    def by_container(run: int) -> None:
        mp4 = bytes(inputs.clips.read(inputs.clip(run), "mp4"))
        _decode_planes(io.BytesIO(mp4), inputs.first_frame(run))

    return Case(
        "random half second of video from the stored format",
        ours,
        {
            "H.264 at the encoder's default GOP": default_gop,
            "stored format by PyAV's demuxer": by_container,
        },
        at_least=4,
        aim="8",
    )


def _decode_planes(file: io.BytesIO, first: int) -> list[NDArray[Any]]:
    """Decode eight frames through a demuxer, to planes."""
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
