"""Is the picture a 360° one, as far as can be told from the file?

The question is the conversion's own (`yt360.media.projection`), so that what passes here is not
refused when clips are cut. The content is not looked at: a flat film that is tagged as 360° passes.
"""

from __future__ import annotations

from yt360.errors import BadItem
from yt360.media.info import VideoStream
from yt360.media.projection import Kind, plan_picture
from yt360.quality.verdict import Verdict, judge

NAME = "projection"
_SURE = 0.99


def projection_verdict(
    stream: VideoStream, *, spatial_sound: bool, projection: str = "auto"
) -> tuple[Kind, Verdict]:
    """Return how the directions of a picture are to be understood, and the verdict on that.

    Args:
        stream: The picture.
        spatial_sound: Whether ambisonic sound comes with it.
        projection: A key of `yt360.media.projection.PROJECTIONS`, when it is known better than
            from the file.

    Returns:
        The kind of projection (``"equirectangular"`` where it is none that can be converted), and
        the verdict, whose reason is that kind, or why the conversion refuses the picture:
        ``"vr180"``, ``"not-360"``, ...

    Raises:
        UserError: An unknown projection.
    """
    try:
        plan = plan_picture(stream, spatial_sound=spatial_sound, projection=projection)
    except BadItem as error:
        reasons = (error.reason, error.reason)
        return "equirectangular", judge(NAME, _SURE, reasons, error.detail)
    detail = "; ".join(plan.evidence)
    return plan.kind, judge(NAME, 1 - _SURE, (plan.kind, plan.kind), detail)
