"""Check that the video is 360°, and in the projection in which it would be converted.

The rule of the conversion is applied first (`yt360.media.video.projection`), so the conversion does
not refuse video that passes. Then the pixels of frames throughout the video are compared with that
projection (`yt360.media.video.pixel_layout`): a projection that is guessed from the aspect ratio
needs less evidence against it than one from the metadata, and a projection that the user states
needs none. Frames without evidence, such as dark ones, do not change the probability.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from yt360.config import config_class
from yt360.errors import BadItem
from yt360.media.names import PROJECTIONS
from yt360.media.video.frame_sample import FrameSample, can_look_at
from yt360.media.video.frame_triplets import FrameTriplet
from yt360.media.video.pixel_layout import (
    MAX_FRAMES,
    LayoutThresholds,
    measure_layout,
    recognize,
)
from yt360.media.video.projection import LEFT_EYE, ResolvedProjection
from yt360.quality.checks.base import Check, Part
from yt360.quality.verdict import Verdict, judge, worst

NAME = "projection"
_SURE = 0.99


@config_class
class ProjectionConfig(LayoutThresholds):
    """Thresholds of the projection check."""

    needs: ClassVar[str] = "video"
    rejects: ClassVar[bool] = True

    kind: str = NAME

    def build(self) -> ProjectionCheck:
        """Return the check; see `CheckConfig`."""
        return ProjectionCheck(self)

    def judge(
        self,
        numbers: Mapping[str, float],
        earlier: Mapping[str, Verdict],  # noqa: ARG002
    ) -> Verdict:
        """Return the verdict on the resolved projection; see `CheckConfig`."""
        kind = next(it for it in PROJECTIONS if numbers.get(f"is_{it}"))
        eyes = next(it for it in LEFT_EYE if numbers.get(f"is_{it}"))
        shown = kind if eyes == "mono" else f"{kind}, {eyes}"
        if numbers["is_stated"]:
            return judge(NAME, 1 - _SURE, (kind, kind), f"stated: {shown}")
        is_tagged = bool(numbers["is_tagged"])
        wrong = self.wrong_tag if is_tagged else self.wrong_guess
        detail = f"{'tagged as' if is_tagged else 'taken for'} {shown}"
        if not numbers["frames"]:
            return judge(NAME, wrong, (kind, kind), f"{detail}; there are no frames to look at")
        seen = recognize(numbers, self)
        wrong = seen.wrongness(kind, eyes, wrong)
        return judge(NAME, wrong, (kind, seen.refusal().reason), f"{detail}; {seen.describe()}")


class ProjectionCheck(Check):
    """Samples frames of all parts, which have the same projection.

    The reason of the verdict is the kind of projection or the reason of the refusal: ``"vr180"``,
    ``"not-360"``, ``"flat-film"``, ...
    """

    config: ProjectionConfig

    def __init__(self, config: ProjectionConfig) -> None:
        self.config = config
        self._refusals: list[BadItem] = []
        self._resolved: ResolvedProjection | None = None
        self._sample = FrameSample(MAX_FRAMES)
        self._looks = True

    def begin_part(self, part: Part) -> None:
        """Process the projection of a part."""
        self._looks = part.video is None or can_look_at(part.video)
        if isinstance(part.projection, BadItem):
            self._refusals.append(part.projection)
        elif part.projection is not None:
            self._resolved = part.projection

    def add_frames(self, frames: FrameTriplet) -> None:
        """Sample the middle frame of a triplet."""
        if self._looks:
            self._sample.add(frames.frames[1])

    def refusal(self) -> Verdict | None:
        """Return the refusal of the conversion; see `Check.refusal`."""
        return worst(
            [judge(NAME, _SURE, (it.reason, it.reason), it.detail) for it in self._refusals]
        )

    def measure(self) -> dict[str, float] | None:
        """Return the resolved projection and the measurements of pixels; see `Check.measure`."""
        if self._resolved is None:
            return None
        return {
            f"is_{self._resolved.kind}": 1.0,
            f"is_{self._resolved.stereo_mode}": 1.0,
            "is_stated": float(self._resolved.source == "stated"),
            "is_tagged": float(self._resolved.source == "tagged"),
            **measure_layout(self._sample.frames),
        }
