"""The catalog: videos, attempts, verdicts, clips and splits in one SQLite file.

Each of the names below is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yt360.lazy_names import lazy_names

if TYPE_CHECKING:
    from yt360.catalog.catalog import Catalog
    from yt360.catalog.records import Attempt, Claim, Clip, Job, MediaFile, State, Verdict, Video
    from yt360.catalog.tables.claims import ClaimLost

__all__ = [
    "Attempt",
    "Catalog",
    "Claim",
    "ClaimLost",
    "Clip",
    "Job",
    "MediaFile",
    "State",
    "Verdict",
    "Video",
]

_RECORDS = ("Attempt", "Claim", "Clip", "Job", "MediaFile", "State", "Verdict", "Video")
_HOMES = {
    **dict.fromkeys(_RECORDS, "yt360.catalog.records"),
    "Catalog": "yt360.catalog.catalog",
    "ClaimLost": "yt360.catalog.tables.claims",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
