"""Configuration of the inspection of a catalog."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from yt360.catalog.claim_renewal import MAX_LEASE_S
from yt360.config import config_class
from yt360.media.names import AudioLayoutName, ProjectionName
from yt360.quality.checks import CHECKS
from yt360.quality.configs import Configs, configure_checks

MAX_TIMEOUT_S = 7 * 86_400


@config_class
class CatalogRunConfig:
    """Options of the inspection of a catalog."""

    workers: Annotated[int, Field(ge=1)] = 1
    """Number of processes."""
    rejecting: tuple[str, ...] | None = None
    """Checks whose "not ok" rejects a video; None: the default ones."""
    settings: dict[str, str] = Field(default_factory=dict)
    """Options of checks: ``"check.option"`` -> value."""
    lease_s: Annotated[float, Field(gt=0, le=MAX_LEASE_S)] = 120.0
    """Time after which a worker that does not respond loses its video."""
    timeout_s: Annotated[float, Field(gt=0, le=MAX_TIMEOUT_S)] = 3600.0
    """Maximum time per video; a process that exceeds it is killed, which counts as a crash."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Maximum number of videos."""
    audio_layout: AudioLayoutName | None = None
    """Audio layout of all videos; None to detect it."""
    projection: ProjectionName = "auto"
    """Projection of all videos; ``"auto"`` to detect it."""

    def __post_init__(self) -> None:
        for name in self.rejecting or ():
            _ = CHECKS[name]  # raises UserError if it is unknown
        _ = self.checks

    @property
    def checks(self) -> Configs:
        """Configs of all checks."""
        return configure_checks(self.settings)
