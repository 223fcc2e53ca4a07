"""Names for options: projections, stereo modes, audio layouts and corrections of the gain."""

from __future__ import annotations

from typing import Literal, get_args

ProjectionName = Literal["auto", "equirectangular", "eac", "cubemap", "c3x2"]
"""``"auto"`` uses the declared projection; ``"eac"`` is YouTube's equi-angular cubemap, with two
rows of three faces; ``"cubemap"`` is layout 0 of Google's Spherical Video RFC V2, 3x2 faces;
``"c3x2"`` is the 3x2 cubemap that FFmpeg writes."""
StereoModeName = Literal["auto", "mono", "top-bottom", "bottom-top", "left-right", "right-left"]
AudioLayoutName = Literal[
    "ambix", "fuma", "n3d", "youtube-5.1", "head-locked", "ambisonics_quad", "ambisonics_5_1"
]
"""The last two are yt-dlp's names for YouTube's layouts."""
FieldGainMode = Literal["broadband", "octaves", "off"]
"""How a wrong gain of W is corrected: see `yt360.media.layout.field_correction`."""

PROJECTIONS: tuple[ProjectionName, ...] = get_args(ProjectionName)
STEREO_MODES: tuple[StereoModeName, ...] = get_args(StereoModeName)
AUDIO_LAYOUTS: tuple[AudioLayoutName, ...] = get_args(AudioLayoutName)
FIELD_GAIN_MODES: tuple[FieldGainMode, ...] = get_args(FieldGainMode)
