"""The options of a build, which decide the bytes of a dataset and are kept in its JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from yt360.clip_codec.format import ClipFormat
from yt360.clips import DEFAULT_CLIP_S, SILENT_BELOW_DBFS
from yt360.errors import UserError, did_you_mean
from yt360.media.layout.audio_layout import STATED_LAYOUTS
from yt360.media.video.projection import PROJECTIONS, STEREO_MODES
from yt360.shards.builder.clip_selection import LEVEL_FLOOR_DBFS
from yt360.shards.builder.split_groups import check_grouping
from yt360.shards.format.schema import MAX_CLIP_S
from yt360.splits import PAPER_TEST_FRACTION

MIN_SHARD_MB = 0.1
MAX_SHARD_MB = 1e9


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """Everything besides the media that the bytes of a dataset depend on."""

    clip_s: int = DEFAULT_CLIP_S
    """Length of clips in whole seconds, except for inputs whose clips are listed."""
    min_level_dbfs: float = SILENT_BELOW_DBFS
    """Clips with a lower RMS level of the W channel are left out. Clips that a catalog keeps are
    left out only by a level above `SILENT_BELOW_DBFS`, which the inspection has judged them by."""
    test_fraction: float = PAPER_TEST_FRACTION
    """Expected fraction of groups in the test split."""
    split_by: str = "channel"
    """Grouping that must not cross the split: see `yt360.shards.builder.split_groups`.
    A video without a group is a group of its own."""
    shard_mb: float = 256.0
    """Largest size of a shard in megabytes (10^6 bytes), unless a single clip is larger."""
    projection: str = "auto"
    """Projection of the inputs, for use if their metadata are missing or wrong."""
    stereo_mode: str = "auto"
    """Stereo layout of the inputs, likewise."""
    sound_layout: str | None = None
    """Layout of the inputs' spatial audio, likewise; None detects it."""
    inspect: bool = False
    """Whether inputs that were not inspected before must pass the checks of ``yt360 inspect``."""
    form: ClipFormat = field(default_factory=ClipFormat)
    """How clips are stored."""

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("clip_s", self.clip_s, 1, MAX_CLIP_S),
            ("test_fraction", self.test_fraction, 0, 1),
            ("min_level_dbfs", self.min_level_dbfs, LEVEL_FLOOR_DBFS, 0),
            ("shard_mb", self.shard_mb, MIN_SHARD_MB, MAX_SHARD_MB),
        ):
            if not low <= value <= high:
                raise UserError(
                    f"{name} is {value}; give a number from {low:g} to {high:g}",
                    code="out-of-range",
                    key=name,
                )
        check_grouping(self.split_by)
        for name, known in (
            ("projection", PROJECTIONS),
            ("stereo_mode", STEREO_MODES),
            ("sound_layout", (None, *STATED_LAYOUTS)),
        ):
            value = getattr(self, name)
            if value not in known:
                near = did_you_mean(str(value), map(str, known))
                raise UserError(
                    f"unknown {name.replace('_', ' ')} {value!r}{near}",
                    code="unknown-name",
                    key=name,
                )

    @property
    def shard_bytes(self) -> int:
        """Largest size of a shard."""
        return round(self.shard_mb * 1e6)

    def to_json(self) -> dict[str, Any]:
        """Return the options as JSON values."""
        return asdict(self)


def first_difference(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> str | None:
    """Return the name and both values of the first option that differs; None if none does."""
    flat_wanted, flat_present = _flat(wanted), _flat(present)
    for name in sorted(flat_wanted.keys() | flat_present.keys()):
        if flat_wanted.get(name) != flat_present.get(name):
            return f"{name} is {flat_present.get(name)} there, {flat_wanted.get(name)} now"
    return None


def _flat(options: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in options.items():
        flat.update(_flat(value) if isinstance(value, Mapping) else {name: value})
    return flat
