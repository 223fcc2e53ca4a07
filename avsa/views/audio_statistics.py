"""Statistics that standardize log-mels: per mel band, common to the four channels.

Common, because the level relation between the channels carries direction: standardized each by
itself they would all look alike.
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
from avsa.data.clip_window import draw_moments
from avsa.data.clips import clips_form
from avsa.data.decoder_process import DECODERS
from avsa.data.loader import DataConfig
from avsa.data.remote.mirror import is_mirror
from avsa.data.sampling import Plan, SamplingConfig
from avsa.views.spectrogram import AudioConfig, log_mels, require_long_sound
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
# Bands that never sound (above what was recorded) would be divided by nothing.
SMALLEST_STD_DB = 1.0
# What a file may hold: log-mels lie within +-200 dB, and float32 must be able to divide by it.
LARGEST_DB, SMALLEST_STORED_STD_DB = 1e6, 1e-6


@dataclass(frozen=True)
class AudioStats:
    """Mean and standard deviation (F,) in dB of the log-mels of W, Y, Z and X."""

    mean_db: Tensor
    std_db: Tensor


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """Statistics of one kind of spectrograms, as they are stored."""

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
        """The spectrogram's parameters; files of earlier versions have them by their old names."""
        return {
            (new_name(f"audio.{name}") or name).removeprefix("audio."): value
            for name, value in self.spectrogram.items()
        }


@dataclass(frozen=True, kw_only=True)
class _StatsFile:
    """The content of ``audio_stats.json``."""

    format_version: Count
    stats: tuple[_Entry, ...] = ()


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
    totals = torch.zeros(3, config.n_mels, dtype=torch.float64)
    require_long_sound(config, DataConfig().span(clips_form(clips.info)).samples)
    for sound in random_sounds(clips, samples, seed):
        levels = log_mels(sound[None], config).double().flatten(0, 2)
        ones = torch.ones_like(levels)
        totals += torch.stack([ones.sum(0), levels.sum(0), levels.square().sum(0)])
    if not totals.any():
        raise UserError(f"no clip of {dataset} can be read; see `yt360 check {dataset}`")
    count, total, squares = totals
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    return AudioStats(mean.float(), std.clamp(min=SMALLEST_STD_DB).float())


def random_sounds(clips: ShardReader, samples: int, seed: int) -> Iterator[Tensor]:
    """Yield int16 (4, S) of random moments of random clips; clips that do not read are told of."""
    plan = Plan(clips.video_ids, 1, seed, SamplingConfig(unit="clip"))
    span = DataConfig().span(clips_form(clips.info))
    sound = torch.empty((4, span.samples), dtype=torch.int16)
    with Progress("measuring sound", samples, "samples") as progress:
        for step in range(samples):
            clip = plan.batch(step)[0].clip
            generator = keyed_generator(seed, "stats", step)
            try:
                (moment,) = draw_moments(span, clips.durations_s[clip], 1, 0.0, generator)
                DECODERS.decode_audio(clips.read(clip, "flac"), moment.sample, sound.numpy())
            except BadItem as error:
                progress.note(f"clip {clips.keys[clip]} cannot be read: {error}")
                continue
            yield sound
            progress.advance()


def save_stats(
    stats: AudioStats, dataset: Path, config: AudioConfig, samples: int, seed: int
) -> Path:
    """Add statistics to the dataset's file, atomically; return the file.

    The file holds those of several kinds of spectrograms; earlier ones of the same kind go.
    """
    path = dataset / AUDIO_STATS_FILE
    entry = _Entry(
        spectrogram=_identity(config),
        samples=samples,
        seed=seed,
        mean_db=_rounded(stats.mean_db),
        std_db=_rounded(stats.std_db),
    )
    others = [each for each in _entries(path) if each.parameters != entry.parameters]
    write_json(path, asdict(_StatsFile(format_version=FORMAT_VERSION, stats=(*others, entry))))
    return path


def load_stats(dataset: Path, config: AudioConfig) -> AudioStats | None:
    """Read the statistics of a kind of spectrograms, or None where the dataset has none.

    Raises:
        UserError: The file is damaged or of another version.
    """
    wanted, defaults = _identity(config), _identity(AudioConfig())
    for entry in _entries(dataset / AUDIO_STATS_FILE):
        # A key that the file does not know yet had its default's effect.
        if defaults | entry.parameters == wanted:
            return AudioStats(torch.tensor(entry.mean_db), torch.tensor(entry.std_db))
    return None


def ensure_stats(dataset: Path, config: AudioConfig) -> AudioStats:
    """Return the dataset's statistics; measure and store them when it has none of this kind.

    Where the dataset folder cannot be written they are returned as they would be stored.

    Raises:
        UserError: The sound has another sample rate, the file is damaged, no clip can be read, or
            the dataset is a mirror.
    """
    require_sample_rate(config, clips_form(DatasetInfo.load(dataset)).sample_rate_hz)
    stats = load_stats(dataset, config)
    if stats is None and is_mirror(dataset):
        raise UserError(
            f"{dataset} mirrors a dataset without statistics for these spectrograms; run "
            "`avsa stats` with the same recipe where that dataset lies"
        )
    if stats is None:
        logger.warning("%s has no statistics for these spectrograms; measuring", dataset)
        measured = measure_stats(dataset, config, DEFAULT_SAMPLES)
        mean_db, std_db = _rounded(measured.mean_db), _rounded(measured.std_db)
        stats = AudioStats(torch.tensor(mean_db), torch.tensor(std_db))
        try:
            save_stats(stats, dataset, config, DEFAULT_SAMPLES, seed=0)
        except OSError as error:
            logger.warning("%s cannot keep them (%s); this run does", dataset, error.strerror)
    return stats


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


def _entries(path: Path) -> tuple[_Entry, ...]:
    """Return the checked entries of a file of statistics; none where there is no file."""
    again = f"remove it and run `avsa stats {path.parent}`"
    try:
        content = read_json(path, _StatsFile, inside=path.parent)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); {again}") from None
    if content.format_version != FORMAT_VERSION:
        raise UserError(
            f"{path} has format version {content.format_version}, this program reads "
            f"{FORMAT_VERSION}; {again}"
        )
    return content.stats


def _rounded(values: Tensor) -> list[float]:
    """Return numbers as they are stored."""
    return [round(value, 4) for value in values.tolist()]


def _identity(config: AudioConfig) -> dict[str, Any]:
    """Return what the statistics depend on: all but the choice of channels."""
    return {name: value for name, value in asdict(config).items() if name != "channels"}
