"""How clips are stored."""

from __future__ import annotations

from dataclasses import dataclass

from yt360.errors import UserError


@dataclass(frozen=True, kw_only=True)
class ClipFormat:
    """How clips are stored; the defaults are the trainer's.

    Attributes:
        width: Pixels; even, and twice the height.
        height: Pixels; even, 16 to 8192.
        fps: Whole frames per second.
        crf: x264's constant rate factor, 0 (lossless) to 51.
        gop: Frames in a group of pictures; each group can be decoded alone.
        preset: x264's preset.
        sample_rate_hz: Of the sound.
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
