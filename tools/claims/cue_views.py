"""Cues of views: what their sound and a little of their picture tell, without a network.

Shapes: N samples, K views, A numbers of the sound of a view.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsa.config.train_config import TrainConfig
from avsa.data.clips import open_clips
from avsa.data.order import DrawnOrder
from avsa.evals.binary.avsa_bin import draw_turn
from avsa.evals.probe.targets import is_inside, scenes_of
from avsa.evals.protocol import data_of, views_of
from avsa.training.distributed import World
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.batch import Batch, batches, turn_audio
from avsa.views.spectrogram import AudioConfig
from avsa.views.view_spectrograms import view_spectrograms
from yt360.clips import parse_key
from yt360.scenes.collection import SceneCollection
from yt360.scenes.world.scene import Scene
from yt360.sphere import azimuth_elevation, view_rotation
from yt360.splits import Split

Array = NDArray[np.float32]
BANDS, PERCENTILES, BATCH_SIZE = 10, (10.0, 90.0), 8


@dataclass(frozen=True)
class Cues:
    """What heads may get of the views of a split; N samples, K views.

    Attributes:
        sound: (N, K, A) summaries of the sound of each view.
        turned: (N, K, A) the same of the turned sound.
        pictures: (N, K, ...) by name: ``elevation`` in radians, ``objects`` and ``sources`` (their
            numbers), ``pixels``.
        video_ids: Video of each sample.
    """

    sound: Array
    turned: Array
    pictures: Mapping[str, Array]
    video_ids: list[str]


def read_cues(
    dataset: Path,
    split: Split,
    scenes: SceneCollection,
    config: TrainConfig,
    num_views: int,
    draws: int,
    seed: int,
) -> Cues:
    """Return the cues of a split, with views as in the test of AVSA-Bin."""
    audio = AudioConfig(
        sample_rate_hz=config.audio.sample_rate_hz, n_mels=BANDS, channels="ambix+intensity"
    )
    in_decibels = AudioStatistics(torch.zeros(BANDS), torch.ones(BANDS))
    with closing(open_clips(dataset, split)) as clips:
        truth = scenes_of(scenes, clips.keys)
        samples = batches(
            clips,
            DrawnOrder(len(clips), draws, BATCH_SIZE),
            seed,
            replace(data_of(config, "paper"), num_workers=1),
            views_of(config, "paper", num_views, augment=False),
            audio,
            in_decibels,
            World(0, 1, torch.device("cpu")),
        )
        with closing(samples):
            found = [
                _of_batch(batch, truth, audio, in_decibels, config.data.audio_duration_s, seed)
                for batch in samples
            ]
    joined = {name: np.concatenate([each[0][name] for each in found]) for name in found[0][0]}
    return Cues(
        joined.pop("sound"), joined.pop("turned"), joined, [v for _, ids in found for v in ids]
    )


def _of_batch(
    batch: Batch,
    truth: Mapping[str, Scene],
    audio: AudioConfig,
    statistics: AudioStatistics,
    duration_s: float,
    seed: int,
) -> tuple[dict[str, Array], list[str]]:
    """Return the cues of a batch by name, and the video of each sample."""
    raw = batch.raw
    yaws = torch.tensor([draw_turn(seed, raw.epoch, position)[1] for position in raw.positions])
    turned = view_spectrograms(
        batch.stored_audio,
        turn_audio(batch.views, yaws).rotations,
        audio,
        statistics.mean_db,
        statistics.std_db,
    )
    fov = torch.stack([batch.views.hfov, batch.views.vfov], -1).double().numpy()
    counts = []
    for key, start_s, directions, extent in zip(
        raw.keys, raw.audio_start_s, batch.directions.double(), fov, strict=True
    ):
        name, clip_s = parse_key(key)
        scene, moment = truth[name], np.array([clip_s + start_s + duration_s / 2])
        towards = torch.from_numpy(scene.directions(moment)[0])
        local = view_rotation(*azimuth_elevation(directions)) @ towards.T
        inside = is_inside(local.mT.numpy(), extent[:, None])
        counts.append([inside.sum(-1), inside[:, scene.sounding].sum(-1)])
    objects, sources = np.array(counts, np.float32).transpose(1, 0, 2)[..., None]
    return {
        "sound": summarize_sound(batch.audio),
        "turned": summarize_sound(turned),
        "elevation": batch.views.elevation.numpy()[..., None],
        "objects": objects,
        "sources": sources,
        "pixels": summarize_pixels(batch.video),
    }, [parse_key(key)[0] for key in raw.keys]


def summarize_sound(spectrograms: Tensor) -> Array:
    """Return mean and percentiles over time (B, K, A) of spectrograms (B, K, C, N, F)."""
    values = spectrograms.numpy()
    spread = np.percentile(values, PERCENTILES, axis=-2)
    joined = np.concatenate([values.mean(-2)[None], spread])
    return np.moveaxis(joined, 0, 2).reshape(*values.shape[:2], -1).astype(np.float32)


def summarize_pixels(video: Tensor) -> Array:
    """Return mean and deviation of colours in three bands (B, K, 18) of (B, K, 3, T, h, w)."""
    bands = [part.flatten(3) for part in video.tensor_split(3, dim=-2)]
    return torch.cat([f(part, -1) for part in bands for f in (torch.mean, torch.std)], -1).numpy()
