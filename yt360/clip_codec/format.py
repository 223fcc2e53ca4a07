"""The format of stored clips."""

from __future__ import annotations

from dataclasses import dataclass

from yt360.errors import UserError

MAX_PIXELS = 1 << 27
"""Largest frame that is decoded (16K by 8K): a few hostile bytes can declare any size."""


@dataclass(frozen=True, kw_only=True)
class ClipFormat:
    """The format of stored clips; the defaults are those of the paper's trainer.

    Attributes:
        width: Width in pixels; even, and twice the height.
        height: Height in pixels; even, 16 to 8192.
        fps: Frames per second, a whole number.
        crf: Constant rate factor of x264, 0 (lossless) to 51.
        gop: Frames per group of pictures; each group is decodable on its own.
        preset: Preset of x264.
        sample_rate_hz: Sample rate of the audio.
    """

    width: int = 640
    height: int = 320
    fps: int = 16
    crf: int = 23
    gop: int = 8
    preset: str = "faster"
    sample_rate_hz: int = 24000

    def __post_init__(self) -> None:
        if self.width != 2 * self.height or self.height % 2 or self.height < 16:
            raise UserError(
                f"clip size {self.width}x{self.height}: the width must be twice the height, "
                "the height even and at least 16"
            )
        for name, low, high in (
            ("height", 16, 8192), ("fps", 1, 240), ("crf", 0, 51), ("gop", 1, 1000),
            ("sample_rate_hz", 8000, 192000),
        ):  # fmt: skip
            value = getattr(self, name)
            if not low <= value <= high:
                raise UserError(f"{name} is {value}; it must lie between {low} and {high}")
