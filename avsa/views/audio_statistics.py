"""Statistics that standardize log-mels: mean and standard deviation of each mel band.

All four channels share the statistics, because level differences between channels encode direction.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from avsa.config.renamed import new_name
from avsa.data.clips import clips_form, open_to_load
from avsa.data.loader import DataConfig
from avsa.data.remote.mirror import address_of
from avsa.views.random_audio import random_audio
from avsa.views.spectrogram import AudioConfig, log_mels, require_long_audio
from yt360.errors import UserError
from yt360.files import write_json
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.schema import AUDIO_STATS_FILE
from yt360.untrusted.parsing import Count, read_json

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
DEFAULT_SAMPLES = 1000
# Minimum standard deviation, for bands above the bandwidth of the recordings.
MIN_STD_DB = 1.0
# Limits of stored values: log-mels lie within ±200 dB, and standard deviations must be divisors.
MAX_DB, MIN_STORED_STD_DB = 1e6, 1e-6


@dataclass(frozen=True)
class AudioStatistics:
    """Mean and standard deviation (F,) in dB of the log-mels of W, Y, Z and X."""

    mean_db: Tensor
    std_db: Tensor

    def sha256(self) -> str:
        """Return a hash of the values, 64 hexadecimal digits."""
        values = torch.cat([self.mean_db.flatten(), self.std_db.flatten()])
        return sha256(values.cpu().double().numpy().tobytes()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """Stored statistics for one set of spectrogram parameters."""

    spectrogram: Mapping[str, Any]
    samples: Count = 0
    seed: Count = 0
    mean_db: Sequence[Annotated[float, Field(ge=-MAX_DB, le=MAX_DB)]]
    std_db: Sequence[Annotated[float, Field(ge=MIN_STORED_STD_DB, le=MAX_DB)]]

    def __post_init__(self) -> None:
        n_mels = self.parameters.get("n_mels")
        if not n_mels == len(self.mean_db) == len(self.std_db):
            numbers = len(self.mean_db) + len(self.std_db)
            raise ValueError(f"{numbers} numbers for {n_mels} mel bands")

    @property
    def parameters(self) -> dict[str, Any]:
        """Spectrogram parameters, with the names of earlier versions replaced."""
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

    For a mirror, every shard with one of the samples is fetched.

    Args:
        dataset: Dataset folder or mirror.
        config: Spectrogram configuration.
        samples: Number of samples; each is a random window of a random clip.
        seed: Seed of the samples.

    Raises:
        UserError: The dataset has no training clips, none of them can be read, or its audio has
            another sample rate.
    """
    totals = torch.zeros(3, config.n_mels, dtype=torch.float64)
    with closing(open_to_load(dataset, "train")) as clips:
        if not len(clips):
            raise UserError(
                f"{dataset} has no training clips to measure; add clips to its split train",
                code="empty",
                key=dataset,
            )
        form = clips_form(clips.info)
        require_sample_rate(config, form.sample_rate_hz)
        require_long_audio(config, DataConfig().window_shape(form).num_samples)
        with closing(random_audio(clips, samples, seed)) as audios:
            for audio in audios:
                levels = log_mels(audio[None], config).double().flatten(0, 2)
                ones = torch.ones_like(levels)
                totals += torch.stack([ones.sum(0), levels.sum(0), levels.square().sum(0)])
    if not totals.any():
        address = address_of(dataset)
        raise UserError(
            f"no clip of {address} can be read; see `yt360 check {address}`",
            code="empty",
            key=dataset,
        )
    count, total, squares = totals
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    return AudioStatistics(mean.float(), std.clamp(min=MIN_STD_DB).float())


def save_statistics(
    statistics: AudioStatistics, dataset: Path, config: AudioConfig, samples: int, seed: int
) -> Path:
    """Store statistics in a dataset atomically; return the path of the file.

    The file contains one entry per set of spectrogram parameters; an equal entry is replaced.
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
    """Return the stored statistics for a spectrogram configuration, or None.

    Raises:
        UserError: The file is damaged or has another format version.
    """
    wanted, defaults = _identity(config), _identity(AudioConfig())
    for entry in _entries(dataset / AUDIO_STATS_FILE):
        # Files from before a key existed use its default.
        if defaults | entry.parameters == wanted:
            return AudioStatistics(torch.tensor(entry.mean_db), torch.tensor(entry.std_db))
    return None


def ensure_statistics(
    dataset: Path, config: AudioConfig, samples: int = DEFAULT_SAMPLES
) -> AudioStatistics:
    """Return the stored statistics; measure and store them if they are missing.

    If the dataset folder is read-only, the statistics are returned without storing them. Those of a
    mirror are stored in the mirror; `avsa.data.remote.publishing` copies them to its bucket.

    Args:
        dataset: Dataset folder or mirror.
        config: Spectrogram configuration.
        samples: Number of samples to measure.

    Raises:
        UserError: The sample rates differ, the file is damaged, or no clip can be read.
    """
    require_sample_rate(config, clips_form(DatasetInfo.load(dataset)).sample_rate_hz)
    statistics = load_statistics(dataset, config)
    if statistics is None:
        address = address_of(dataset)
        logger.warning("%s has no audio statistics for these spectrograms; measuring", address)
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


def combined_statistics(
    parts: Sequence[AudioStatistics], fractions: Sequence[float]
) -> AudioStatistics:
    """Return the statistics of samples that are drawn from several datasets.

    They are those of all samples together, exactly: the variance is that within the datasets and
    that between their means.

    Args:
        parts: Statistics of each dataset.
        fractions: Fraction of the samples from each dataset; their sum is 1.
    """
    shares = torch.tensor(fractions, dtype=torch.float64)[:, None]
    means = torch.stack([part.mean_db.double() for part in parts])
    stds = torch.stack([part.std_db.double() for part in parts])
    mean = (shares * means).sum(0)
    variance = (shares * (stds.square() + (means - mean).square())).sum(0)
    return AudioStatistics(mean.float(), variance.sqrt().float())


def require_sample_rate(config: AudioConfig, sample_rate_hz: int) -> None:
    """Check that the sample rate of the configuration is that of the dataset.

    Raises:
        UserError: The sample rates differ.
    """
    if config.sample_rate_hz != sample_rate_hz:
        raise UserError(
            f"the sample rate is {sample_rate_hz} Hz in the dataset and {config.sample_rate_hz} Hz "
            f"in the recipe; set audio.sample_rate_hz={sample_rate_hz}",
            code="conflict",
            key="audio.sample_rate_hz",
        )


def _entries(path: Path) -> tuple[_Entry, ...]:
    """Return the entries of a statistics file; empty if the file does not exist."""
    advice = f"remove it and run `avsa stats {path.parent}`"
    try:
        content = read_json(path, _StatsFile, inside=path.parent)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); {advice}", key=path) from None
    if content.format_version != FORMAT_VERSION:
        raise UserError(
            f"{path} has format version {content.format_version}, this program reads "
            f"{FORMAT_VERSION}; {advice}",
            code="unsupported",
            key=path,
        )
    return content.stats


def _rounded(values: Tensor) -> list[float]:
    """Round values to four decimals, the stored precision."""
    return [round(value, 4) for value in values.tolist()]


def _identity(config: AudioConfig) -> dict[str, Any]:
    """Return the parameters on which the statistics depend: all except the channels."""
    return {name: value for name, value in asdict(config).items() if name != "channels"}
