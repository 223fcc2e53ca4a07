"""The catalog: the one place that knows videos, attempts, verdicts, clips and splits."""

from yt360.catalog.claims import ClaimLost
from yt360.catalog.records import Attempt, Claim, Clip, Job, MediaFile, State, Verdict, Video
from yt360.catalog.store import Catalog

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
