"""The peaks of the maps of clips, for the sound field of each clip and for the controls."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from avsa.data.loader import DataConfig, Loader
from avsa.data.order import Draw
from avsa.data.raw import RawBatch
from avsa.evals.localization.localizer import Localizer, SoundField, audio_energy
from avsa.evals.localization.panorama import peak
from avsa.evals.localization.scores import Vector
from avsa.evals.localization.sheet import Pictured
from avsa.evals.workers.inputs import WorkerInputs
from avsa.preview.panorama_plot import panorama_rgb
from avsa.views.audio_statistics import AudioStatistics
from yt360.randomness import keyed_generator
from yt360.shards.format.reader import ShardReader

TURN_DEG = (60.0, 300.0)
"""Range of the angles by which the control ``turned`` turns the sound field."""


@dataclass(frozen=True, kw_only=True)
class PeakOptions:
    """How maps and controls are computed.

    Attributes:
        seed: Seed of the windows of clips and of the controls.
        band_hz: Lowest and highest frequency of the audio energy.
        with_controls: Whether maps of the controls are computed.
        drawn: Clips to draw, by number.
    """

    seed: int
    band_hz: tuple[float, float]
    with_controls: bool
    drawn: Collection[int]


@dataclass(frozen=True, kw_only=True)
class ClipPeaks:
    """What the maps of a clip say.

    Attributes:
        clip: Number of the clip in its split.
        key: Its key.
        middle_s: Time in the clip, in seconds, of the middle of the video that was seen.
        peaks: Unit vector of the peak of each map by name; None if it has no peak.
        pictured: The frame and maps of a clip that is drawn, else None.
    """

    clip: int
    key: str
    middle_s: float
    peaks: Mapping[str, Vector | None]
    pictured: Pictured | None


class PeakFinder:
    """Finds the peaks of clips of a split.

    Args:
        clips: The split.
        localizer: Computes the maps.
        options: Options.
        chosen: Numbers of the clips.
        data: How clips are loaded.
    """

    def __init__(
        self,
        clips: ShardReader,
        localizer: Localizer,
        options: PeakOptions,
        chosen: Sequence[int],
        data: DataConfig,
    ) -> None:
        self.clips, self.localizer, self.options = clips, localizer, options
        order = PairOrder(chosen, clips, options.seed)
        data = replace(data, windows_per_clip=1, video_position="middle")
        self._loader = Loader(clips, order, data, options.seed)

    def find(self, first: int, last: int) -> Iterator[ClipPeaks]:
        """Yield the peaks of the chosen clips from `first` to before `last` that can be read."""
        for raw in _batches(self._loader, first, last):
            if raw.positions[0] < len(self.clips):  # else only its companion can be read
                yield self._peaks(raw)

    def _peaks(self, raw: RawBatch) -> ClipPeaks:
        """Return the peaks in a clip, which is followed by one whose audio replaces its own."""
        clip, options = raw.positions[0], self.options
        shape, audio = self._loader.window_shape, raw.audio[0]
        fields = {"model": SoundField(audio)}
        if options.with_controls:
            yaw_deg = keyed_generator(options.seed, "turned", clip).uniform(*TURN_DEG)
            fields["turned"] = SoundField(audio, math.radians(yaw_deg))
            fields["silent"] = SoundField(torch.zeros_like(audio))
            if len(raw.keys) > 1:
                fields["swapped"] = SoundField(raw.audio[1])
        maps = self.localizer.evidence(raw.luma[0], raw.chroma[0], fields)
        maps["energy"] = audio_energy(audio, shape.sample_rate_hz, options.band_hz)
        pictured = None
        if clip in options.drawn:
            middle = raw.luma.shape[1] // 2
            pictured = Pictured(
                panorama_rgb(raw.luma[0, middle].numpy(), raw.chroma[0, :, middle].numpy()),
                maps["model"].float().numpy(),
                maps["energy"].float().numpy(),
            )
        peaks = {name: peak(each) for name, each in maps.items()}
        return ClipPeaks(
            clip=clip,
            key=raw.keys[0],
            middle_s=raw.video_start_s[0] + len(raw.luma[0]) / shape.fps / 2,
            peaks={k: None if v is None else vector(v.tolist()) for k, v in peaks.items()},
            pictured=pictured,
        )


@dataclass(frozen=True, kw_only=True)
class PeakTask:
    """Clips whose peaks a worker finds.

    Attributes:
        inputs: The model and the split.
        statistics: See `Localizer`, as for the following.
        num_views: Views that translation networks see together.
        hfov_deg: Field of view.
        options: Options.
        chosen: Numbers of the clips.
        start: Place of the first one in the list of all clips.
    """

    inputs: WorkerInputs
    statistics: AudioStatistics
    num_views: int
    hfov_deg: float
    options: PeakOptions
    chosen: Sequence[int]
    start: int


def find_peaks(task: PeakTask) -> list[ClipPeaks]:
    """Return the peaks of the clips of a task that can be read, in a worker."""
    with task.inputs.opened() as (model, clips):
        localizer = Localizer(model, task.statistics, task.num_views, task.hfov_deg)
        data = task.inputs.loading(model.config.data)
        finder = PeakFinder(clips, localizer, task.options, task.chosen, data)
        return list(finder.find(0, len(task.chosen)))


class PairOrder:
    """Clips one at a time, each with a clip of another video.

    The position of a clip, which is the key of its window, is its number; that of its companion is
    larger by the number of clips. If a companion cannot be read, another one replaces it.
    """

    batch_size = 2
    full_batches = False

    def __init__(self, chosen: Sequence[int], clips: ShardReader, seed: int) -> None:
        self.chosen, self.seed = chosen, seed
        self.video_ids = np.asarray(clips.video_ids)

    def batch(self, step: int) -> list[Draw]:
        """Return a clip and its companion, if there is one; nothing past the end."""
        if step >= len(self.chosen):
            return []
        clip = self.chosen[step]
        companions = self._companions(clip)[:1]
        return [Draw(clip, 0, clip), *(Draw(len(self.video_ids) + clip, 0, c) for c in companions)]

    def replacements(self, draw: Draw) -> Iterator[int]:
        """Yield further companions; the clip itself is not replaced."""
        number = len(self.video_ids)
        return iter(self._companions(draw.position - number)[1:] if draw.position >= number else [])

    def _companions(self, clip: int) -> list[int]:
        others = np.flatnonzero(self.video_ids != self.video_ids[clip])
        generator = keyed_generator(self.seed, "swapped", clip)
        return [int(each) for each in generator.permutation(others)]


def _batches(loader: Loader, first: int, last: int) -> Iterator[RawBatch]:
    """Yield the batches of steps from `first` to before `last`."""
    with closing(loader.batches(first)) as batches:  # type: ignore[type-var]
        for raw in batches:
            if raw.step >= last:
                return
            yield raw
            if raw.step == last - 1:
                return


def vector(values: Any) -> Vector:
    """Return three numbers as a vector."""
    x, y, z = values
    return x, y, z
