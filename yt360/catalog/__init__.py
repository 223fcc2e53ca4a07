"""The catalog: videos, attempts, verdicts, clips and splits in one SQLite file."""

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
