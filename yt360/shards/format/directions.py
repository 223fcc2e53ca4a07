"""Labelled directions of the sources of a clip: ``directions`` in its ``.json``.

Specified in shards/README.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from yt360.shards.format.clip_facts import MAX_FACTS_BYTES
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.untrusted.parsing import Count, parse_json

OPTION = "directions"
"""Build option of datasets whose clips may have labelled directions."""
# A label applies from its frame's start until the end, and times are sums of rounded numbers.
_TIME_TOLERANCE = 1e-6

AzimuthDeg = Annotated[float, Field(ge=-180, le=180)]
ElevationDeg = Annotated[float, Field(ge=-90, le=90)]
Metres = Annotated[float, Field(ge=0, le=1e6)]


class SourceLabel(NamedTuple):
    """A source in one frame.

    Attributes:
        frame: Number of the frame, from the start of the clip.
        class_number: Its class, as numbered by the dataset that was labelled.
        source: Distinguishes sources of one class.
        azimuth_deg: Counter-clockwise seen from above; 0 is the front and 90 the left.
        elevation_deg: Above the horizon.
        distance_m: Its distance; None if unknown.
    """

    frame: Count
    class_number: Count
    source: Count
    azimuth_deg: AzimuthDeg
    elevation_deg: ElevationDeg
    distance_m: Metres | None


@dataclass(frozen=True, kw_only=True)
class ClipDirections:
    """The labelled sources of a clip.

    Attributes:
        frame_s: Length of a frame in seconds.
        rows: A row for each source of each frame, in order of frames.
    """

    frame_s: Annotated[float, Field(ge=0.001, le=3600)]
    rows: tuple[SourceLabel, ...]

    def at(self, time_s: float) -> list[SourceLabel]:
        """Return the sources at a time in the clip; none if nothing was labelled then."""
        frame = int(time_s / self.frame_s + _TIME_TOLERANCE)
        return [row for row in self.rows if row.frame == frame]

    def turned_to(self, front_deg: float) -> ClipDirections:
        """Return the labels of a clip that was turned so that an azimuth became its front."""
        if not front_deg:
            return self
        rows = (
            row._replace(azimuth_deg=round((row.azimuth_deg - front_deg + 180) % 360 - 180, 4))
            for row in self.rows
        )
        return replace(self, rows=tuple(rows))

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, as a clip's ``.json`` stores them."""
        return {"frame_s": self.frame_s, "rows": [list(row) for row in self.rows]}


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """The part of a clip's ``.json`` that holds directions."""

    directions: ClipDirections | None = None


def parse_directions(content: bytes | memoryview) -> ClipDirections | None:
    """Return the labelled directions in a clip's ``.json``; None if it has none.

    Raises:
        ValueError: It is too long, not JSON, or has an invalid value.
    """
    if len(content) > MAX_FACTS_BYTES:
        raise ValueError(f"it has {len(content)} bytes; at most {MAX_FACTS_BYTES} are allowed")
    return parse_json(bytes(content), _Facts).directions


def may_have_directions(info: DatasetInfo) -> bool:
    """Return whether a dataset was built with labelled directions."""
    return info.options.get(OPTION) is True
