"""Quality checks, one per module. A check reads a recording and returns a verdict with numbers.

To add one, write a module with a config dataclass and a check (`base.Check`)::

    @CHECKS.register
    @dataclass(frozen=True, kw_only=True)
    class MyConfig:
        '''What the check finds, in one line.'''
        kind: str = "my-check"
        least_luma: float = 40.0                    # --set my-check.least_luma=50
        needs = "video"                             # no verdict on recordings without video
        rejects = True                              # "not ok" rejects a recording
        def build(self): return MyCheck(self)
        def judge(self, numbers, earlier): ...      # the verdict on what MyCheck.measure returns

and name the module with ``--plugin``. Built-in ones have a line in the table below instead of the
decorator. `docs/extending.md` has a complete example.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yt360.registry import Entry, Registry

if TYPE_CHECKING:
    from yt360.quality.checks.base import CheckConfig

_HERE = "yt360.quality.checks"

CHECKS: Registry[CheckConfig] = Registry(
    "quality check",
    "yt360.quality_checks",
    Entry(
        "spatial-audio",
        f"{_HERE}.spatial_audio:SpatialAudioConfig",
        "Finds audio that is not first-order ambisonics.",
    ),
    Entry(
        "field-gain",
        f"{_HERE}.field_gain:FieldGainConfig",
        "Measures the gain of W, which build-shards corrects.",
        "audio",
    ),
    Entry("silence", f"{_HERE}.silence:SilenceConfig", "Finds silent recordings.", "audio"),
    Entry(
        "post-production",
        f"{_HERE}.post_production:PostProductionConfig",
        "Finds voice-over and music that was mixed into the recording.",
        "audio",
    ),
    Entry(
        "clipping",
        f"{_HERE}.clipping:ClippingConfig",
        "Finds audio that is cut off at full scale.",
        "audio",
    ),
    Entry(
        "projection",
        f"{_HERE}.projection:ProjectionConfig",
        "Finds video that is not 360°, by its metadata and its pixels.",
        "video",
    ),
    Entry(
        "still-image",
        f"{_HERE}.still_image:StillImageConfig",
        "Finds photos that were made into a video.",
        "video",
    ),
    Entry(
        "picture",
        f"{_HERE}.picture:PictureConfig",
        "Finds black, blank and frozen video.",
        "video",
    ),
    Entry(
        "duration",
        f"{_HERE}.duration:DurationConfig",
        "Finds audio and video that do not cover the same time.",
        "video",
    ),
    Entry(
        "av-agreement",
        f"{_HERE}.av_agreement:AvAgreementConfig",
        "Finds exchanged and inverted channels, by comparing audio with motion in the video.",
        "audio and video",
    ),
)
"""All quality checks by name, in the order of their verdicts."""
