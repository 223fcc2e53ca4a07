"""How the videos of a catalog are inspected."""

from __future__ import annotations

from dataclasses import dataclass

from yt360.catalog.claim_renewal import MAX_LEASE_S
from yt360.errors import UserError, did_you_mean
from yt360.media.layout.audio_layout import STATED_LAYOUTS
from yt360.media.video.projection import PROJECTIONS
from yt360.quality.decision import REJECTING

TESTS = (*REJECTING, "post-production", "clipping")
MAX_TIMEOUT_S = 7 * 86_400


@dataclass(frozen=True, kw_only=True)
class CatalogRunConfig:
    """How a catalog is inspected.

    Attributes:
        workers: Processes.
        rejecting: Tests whose "not ok" rejects a video.
        lease_s: A silent worker loses its video after this time.
        timeout_s: A video that takes longer is stopped, as if its process had died of it.
        limit: Stop after so many videos.
        audio_layout: What the sound of all videos is; None to find out.
        projection: What their pictures are; ``"auto"`` to find out.
        tagger: Import path of an audio tagger.

    Raises:
        UserError: A value that is not allowed.
    """

    workers: int = 1
    rejecting: tuple[str, ...] = REJECTING
    lease_s: float = 120.0
    timeout_s: float = 3600.0
    limit: int | None = None
    audio_layout: str | None = None
    projection: str = "auto"
    tagger: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.lease_s <= MAX_LEASE_S:
            raise UserError(f"a lease of {self.lease_s} s is not above 0 and up to {MAX_LEASE_S}")
        if not 0 < self.timeout_s <= MAX_TIMEOUT_S:
            raise UserError(
                f"a timeout of {self.timeout_s} s is not above 0 and up to {MAX_TIMEOUT_S}"
            )
        for what, values, known in (
            ("test", self.rejecting, TESTS),
            ("sound layout", (self.audio_layout,), (None, *STATED_LAYOUTS)),
            ("projection", (self.projection,), tuple(PROJECTIONS)),
        ):
            for value in values:
                if value not in known:
                    near = did_you_mean(str(value), [name for name in known if name])
                    raise UserError(f"unknown {what} {value!r}{near}")
