"""The format of stored clips."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from yt360.config import config_class, conflict


@config_class
class ClipFormat:
    """The format of stored clips; the defaults follow the paper."""

    width: int = 640
    """Width in pixels: twice the height."""
    height: Annotated[int, Field(ge=16, le=8192, multiple_of=2)] = 320
    """Height in pixels."""
    fps: Annotated[int, Field(ge=1, le=240)] = 16
    """Frames per second."""
    crf: Annotated[int, Field(ge=0, le=51)] = 23
    """Constant rate factor of x264; 0 is lossless."""
    gop: Annotated[int, Field(ge=1, le=1000)] = 8
    """Length of a group of pictures (GOP) in frames; each GOP is decodable on its own."""
    preset: str = "faster"
    """Preset of x264."""
    sample_rate_hz: Annotated[int, Field(ge=8000, le=192000)] = 24000
    """Sample rate of the audio."""

    def __post_init__(self) -> None:
        if self.width != 2 * self.height:
            raise conflict(
                f"clip size {self.width}x{self.height}; the width must be twice the height"
            )
