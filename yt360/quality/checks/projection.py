"""Is the picture a 360° one, as far as can be told from the file?

The rule is that of the conversion (`yt360.media.video.projection`): what passes here is not refused
when clips are cut. The content is not looked at: a flat film that is tagged as 360° passes.
"""

from __future__ import annotations

from yt360.errors import BadItem
from yt360.media.info import VideoStream
from yt360.media.video.projection import Kind, resolve_projection
from yt360.quality.verdict import Verdict, judge

NAME = "projection"
_SURE = 0.99


def projection_verdict(
    stream: VideoStream, *, spatial_audio: bool, projection: str = "auto"
) -> tuple[Kind, Verdict]:
    """Return how the directions of a picture are to be understood, and the verdict on that.

    Args:
        stream: The picture.
        spatial_audio: Whether ambisonic sound comes with it.
        projection: A key of `PROJECTIONS`; any but ``"auto"`` overrides the file.

    Returns:
        The kind of projection (``"equirectangular"`` where it is none that can be converted), and
        the verdict, whose reason is that kind, or why the conversion refuses the picture:
        ``"vr180"``, ``"not-360"``, ...

    Raises:
        UserError: An unknown projection.
    """
    try:
        plan = resolve_projection(stream, spatial_audio=spatial_audio, projection=projection)
    except BadItem as error:
        reasons = (error.reason, error.reason)
        return "equirectangular", judge(NAME, _SURE, reasons, error.detail)
    detail = "; ".join(plan.evidence)
    return plan.kind, judge(NAME, 1 - _SURE, (plan.kind, plan.kind), detail)
