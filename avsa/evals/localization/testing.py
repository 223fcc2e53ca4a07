"""The test of localization: from clips and true directions to peaks and pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avsa.data.loader import Loader
from avsa.data.order import Draw
from avsa.data.raw import RawBatch
from avsa.evals.base import Context
from avsa.evals.localization.localizer import Localizer, SoundField, audio_energy
from avsa.evals.localization.panorama import peak
from avsa.evals.localization.scores import Located, Vector
from avsa.evals.localization.sheet import CLIPS_PER_SHEET, Pictured, draw_sheet
from avsa.training.distributed import on_first_rank
from avsa.views.panorama_plot import panorama_rgb
from yt360.clips import spread
from yt360.errors import UserError
from yt360.files import write_json
from yt360.randomness import keyed_generator
from yt360.scenes.directions import Directions
from yt360.shards.format.reader import ShardReader
from yt360.terminal.progress import Progress
from yt360.untrusted.parsing import read_json

PART = 8
BAND_HZ = (500.0, 4000.0)
"""The band in which first-order microphones resolve directions best: wind noise is below it, and
spatial aliasing above it."""
TURN_DEG = (60.0, 300.0)
"""Range of the angles by which the control ``turned`` turns the sound field."""


class LocalizationTest:
    """Finds the peaks of the maps of clips of a split, and draws some clips.

    Args:
        context: Has the folders of the state and of pictures.
        clips: The split.
        localizer: Computes the maps.
        truth: True directions; None if they are not known.
        seed: Seed of the windows of clips and of the controls.
        limit: Number of clips, spread evenly over those with known directions; None for all of
            them, or for `pictures` if no directions are known.
        pictures: Number of clips that are drawn.
        band_hz: Lowest and highest frequency of the audio energy.
        part: Clips after which the state is saved.

    Raises:
        UserError: ``"conflict"``: No clip of the split has known directions.
    """

    def __init__(
        self,
        context: Context,
        clips: ShardReader,
        localizer: Localizer,
        truth: Directions | None,
        *,
        seed: int = 0,
        limit: int | None = None,
        pictures: int = 4,
        band_hz: tuple[float, float] = BAND_HZ,
        part: int = PART,
    ) -> None:
        self.context, self.clips, self.localizer, self.truth = context, clips, localizer, truth
        self.seed, self.band_hz, self.part = seed, band_hz, part
        self.chosen = self._choose(limit, pictures)
        self.drawn = set(spread(self.chosen, pictures))

    def _choose(self, limit: int | None, pictures: int) -> list[int]:
        """Return the clips that are evaluated."""
        if self.truth is None:
            return spread(range(len(self.clips)), limit or max(pictures, 1))
        known = [clip for clip, key in enumerate(self.clips.keys) if key in self.truth]
        if not known:
            raise UserError(
                f"{self.truth.path} has no directions for any clip of the split "
                f"{self.clips.split} of {self.clips.dataset}; give those that belong to the "
                "dataset",
                "conflict",
                self.truth.path,
            )
        return spread(known, limit or len(known))

    def locate_all(self) -> list[Located]:
        """Return the peaks of all clips that can be read; a collective call."""
        world, config = self.context.world, self.localizer.model.config
        starts = range(0, len(self.chosen), self.part)
        missing = on_first_rank(world, lambda: [s for s in starts if not self._file(s).exists()])
        mine = missing[world.rank :: world.size]
        order = PairOrder(self.chosen, self.clips, self.seed)
        data = replace(config.data, windows_per_clip=1, video_position="middle")
        loader = Loader(self.clips, order, data, self.seed)
        count = sum(len(self.chosen[start : start + self.part]) for start in mine)
        with Progress("localizing", count, "clips") as progress:
            for start in mine:
                rows: list[dict[str, Any]] = []
                for raw in _batches(loader, start, min(start + self.part, len(self.chosen))):
                    rows += [asdict(each) for each in self._locate(raw, loader)]
                    progress.advance()
                write_json(self._file(start), rows)
        on_first_rank(world, lambda: None)  # wait for the parts of all ranks
        parts = [read_json(self._file(start), list[Located]) for start in starts]
        return [each for part in parts for each in part]

    def _locate(self, raw: RawBatch, loader: Loader) -> Iterator[Located]:
        """Yield the peaks in a clip, which is followed by one whose audio replaces its own."""
        clip = raw.positions[0]
        if clip >= len(self.clips):
            return  # the clip itself cannot be read
        key, audio = raw.keys[0], raw.audio[0]
        fields = {"model": SoundField(audio)}
        if self.truth is not None:
            yaw_deg = keyed_generator(self.seed, "turned", clip).uniform(*TURN_DEG)
            fields["turned"] = SoundField(audio, math.radians(yaw_deg))
            fields["silent"] = SoundField(torch.zeros_like(audio))
            if len(raw.keys) > 1:
                fields["swapped"] = SoundField(raw.audio[1])
        maps = self.localizer.evidence(raw.luma[0], raw.chroma[0], fields)
        rate_hz = loader.window_shape.sample_rate_hz
        maps["energy"] = audio_energy(audio, rate_hz, self.band_hz)
        if clip in self.drawn:
            middle = raw.luma.shape[1] // 2
            Pictured(
                panorama_rgb(raw.luma[0, middle].numpy(), raw.chroma[0, :, middle].numpy()),
                maps["model"].float().numpy(),
                maps["energy"].float().numpy(),
            ).save(self._picture(clip))
        middle_s = raw.video_start_s[0] + len(raw.luma[0]) / loader.window_shape.fps / 2
        sources = [] if self.truth is None else self.truth.of(key, middle_s).tolist()
        peaks = {name: peak(each) for name, each in maps.items()}
        yield Located(
            key=key,
            video_id=self.clips.video_ids[clip],
            sources=tuple(map(_vector, sources)),
            peaks={k: None if v is None else _vector(v.tolist()) for k, v in peaks.items()},
        )

    def draw(self, found: list[Located]) -> dict[str, str]:
        """Write the sheets; return their captions by file name."""
        place = {self.clips.keys[clip]: self._picture(clip) for clip in self.drawn}
        shown = [(each, Pictured.load(place[each.key])) for each in found if each.key in place]
        captions = {}
        for first in range(0, len(shown), CLIPS_PER_SHEET):
            name = f"{self.context.name}.sheet{first // CLIPS_PER_SHEET + 1}.png"
            draw_sheet(shown[first : first + CLIPS_PER_SHEET], self.context.pictures / name)
            captions[name] = (
                "Left: Grad-CAM of the matching score. Right: audio energy. Circles: true "
                "directions, where they are known; crosses: peaks"
            )
        return captions

    def _file(self, start: int) -> Path:
        return self.context.work / f"part-{start // self.part:05d}.json"

    def _picture(self, clip: int) -> Path:
        return self.context.work / f"clip-{clip:07d}.npz"


class PairOrder:
    """Clips one at a time, each with a clip of another video.

    The position of a clip, which is the key of its window, is its number; that of its companion is
    larger by the number of clips. If a companion cannot be read, another one replaces it.
    """

    batch_size = 2
    full_batches = False

    def __init__(self, chosen: list[int], clips: ShardReader, seed: int) -> None:
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


def _vector(values: Any) -> Vector:
    x, y, z = values
    return x, y, z
