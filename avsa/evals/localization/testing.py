"""The test of localization: from clips and true directions to peaks and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from avsa.evals.base import Context
from avsa.evals.localization.localizer import Localizer
from avsa.evals.localization.peaks import (
    ClipPeaks,
    PeakFinder,
    PeakOptions,
    PeakTask,
    find_peaks,
    vector,
)
from avsa.evals.localization.scores import Located
from avsa.evals.localization.sheet import CLIPS_PER_SHEET, Pictured, draw_sheet
from avsa.training.distributed import on_first_rank
from yt360.clips import spread
from yt360.errors import UserError
from yt360.files import write_json
from yt360.scenes.directions import Directions
from yt360.shards.format.reader import ShardReader
from yt360.terminal.progress import Progress
from yt360.untrusted.parsing import read_json

PART = 8
BAND_HZ = (500.0, 4000.0)
"""The band in which first-order microphones resolve directions best: wind noise is below it, and
spatial aliasing above it."""


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
        world = self.context.world
        starts = range(0, len(self.chosen), self.part)
        missing = on_first_rank(world, lambda: [s for s in starts if not self._file(s).exists()])
        mine = missing[world.rank :: world.size]
        count = sum(len(self._part(start)) for start in mine)
        with Progress("localizing", count, "clips") as progress:
            compute = self._compute if self.context.workers is None else self._compute_elsewhere
            for start, found in compute(mine, progress):
                for each in found:
                    if each.pictured is not None:
                        each.pictured.save(self._picture(each.clip))
                write_json(self._file(start), [asdict(self._located(each)) for each in found])
        on_first_rank(world, lambda: None)  # wait for the parts of all ranks
        parts = [read_json(self._file(start), list[Located]) for start in starts]
        return [each for part in parts for each in part]

    def _compute(
        self, starts: Sequence[int], progress: Progress
    ) -> Iterator[tuple[int, list[ClipPeaks]]]:
        """Yield the starts of parts with their peaks, found by this process."""
        data = self.localizer.model.config.data
        finder = PeakFinder(self.clips, self.localizer, self._options, self.chosen, data)
        for start in starts:
            found = []
            for each in finder.find(start, start + len(self._part(start))):
                found.append(each)
                progress.advance()
            yield start, found

    def _compute_elsewhere(
        self, starts: Sequence[int], progress: Progress
    ) -> Iterator[tuple[int, list[ClipPeaks]]]:
        """Yield the starts of parts with their peaks, found by workers."""
        workers, localizer = self.context.workers, self.localizer
        assert workers is not None
        inputs = workers.inputs(self.context.subject, self.clips)
        tasks = [
            PeakTask(
                inputs=inputs,
                statistics=localizer.statistics,
                num_views=localizer.num_views,
                hfov_deg=localizer.view_set.hfov_deg,
                options=self._options,
                chosen=self._part(start),
                start=start,
            )
            for start in starts
        ]
        for task, found in workers.run(find_peaks, tasks):
            progress.advance(len(task.chosen))
            yield task.start, found

    @property
    def _options(self) -> PeakOptions:
        return PeakOptions(
            seed=self.seed,
            band_hz=self.band_hz,
            with_controls=self.truth is not None,
            drawn=self.drawn,
        )

    def _located(self, found: ClipPeaks) -> Located:
        """Return the peaks of a clip with its sources."""
        sources = [] if self.truth is None else self.truth.of(found.key, found.middle_s).tolist()
        return Located(
            key=found.key,
            video_id=self.clips.video_ids[found.clip],
            sources=tuple(map(vector, sources)),
            peaks=found.peaks,
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

    def _part(self, start: int) -> list[int]:
        """Return the clips of the part that begins at a place in the list."""
        return self.chosen[start : start + self.part]

    def _file(self, start: int) -> Path:
        return self.context.work / f"part-{start // self.part:05d}.json"

    def _picture(self, clip: int) -> Path:
        return self.context.work / f"clip-{clip:07d}.npz"
