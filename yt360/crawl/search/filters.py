"""Filters of videos by the facts that their pages declare."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Literal

from yt360.crawl.failures import Unsuitable
from yt360.crawl.validation import check_number
from yt360.errors import UserError

License = Literal["any", "creativecommon"]
_VR180 = re.compile(r"\bvr[\s_-]?180\b|\b180[\s_-]?(vr|3d)\b|\b180°", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Limits on a page's facts; a fact that the page does not declare passes.

    Attributes:
        license: ``"creativecommon"`` keeps only videos under CC BY.
        min_duration_s: Shorter videos are excluded.
        max_duration_s: Longer videos are excluded; None for no limit.
        uploaded_after: ``YYYYMMDD``, inclusive.
        uploaded_before: ``YYYYMMDD``, inclusive.
        exclude_vr180: Exclude videos with VR180 (half of the sphere) in their title.
    """

    license: License = "any"
    min_duration_s: float = 10.0
    max_duration_s: float | None = None
    uploaded_after: str | None = None
    uploaded_before: str | None = None
    exclude_vr180: bool = True

    def __post_init__(self) -> None:
        if self.license not in ("any", "creativecommon"):
            message = f"license {self.license!r} is not 'any' or 'creativecommon'"
            raise UserError(message, "invalid", "license")
        for name in ("uploaded_after", "uploaded_before"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and _is_date(value)):
                raise UserError(f"{name} {value!r} is not a date as YYYYMMDD", "invalid", name)
        if (self.uploaded_after or "") > (self.uploaded_before or "99999999"):
            raise UserError(
                f"uploaded_after {self.uploaded_after} is later than uploaded_before "
                f"{self.uploaded_before}",
                "conflict",
                "uploaded_after",
            )
        check_number("min_duration_s", self.min_duration_s)
        if self.max_duration_s is not None:
            check_number("max_duration_s", self.max_duration_s)
        if self.max_duration_s is not None and self.max_duration_s < self.min_duration_s:
            raise UserError(
                f"max_duration_s {self.max_duration_s} is below min_duration_s "
                f"{self.min_duration_s}",
                "conflict",
                "max_duration_s",
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Filters:
        """Return filters from a stored mapping; unknown names of other versions are ignored."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in known})

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


def _is_date(text: str) -> bool:
    if not re.fullmatch(r"[0-9]{8}", text):
        return False
    try:
        datetime.strptime(text, "%Y%m%d")
    except ValueError:
        return False
    return True


def is_creative_commons(licence: str) -> bool:
    """Return whether a page's licence is Creative Commons, in any language."""
    return "creative commons" in licence.lower() or licence.lower().startswith("cc")
