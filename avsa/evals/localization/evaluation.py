"""Localization of sound sources by a trained model, with controls (Fig. 7).

Several published localizers give the same answer when the audio is silenced or swapped (Juanola
et al., arXiv 2410.01020). As controls, the metrics are also measured with silent audio, with the
audio of another video and with the sound field turned about the vertical, and for the front and the
peak of the audio energy.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from avsa.data.clips import open_clips
from avsa.evals.base import NEEDS_EMBEDDINGS, Context, EvaluationConfig, Offer, Variant
from avsa.evals.localization.localizer import Localizer
from avsa.evals.localization.scores import Located, measure
from avsa.evals.localization.testing import BAND_HZ, LocalizationTest
from avsa.evals.result import Result, Row
from avsa.evals.subject import Evaluated
from avsa.evals.unreadable import left_out_notes, unreadable_split
from avsa.training.distributed import on_first_rank
from yt360.config import config_class, conflict
from yt360.errors import UserError
from yt360.scenes.clip_audio import require_scenes_of
from yt360.scenes.collection import SceneCollection
from yt360.scenes.directions import (
    Directions,
    LabelledDirections,
    ListedDirections,
    SceneDirections,
)
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.directions import may_have_directions

SPLIT = "test"


@config_class
class LocalizationConfig(EvaluationConfig):
    """Localization of sound sources by Grad-CAM, with controls."""

    addresses: ClassVar[frozenset[str]] = frozenset({"scenes", "directions"})
    kind: Literal["localization"] = "localization"
    """Name of the evaluation."""
    scenes: Path | None = None
    """Folder of the synthetic scenes from which the dataset was built; their ground truth gives the
    true directions."""
    directions: Path | None = None
    """CSV file of true directions: a row for each source, with the columns key, azimuth_deg,
    elevation_deg. Without scenes and directions, those are used that are stored with the clips."""
    clips: Annotated[int, Field(ge=1, le=10**7)] | None = None
    """Number of clips, spread evenly over those with known directions; null: all of them, or those
    that are drawn if no directions are known."""
    pictures: Annotated[int, Field(ge=0, le=1000)] = 4
    """Number of clips in pictures."""
    within_deg: Annotated[float, Field(gt=0, le=180)] = 20.0
    """Largest angle between peak and source of a hit."""
    hfov_deg: Annotated[float, Field(ge=1, le=170)] | None = None
    """Field of view of the views in degrees; null: 80, or the nearest of training."""
    energy_band_hz: tuple[float, float] = BAND_HZ
    """Lowest and highest frequency of the audio energy in Hz."""

    def __post_init__(self) -> None:
        if self.scenes is not None and self.directions is not None:
            raise conflict("scenes and directions are both given; give one of them")
        if not 0 <= self.energy_band_hz[0] < self.energy_band_hz[1]:
            raise conflict(
                f"energy_band_hz is {list(self.energy_band_hz)}; the first frequency must be at "
                "least 0 and below the second"
            )

    @classmethod
    def variants(cls, offer: Offer) -> list[Variant]:
        """Return the evaluation with the ground truth of scenes if it is there."""
        (found,) = super().variants(offer)
        options = {} if offer.scenes is None else {"scenes": offer.scenes}
        return [Variant(options, found.lacks or ("" if offer.compares else NEEDS_EMBEDDINGS))]

    def true_directions(self, dataset: Path | None) -> Directions | None:
        """Open the scenes, the table, or the labels of the dataset; None if there are none of them.

        Raises:
            UserError: They cannot be read.
        """
        if self.scenes is not None:
            return SceneDirections(self.scenes)
        if self.directions is not None:
            return ListedDirections(self.directions)
        if dataset is None or not may_have_directions(DatasetInfo.load(dataset)):
            return None
        with closing(open_clips(dataset, SPLIT)) as clips:
            return LabelledDirections(clips)

    def describe_data(self, subject: Evaluated, dataset: Path | None) -> dict[str, str]:
        """Add the fingerprint of the true directions, and check the scenes."""
        if dataset is not None and self.scenes is not None:
            with closing(open_clips(dataset, SPLIT)) as clips:
                require_scenes_of(clips, SceneCollection(self.scenes))
        truth = self.true_directions(dataset)
        known = {} if truth is None else {"directions": truth.fingerprint}
        return {**super().describe_data(subject, dataset), **known}

    def evaluate(self, context: Context) -> Result:
        """Compute the maps, measure the angles from peaks to sources, and draw some clips."""
        model, stage = context.subject.require_model(), context.subject.stage
        views = model.config.stage_views(stage) if stage else model.config.views
        self._require_band(model.config.audio.sample_rate_hz)
        statistics = context.statistics(model.config.audio)
        localizer = Localizer(model, statistics, views.num_views, self.hfov_deg)
        truth = self.true_directions(context.dataset_of(SPLIT))
        with context.clips(SPLIT) as clips:
            test = LocalizationTest(
                context,
                clips,
                localizer,
                truth,
                seed=self.seed,
                limit=self.clips,
                pictures=self.pictures,
                band_hz=self.energy_band_hz,
            )
            found = test.locate_all()
        if not found:
            raise unreadable_split(clips)
        chosen = len(test.chosen)
        left_out = left_out_notes(chosen - len(found), chosen, SPLIT)
        pictures = on_first_rank(context.world, lambda: test.draw(found))
        if truth is None:
            note = "There are no numbers without true directions; give --scenes or --directions."
            return Result(metrics={}, pictures=pictures, notes=(note, *left_out))
        quiet = sum(not each.sources for each in found)
        found = [each for each in found if each.sources]
        if not found:
            raise UserError(
                f"no source is labelled at the times of the {quiet} clips; raise --clips, or give "
                "other --directions",
                "empty",
                "--clips",
            )
        if quiet:
            left_out = (*left_out, f"{quiet} clips have no labelled source at their time.")
        metrics, tables = measure(found, self.within_deg, self.seed)
        return Result(
            metrics=metrics,
            tables={"clips": tuple(_row(each) for each in found), **tables},
            pictures=pictures,
            notes=(
                f"{len(found)} clips. hits: the peak is within {self.within_deg:g}° of a source; "
                "error: angle from the peak to the nearest source; chance: a random direction.",
                *left_out,
            ),
        )

    def _require_band(self, sample_rate_hz: int) -> None:
        if self.energy_band_hz[0] >= sample_rate_hz / 2:
            raise UserError(
                f"energy_band_hz is {list(self.energy_band_hz)}, and audio of {sample_rate_hz} Hz "
                f"has frequencies below {sample_rate_hz // 2} Hz; give lower ones",
                "out-of-range",
                "energy_band_hz",
            )


def _row(located: Located) -> Row:
    """Return the errors of a clip."""
    errors = located.errors_deg()
    return {"key": located.key, **{f"{name}_deg": error for name, error in errors.items()}}
