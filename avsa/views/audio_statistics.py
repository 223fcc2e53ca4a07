"""Statistics that standardize log-mels: one mean and deviation per mel band.

They are common to the four channels, because the differences of level between channels carry the
direction.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from avsa.config.renamed import new_name
from avsa.data.clip_window import draw_clip_windows
from avsa.data.clips import clips_form
from avsa.data.decoder_process import DECODERS
from avsa.data.loader import DataConfig
from avsa.data.order import SamplingConfig, TrainingOrder
from avsa.data.remote.mirror import is_mirror
from avsa.views.spectrogram import AudioConfig, log_mels, require_long_audio
from yt360.errors import BadItem, UserError
from yt360.files import write_json
from yt360.randomness import keyed_generator
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.schema import AUDIO_STATS_FILE, DatasetInfo
from yt360.terminal.progress import Progress
from yt360.untrusted.parsing import Count, read_json

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
DEFAULT_SAMPLES = 1000
# Lower limit, for bands without content (above the bandwidth of a recording).
SMALLEST_STD_DB = 1.0
# Limits of stored values: log-mels lie within ±200 dB, and float32 must be able to divide by them.
LARGEST_DB, SMALLEST_STORED_STD_DB = 1e6, 1e-6


@dataclass(frozen=True)
class AudioStatistics:
    """Mean and standard deviation (F,) in dB of the log-mels of W, Y, Z and X."""

    mean_db: Tensor
    std_db: Tensor


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """Statistics of spectrograms with some parameters, as stored."""

    spectrogram: Mapping[str, Any]
    samples: Count = 0
    seed: Count = 0
    mean_db: Sequence[Annotated[float, Field(ge=-LARGEST_DB, le=LARGEST_DB)]]
    std_db: Sequence[Annotated[float, Field(ge=SMALLEST_STORED_STD_DB, le=LARGEST_DB)]]

    def __post_init__(self) -> None:
        n_mels = self.parameters.get("n_mels")
        if not n_mels == len(self.mean_db) == len(self.std_db):
            numbers = len(self.mean_db) + len(self.std_db)
            raise ValueError(f"{numbers} numbers for {n_mels} mel bands")

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the spectrograms; earlier versions stored them under other names."""
        return {
            (new_name(f"audio.{name}") or name).removeprefix("audio."): value
            for name, value in self.spectrogram.items()
        }


@dataclass(frozen=True, kw_only=True)
class _StatsFile:
    """The content of ``audio_stats.json``."""

    format_version: Count
    stats: tuple[_Entry, ...] = ()


def measure_statistics(
    dataset: Path, config: AudioConfig, samples: int = DEFAULT_SAMPLES, seed: int = 0
) -> AudioStatistics:
    """Measure the statistics over random samples of the training split.

    Args:
        dataset: The dataset folder.
        config: Parameters of the spectrograms.
        samples: Number of samples; each is a random window of a random clip.
        seed: Seed of the random windows.

    Raises:
        UserError: The dataset has no training clips, or its audio has another sample rate.
    """
    clips = ShardReader(dataset, "train")
    if not len(clips):
        raise UserError(
            f"{dataset} has no training clips to measure; add clips to its split train",
            code="empty",
            key=dataset,
        )
    require_sample_rate(config, clips_form(clips.info).sample_rate_hz)
    totals = torch.zeros(3, config.n_mels, dtype=torch.float64)
    require_long_audio(config, DataConfig().window_shape(clips_form(clips.info)).num_samples)
    for audio in random_audio(clips, samples, seed):
        levels = log_mels(audio[None], config).double().flatten(0, 2)
        ones = torch.ones_like(levels)
        totals += torch.stack([ones.sum(0), levels.sum(0), levels.square().sum(0)])
    if not totals.any():
        raise UserError(
            f"no clip of {dataset} can be read; see `yt360 check {dataset}`",
            code="empty",
            key=dataset,
        )
    count, total, squares = totals
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    return AudioStatistics(mean.float(), std.clamp(min=SMALLEST_STD_DB).float())


def random_audio(clips: ShardReader, samples: int, seed: int) -> Iterator[Tensor]:
    """Yield int16 (4, S) of random windows of random clips; report those that cannot be read."""
    order = TrainingOrder(clips.video_ids, 1, seed, SamplingConfig(unit="clip"))
    shape = DataConfig().window_shape(clips_form(clips.info))
    audio = torch.empty((4, shape.num_samples), dtype=torch.int16)
    with Progress("measuring audio", samples, "samples") as progress:
        for step in range(samples):
            clip = order.batch(step)[0].clip
            generator = keyed_generator(seed, "stats", step)
            try:
                (window,) = draw_clip_windows(shape, clips.durations_s[clip], 1, 0.0, generator)
                DECODERS.decode_audio(clips.read(clip, "flac"), window.sample, audio.numpy())
            except BadItem as error:
                progress.note(f"clip {clips.keys[clip]} cannot be read: {error}")
                continue
            yield audio
            progress.advance()


