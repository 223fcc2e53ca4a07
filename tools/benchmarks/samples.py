"""Samples of the paper's code and of this package, from the same clips."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from avsa.data.loader import DataConfig, Loader
from avsa.data.training_order import TrainingOrder
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.sampling import ViewConfig, Views, draw_views
from avsa.views.spectrogram import AudioConfig
from benchmarks import paper
from benchmarks.material import FPS, RATE_HZ, Material
from yt360.randomness import keyed_generator
from yt360.shards.format.reader import ShardReader

SIZE, HEIGHT, WIDTH, FRAMES = 112, 320, 640, 8
VIDEO_S, AUDIO_S = 0.5, 1.0
VIEWS, AUDIO = ViewConfig(), AudioConfig()
UNSCALED = AudioStatistics(torch.zeros(AUDIO.n_mels), torch.ones(AUDIO.n_mels))


def sample_loader(material: Material, batch_size: int = 1) -> Loader:
    """Return a loader of batches of different clips, which share the bytes of a few."""
    clips = ShardReader(material.many_clips(material.dataset, 400), "train", method="mmap")
    order = TrainingOrder(clips.video_ids, batch_size, 0)
    return Loader(clips, order, DataConfig(num_workers=1), 0)


def random_views(number: int) -> Views:
    """Return four random views (1, 4)."""
    return draw_views(VIEWS, 0, 0, [number])


def angles_of(views: Views) -> list[tuple[float, float, float]]:
    """Return azimuth, elevation and horizontal field of view of the views of the first sample."""
    columns = zip(views.azimuth[0], views.elevation[0], views.hfov[0], strict=True)
    return [(float(a), float(e), float(h)) for a, e, h in columns]


def paper_load(material: Material) -> Callable[[int], tuple[list[Any], Any]]:
    """Return the paper's loading of frames and audio."""

    def load(number: int) -> tuple[list[Any], Any]:
        video_file, audio_file = material.released[material.clip_of(number)]
        start_s = material.first_frame(number) / FPS
        frames = paper.decode_frames(video_file, start_s, VIDEO_S, FPS)
        audio_start_s = start_s - (AUDIO_S - VIDEO_S) / 2
        return frames, paper.decode_audio(audio_file, audio_start_s, AUDIO_S, RATE_HZ)

    return load


def paper_sample(material: Material) -> Callable[[int], object]:
    """Return the paper's making of a whole sample."""
    load = paper_load(material)

    def make(number: int) -> object:
        frames, audio = load(number)
        views = random_views(number)
        factors = keyed_generator("jitter", number).uniform(
            (0.6, 0.6, 0.6, -0.1), (1.4, 1.4, 1.4, 0.1), (VIEWS.num_views, 4)
        )
        video = paper.jitter_views(numpy_crops(frames, views), factors)
        return video, paper.view_log_mels(audio, views.rotations[0].numpy(), RATE_HZ)

    return make


def numpy_crops(frames: list[paper.Bytes], views: Views) -> list[list[paper.Bytes]]:
    """Return the paper's crops of each frame, by view."""
    height, width = frames[0].shape[:2]
    crops = []
    for azimuth, elevation, hfov in angles_of(views):
        columns, rows = paper.view_map(azimuth, elevation, hfov, SIZE, height, width)
        crops.append([paper.crop_frame(frame, columns, rows) for frame in frames])
    return crops
