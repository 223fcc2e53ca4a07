"""Build options, which determine the bytes of a dataset and are stored in ``dataset.json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from yt360.clip_codec.format import ClipFormat
from yt360.clips import DEFAULT_CLIP_S, SILENT_BELOW_DBFS
from yt360.config import config_class
from yt360.media.names import AudioLayoutName, FieldGainMode, ProjectionName, StereoModeName
from yt360.shards.builder.clip_selection import LEVEL_FLOOR_DBFS
from yt360.shards.builder.splits.groups import check_grouping
from yt360.shards.format.schema import MAX_CLIP_S
from yt360.splits import PAPER_TEST_FRACTION


@config_class
class BuildOptions:
    """Everything besides the media that determines the bytes of a dataset."""

    clip_s: Annotated[int, Field(ge=1, le=int(MAX_CLIP_S))] = DEFAULT_CLIP_S
    """Length of clips in whole seconds, except for inputs whose clips are listed."""
    min_level_dbfs: Annotated[float, Field(ge=LEVEL_FLOOR_DBFS, le=0)] = SILENT_BELOW_DBFS
    """Clips with a lower RMS level of the W channel are left out. Clips that a catalog keeps
    passed `SILENT_BELOW_DBFS` in the inspection; only a higher level leaves them out."""
    test_fraction: Annotated[float, Field(ge=0, le=1)] | None = PAPER_TEST_FRACTION
    """Expected fraction of groups in the test split; None if the split of each input is given
    (`yt360.shards.builder.splits.given`)."""
    split_by: Annotated[str, AfterValidator(check_grouping)] = "channel"
    """Grouping that must not cross the split: see `yt360.shards.builder.splits.groups`.
    A video without a group is a group of its own."""
    shard_mb: Annotated[float, Field(ge=0.1, le=1e9)] = 256.0
    """Largest size of a shard in megabytes (10^6 bytes), unless a single clip is larger."""
    projection: ProjectionName = "auto"
    """Projection of the inputs; ``"auto"`` reads it from their metadata."""
    stereo_mode: StereoModeName = "auto"
    """Stereo layout of the inputs; ``"auto"`` reads it from their metadata."""
    sound_layout: AudioLayoutName | None = None
    """Layout of the inputs' spatial audio; None detects it."""
    field_gain: FieldGainMode = "broadband"
    """How a wrong gain of W relative to X, Y and Z is corrected; ``"off"`` keeps it."""
    inspect: bool = False
    """Whether inputs that were not inspected before must pass the checks of ``yt360 inspect``."""
    directions: bool = False
    """Whether CSV files beside the videos label the directions of sources."""
    form: ClipFormat = ClipFormat()
    """How clips are stored."""

    @property
    def shard_bytes(self) -> int:
        """Largest size of a shard."""
        return round(self.shard_mb * 1e6)

    def to_json(self) -> dict[str, Any]:
        """Return the options as JSON values; `directions` only if it is set."""
        values = asdict(self)
        if not self.directions:
            del values["directions"]
        return values


OPTIONS_OF_OLD_DATASETS = {**BuildOptions().to_json(), "field_gain": "off"}
"""Options in force for datasets of versions that did not have them."""
