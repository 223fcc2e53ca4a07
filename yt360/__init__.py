"""yt360: find, download, check, cut, shard and label 360° videos with spatial audio.

The names below are the public interface (docs/python.md). Each is imported when it is first used,
so that ``import yt360`` takes no time.

>>> import yt360  # doctest: +SKIP
>>> clip = yt360.read_clip("DATASET", "kqAZkf5Odyw-00080")  # doctest: +SKIP
>>> crop = yt360.crop_view(clip.frames, azimuth_deg=60)  # doctest: +SKIP
>>> ambix = yt360.rotate_to_view(clip.ambix, azimuth_deg=60)  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yt360.lazy_names import lazy_names

if TYPE_CHECKING:
    from yt360.media.probe import probe
    from yt360.shards.format.clips import Clip, open_dataset, read_clip, undo_field_correction
    from yt360.views import crop_view, energy_map, rotate_to_view

__version__ = "0.1.0"
__all__ = [
    "Clip",
    "__version__",
    "crop_view",
    "energy_map",
    "open_dataset",
    "probe",
    "read_clip",
    "rotate_to_view",
    "undo_field_correction",
]

_HOMES = {
    "Clip": "yt360.shards.format.clips",
    "crop_view": "yt360.views",
    "energy_map": "yt360.views",
    "open_dataset": "yt360.shards.format.clips",
    "probe": "yt360.media.probe",
    "read_clip": "yt360.shards.format.clips",
    "rotate_to_view": "yt360.views",
    "undo_field_correction": "yt360.shards.format.clips",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
