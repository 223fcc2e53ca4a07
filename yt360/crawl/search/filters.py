"""Filters of videos by the facts that their pages declare."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from yt360.clips import DEFAULT_CLIP_S
from yt360.config import config_class, conflict, from_mapping
from yt360.crawl.failures import Unsuitable

License = Literal["any", "creativecommon"]
_VR180 = re.compile(r"\bvr[\s_-]?180\b|\b180[\s_-]?(vr|3d)\b|\b180°", re.IGNORECASE)


def _check_date(text: str) -> str:
    try:
        is_date = datetime.strptime(text, "%Y%m%d").strftime("%Y%m%d") == text
    except ValueError:
        is_date = False
    if not is_date:
        raise conflict(f"{text!r:.60} is not a date as YYYYMMDD")
    return text


Date = Annotated[str, AfterValidator(_check_date)]


@config_class
class Filters:
    """Limits on a page's facts; a fact that the page does not declare passes."""

    license: License = "any"
    """``"creativecommon"`` keeps only videos under CC BY."""
    min_duration_s: Annotated[float, Field(ge=0)] = float(DEFAULT_CLIP_S)
    """Shorter videos are excluded."""
    max_duration_s: Annotated[float, Field(ge=0)] | None = None
    """Longer videos are excluded; None for no limit."""
    uploaded_after: Date | None = None
    """``YYYYMMDD``, inclusive."""
    uploaded_before: Date | None = None
    """``YYYYMMDD``, inclusive."""
    exclude_vr180: bool = True
    """Exclude videos with VR180 (half of the sphere) in their title."""

    def __post_init__(self) -> None:
        if (self.uploaded_after or "") > (self.uploaded_before or "99999999"):
            raise conflict(
                f"uploaded_after {self.uploaded_after} is later than uploaded_before "
                f"{self.uploaded_before}"
            )
        if self.max_duration_s is not None and self.max_duration_s < self.min_duration_s:
            raise conflict(
                f"max_duration_s {self.max_duration_s} is below min_duration_s "
                f"{self.min_duration_s}"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Filters:
        """Return filters from a stored mapping; unknown names of other versions are ignored."""
        known = {field.name for field in fields(cls)}
        return from_mapping(cls, {key: value for key, value in values.items() if key in known})

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    def check_page(self, info: Mapping[str, Any], is_whole: bool | None = None) -> None:
        """Raise `Unsuitable` when a fact of a page is outside of the limits.

        Args:
            info: From `yt360.untrusted.page.read_page`.
            is_whole: False for the facts of a search result, which has no licence; by default,
                whether it lists ``formats``.
        """
        is_whole = "formats" in info if is_whole is None else is_whole
        duration = info.get("duration")
        if duration is not None and duration < self.min_duration_s:
            raise Unsuitable("too-short", f"{duration:.0f} s, minimum {self.min_duration_s:.0f} s")
        if duration is not None and self.max_duration_s and duration > self.max_duration_s:
            raise Unsuitable("too-long", f"{duration:.0f} s, maximum {self.max_duration_s:.0f} s")
        self._check_date(info.get("upload_date"))
        if self.exclude_vr180 and _VR180.search(info.get("title") or ""):
            raise Unsuitable("vr180", f"the title says VR180: {info.get('title')!r}")
        if self.license == "creativecommon" and is_whole:
            licence = info.get("license") or "none declared"
            if not is_creative_commons(licence):
                raise Unsuitable("license", f"the licence is {licence!r}, not Creative Commons")

    def _check_date(self, date: str | None) -> None:
        if date is None:
            return
        if self.uploaded_after and date < self.uploaded_after:
            raise Unsuitable("too-old", f"uploaded {date}, before {self.uploaded_after}")
        if self.uploaded_before and date > self.uploaded_before:
            raise Unsuitable("too-new", f"uploaded {date}, after {self.uploaded_before}")


def is_creative_commons(licence: str) -> bool:
    """Return whether a page's licence is Creative Commons, in any language."""
    return "creative commons" in licence.lower() or licence.lower().startswith("cc")
