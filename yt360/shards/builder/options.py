"""How a dataset is built: what decides its bytes, kept in ``dataset.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from yt360.clips import DEFAULT_CLIP_S
from yt360.errors import UserError, did_you_mean
from yt360.media.convert import ClipFormat
from yt360.media.layout.names import STATED_LAYOUTS
from yt360.media.projection import PROJECTIONS, STEREO_MODES
from yt360.shards.builder.cuts import LEVEL_FLOOR_DBFS
from yt360.shards.builder.groups import check_grouping
from yt360.splits import PAPER_TEST_FRACTION

MIN_SHARD_MB = 0.1
MAX_SHARD_MB = 1e9


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """Everything besides the media that the bytes of a dataset depend on."""

    clip_s: int = DEFAULT_CLIP_S
    """Length of a clip in whole seconds where no list gives it."""
    min_level_dbfs: float = -60.0
    """Clips whose W channel has a lower RMS level over the whole clip are left out."""
    test_fraction: float = PAPER_TEST_FRACTION
    """Expected share of videos (or channels) that test."""
    split_by: str = "channel"
    """What is never torn apart by the split: see `check_grouping` in `builder/groups.py`.
    A video of no known group stands for itself."""
    shard_mb: float = 256.0
    """Largest size of a shard in 10^6 bytes, unless a single clip is larger."""
    projection: str = "auto"
    """Projection of the input, where its metadata are missing or wrong."""
    stereo_mode: str = "auto"
    """Stereo layout of the input's picture, likewise."""
    sound_layout: str | None = None
    """Layout of the input's spatial audio, likewise; None finds out."""
    inspect: bool = False
    """Whether inputs that nobody inspected yet must pass the tests that a catalog's videos pass."""
    form: ClipFormat = field(default_factory=ClipFormat)
    """How clips are stored."""

    def __post_init__(self) -> None:
        if self.clip_s < 1:
            raise UserError(f"clips of {self.clip_s} s are too short; give 1 s or more")
        if not 0 <= self.test_fraction <= 1:
            raise UserError(f"test fraction {self.test_fraction} is not in [0, 1]")
        check_grouping(self.split_by)
        if not LEVEL_FLOOR_DBFS <= self.min_level_dbfs <= 0:
            raise UserError(
                f"a least level of {self.min_level_dbfs} dBFS is not in [{LEVEL_FLOOR_DBFS:g}, 0]"
            )
        for name, known in (
            ("projection", PROJECTIONS),
            ("stereo_mode", STEREO_MODES),
            ("sound_layout", (None, *STATED_LAYOUTS)),
        ):
            value = getattr(self, name)
            if value not in known:
                near = did_you_mean(str(value), map(str, known))
                raise UserError(f"unknown {name.replace('_', ' ')} {value!r}{near}")
        if not self.shard_mb >= MIN_SHARD_MB:
            raise UserError(
                f"shards of {self.shard_mb} MB are too small; give {MIN_SHARD_MB} or more"
            )
        if self.shard_mb > MAX_SHARD_MB:
            raise UserError(
                f"shards of {self.shard_mb:g} MB are too large; give {MAX_SHARD_MB:g} or less"
            )

    @property
    def shard_bytes(self) -> int:
        """Largest size of a shard."""
        return round(self.shard_mb * 1e6)

    def to_json(self) -> dict[str, Any]:
        """Return the options as JSON values."""
        return asdict(self)


def first_difference(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> str | None:
    """Return ``"name: present value, not wanted value"`` of the first option that differs."""
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
