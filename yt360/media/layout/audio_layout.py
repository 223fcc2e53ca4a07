"""Audio layouts: the meaning of the channels of a stream, with evidence.

`yt360.media.layout.detection` detects them; `yt360.media.layout.warnings` finds contradictions.
"""

from __future__ import annotations

from dataclasses import dataclass

from yt360.ambisonics.formats import (
    AMBIX,
    FUMA,
    HEAD_LOCKED,
    N3D,
    YOUTUBE_5_1,
    AmbisonicFormat,
)
from yt360.media.layout.warnings import LayoutWarning
from yt360.media.names import AudioLayoutName

# Layouts that a user or a catalog may state.
STATED_LAYOUTS: dict[AudioLayoutName, AmbisonicFormat] = {
    "ambix": AMBIX,
    "fuma": FUMA,
    "n3d": N3D,
    "youtube-5.1": YOUTUBE_5_1,
    "head-locked": HEAD_LOCKED,
    "ambisonics_quad": AMBIX,
    "ambisonics_5_1": YOUTUBE_5_1,
}


@dataclass(frozen=True)
class AudioLayout:
    """The meaning of the channels of an audio stream.

    Attributes:
        name: ``"ambix"``, ``"fuma"``, ``"n3d"``, ``"youtube-5.1"``, ``"head-locked"`` for spatial
            audio; ``"mono"``, ``"stereo"``, ``"surround"``, ``"unknown"`` for the rest.
        format: Conversion to ambiX; None if the audio is not spatial.
        evidence: Reasons for this layout, one sentence each.
        warnings: Contradictions between the layout and the samples.
    """

    name: str
    format: AmbisonicFormat | None
    evidence: tuple[str, ...]
    warnings: tuple[LayoutWarning, ...] = ()

    @property
    def is_spatial(self) -> bool:
        """Whether the audio can be converted to ambiX."""
        return self.format is not None