def save_statistics(
    statistics: AudioStatistics, dataset: Path, config: AudioConfig, samples: int, seed: int
) -> Path:
    """Store statistics in the file of the dataset, atomically; return the file.

    The file holds statistics of spectrograms with different parameters; those with equal parameters
    are replaced.
    """
    path = dataset / AUDIO_STATS_FILE
    entry = _Entry(
        spectrogram=_identity(config),
        samples=samples,
        seed=seed,
        mean_db=_rounded(statistics.mean_db),
        std_db=_rounded(statistics.std_db),
    )
    others = [each for each in _entries(path) if each.parameters != entry.parameters]
    write_json(path, asdict(_StatsFile(format_version=FORMAT_VERSION, stats=(*others, entry))))
    return path


def load_statistics(dataset: Path, config: AudioConfig) -> AudioStatistics | None:
    """Return the stored statistics of spectrograms with some parameters, or None.

    Raises:
        UserError: The file is damaged or of another version.
    """
    wanted, defaults = _identity(config), _identity(AudioConfig())
    for entry in _entries(dataset / AUDIO_STATS_FILE):
        # Files from before a key existed were measured with its default.
        if defaults | entry.parameters == wanted:
            return AudioStatistics(torch.tensor(entry.mean_db), torch.tensor(entry.std_db))
    return None


def ensure_statistics(
    dataset: Path, config: AudioConfig, samples: int = DEFAULT_SAMPLES
) -> AudioStatistics:
    """Return the stored statistics; measure and store them if there are none.

    If the dataset folder is read-only, they are returned as they would be stored.

    Args:
        dataset: The dataset folder.
        config: Parameters of the spectrograms.
        samples: Number of samples to measure.

    Raises:
        UserError: The audio has another sample rate, the file is damaged, no clip can be read, or
            the dataset is a mirror.
    """
    require_sample_rate(config, clips_form(DatasetInfo.load(dataset)).sample_rate_hz)
    statistics = load_statistics(dataset, config)
    if statistics is None and is_mirror(dataset):
        raise UserError(
            f"{dataset} mirrors a dataset without statistics for these spectrograms; run "
            "`avsa stats` with the same recipe on the machine of that dataset",
            code="missing",
            key=dataset,
        )
    if statistics is None:
        logger.warning("%s has no audio statistics for these spectrograms; measuring", dataset)
        measured = measure_statistics(dataset, config, samples)
        mean_db, std_db = _rounded(measured.mean_db), _rounded(measured.std_db)
        statistics = AudioStatistics(torch.tensor(mean_db), torch.tensor(std_db))
        try:
            save_statistics(statistics, dataset, config, samples, seed=0)
        except OSError as error:
            logger.warning(
                "the statistics cannot be stored in %s (%s); this run keeps them",
                dataset,
                error.strerror,
            )
    return statistics


def require_sample_rate(config: AudioConfig, sample_rate_hz: int) -> None:
    """Check the sample rate of the spectrograms against that of a dataset.

    Raises:
        UserError: They differ.
    """
    if config.sample_rate_hz != sample_rate_hz:
        raise UserError(
            f"the sample rate is {sample_rate_hz} Hz in the dataset and {config.sample_rate_hz} Hz "
            f"in the recipe; set audio.sample_rate_hz={sample_rate_hz}",
            code="conflict",
            key="audio.sample_rate_hz",
        )


def _entries(path: Path) -> tuple[_Entry, ...]:
    """Return the entries of a file of statistics; none if there is no file."""
    again = f"remove it and run `avsa stats {path.parent}`"
    try:
        content = read_json(path, _StatsFile, inside=path.parent)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); {again}", key=path) from None
    if content.format_version != FORMAT_VERSION:
        raise UserError(
            f"{path} has format version {content.format_version}, this program reads "
            f"{FORMAT_VERSION}; {again}",
            code="unsupported",
            key=path,
        )
    return content.stats


def _rounded(values: Tensor) -> list[float]:
    """Round numbers to four decimals, as they are stored."""
    return [round(value, 4) for value in values.tolist()]


def _identity(config: AudioConfig) -> dict[str, Any]:
    """Return the parameters on which statistics depend: all except the choice of channels."""
    return {name: value for name, value in asdict(config).items() if name != "channels"}
