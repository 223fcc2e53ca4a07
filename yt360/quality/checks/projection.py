"""Check that the video is declared as 360°.

The rule is that of the conversion (`yt360.media.video.projection`), so video that passes is not
refused when clips are cut. The content is not examined: a flat film that is tagged as 360° passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from yt360.config import config_class
from yt360.errors import BadItem
from yt360.quality.checks.base import Check, Part
from yt360.quality.verdict import Verdict, judge, worst

NAME = "projection"
_SURE = 0.99


@config_class
class ProjectionConfig:
    """The projection check has no thresholds."""

    needs: ClassVar[str] = "video"
    rejects: ClassVar[bool] = True

    kind: str = NAME

    def build(self) -> ProjectionCheck:
        """Return the check; see `CheckConfig`."""
        return ProjectionCheck()


class ProjectionCheck(Check):
    """Reports the projection of each part, or why the conversion refuses it.

    The reason of the verdict is the kind of projection or the reason of the refusal: ``"vr180"``,
    ``"not-360"``, ...
    """

    def __init__(self) -> None:
        self._verdicts: list[Verdict] = []

    def begin_part(self, part: Part) -> None:
        """Process the projection of a part."""
        found = part.projection
        if isinstance(found, BadItem):
            reasons = (found.reason, found.reason)
            self._verdicts.append(judge(NAME, _SURE, reasons, found.detail))
        elif found is not None:
            detail = "; ".join(found.evidence)
            self._verdicts.append(judge(NAME, 1 - _SURE, (found.kind, found.kind), detail))

    def verdict(self, earlier: Mapping[str, Verdict]) -> Verdict | None:  # noqa: ARG002
        """Return the verdict on the worst part; see `Check.verdict`."""
        return worst(self._verdicts)
