"""Statistics that standardize log-mels: per mel band, common to the four channels.

Common, because the level relation between the channels carries direction: standardized each by
itself they would all look alike.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avsa.data import DataConfig, clips_form
from avsa.decode import ClipDecoder
from avsa.moments import draw_moments
from avsa.plan import Plan, PlanConfig
from avsa.spectrogram import AudioConfig, log_mels
from yt360.errors import BadItem, UserError
from yt360.files import write_json
from yt360.progress import Progress
from yt360.randomness import keyed_generator
from yt360.shards.reader import ShardReader
from yt360.shards.schema import AUDIO_STATS_FILE

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
DEFAULT_SAMPLES = 1000
# Bands that never sound (above what was recorded) would be divided by nothing.
SMALLEST_STD_DB = 1.0


@dataclass(frozen=True)
class AudioStats:
    """Mean and standard deviation (F,) in dB of the log-mels of W, Y, Z and X."""

    mean_db: Tensor
    std_db: Tensor


def measure_stats(
    dataset: Path, config: AudioConfig, samples: int = DEFAULT_SAMPLES, seed: int = 0
) -> AudioStats:
    """Measure the statistics over random samples of the training split.

    Args:
        dataset: The dataset folder.
        config: The spectrogram's parameters.
        samples: Number of samples; each is a random moment of a random clip.
        seed: Of their draw.

    Raises:
        UserError: The dataset has no training clips, or its sound has another sample rate.
    """
    clips = ShardReader(dataset, "train")
    if not len(clips):
        raise UserError(f"{dataset} has no training clips to measure")
    require_sample_rate(config, clips_form(clips.info).sample_rate_hz)
    totals = torch.zeros(3, config.bands, dtype=torch.float64)
    for sound in _random_sounds(clips, samples, seed):
        levels = log_mels(sound[None], config).double().flatten(0, 2)
        ones = torch.ones_like(levels)
        totals += torch.stack([ones.sum(0), levels.sum(0), levels.square().sum(0)])
    if not totals.any():
        raise UserError(f"no clip of {dataset} can be read; see `yt360 check {dataset}`")
    count, total, squares = totals
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    return AudioStats(mean.float(), std.clamp(min=SMALLEST_STD_DB).float())


def _random_sounds(clips: ShardReader, samples: int, seed: int) -> Iterator[Tensor]:
    """Yield int16 (4, S) of random moments of random clips; clips that do not read are told of."""
    plan = Plan(clips.video_ids, 1, seed, PlanConfig(sampling="clip"))
    span = DataConfig().span(clips_form(clips.info))
    sound = torch.empty((4, span.samples), dtype=torch.int16)
    decoder = ClipDecoder()
    with Progress("measuring sound", samples, "samples") as progress:
        for step in range(samples):
            clip = plan.batch(step)[0].clip
            generator = keyed_generator(seed, "stats", step)
            try:
                (first,) = draw_moments(span, clips.durations_s[clip], 1, 0.0, generator)
                decoder.sound(clips.read(clip, "flac"), span.first_sample(first), sound.numpy())
            except BadItem as error:
                progress.note(f"clip {clips.keys[clip]} cannot be read: {error}")
                continue
            yield sound
            progress.advance()


def save_stats(
    stats: AudioStats, dataset: Path, config: AudioConfig, samples: int, seed: int
) -> Path:
    """Write statistics into the dataset folder, atomically; return the file."""
    path = dataset / AUDIO_STATS_FILE
    content = {
        "format_version": FORMAT_VERSION,
        "spectrogram": _identity(config),
        "samples": samples,
        "seed": seed,
        "mean_db": [round(value, 4) for value in stats.mean_db.tolist()],
        "std_db": [round(value, 4) for value in stats.std_db.tolist()],
    }
    write_json(path, content)
    return path


def load_stats(dataset: Path, config: AudioConfig) -> AudioStats:
    """Read the statistics of a dataset.

    Raises:
        UserError: There are none, they are damaged, or they belong to other spectrograms.
    """
    path = dataset / AUDIO_STATS_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version, of = content["format_version"], content["spectrogram"]
        stats = AudioStats(torch.tensor(content["mean_db"]), torch.tensor(content["std_db"]))
    except FileNotFoundError:
        raise UserError(
            f"{dataset} has no {AUDIO_STATS_FILE}; run `avsa stats {dataset}`"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is damaged ({error}); run `avsa stats {dataset}` to measure again"
        ) from None
    if version != FORMAT_VERSION:
        raise UserError(
            f"{path} has format version {version}, this program reads {FORMAT_VERSION}; run "
            f"`avsa stats {dataset}` to measure again"
        )
    wanted = _identity(config)
    for name in wanted:
        if of.get(name) != wanted[name]:
            raise UserError(
                f"{path} belongs to spectrograms with {name} {of.get(name)}, the recipe has "
                f"{wanted[name]}; run `avsa stats {dataset} --set {name}={wanted[name]}`, or set "
                f"audio.{name}={of.get(name)}"
            )
    return stats


def ensure_stats(dataset: Path, config: AudioConfig) -> AudioStats:
    """Return the dataset's statistics; measure and store them when it has none.

    Raises:
        UserError: The stored ones belong to other spectrograms, or none can be measured.
    """
    if not (dataset / AUDIO_STATS_FILE).exists():
        logger.warning("%s has no %s; measuring it now", dataset, AUDIO_STATS_FILE)
        stats = measure_stats(dataset, config)
        save_stats(stats, dataset, config, DEFAULT_SAMPLES, seed=0)
    return load_stats(dataset, config)


def require_sample_rate(config: AudioConfig, sample_rate_hz: int) -> None:
    """Check that spectrograms fit the sample rate of a dataset.

    Raises:
        UserError: They do not.
    """
    if config.sample_rate_hz != sample_rate_hz:
        raise UserError(
            f"the dataset's sound has {sample_rate_hz} samples a second and the recipe "
            f"{config.sample_rate_hz}; set audio.sample_rate_hz={sample_rate_hz}"
        )


def _identity(config: AudioConfig) -> dict[str, Any]:
    """Return what the statistics depend on: all but the choice of channels."""
    return {name: value for name, value in asdict(config).items() if name != "inputs"}
