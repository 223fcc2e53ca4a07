"""Labelled directions that are stored with the clips of a dataset, as the page draws them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from yt360.errors import BadItem, UserError
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.directions import (
    ClipDirections,
    may_have_directions,
    parse_directions,
)
from yt360.shards.format.reader import ShardReader
from yt360.splits import SPLITS

_GAP_S = 1e-6


def labelled_directions(labels: ClipDirections) -> list[dict[str, Any]]:
    """Return the directions that are stored with a clip, by source and time; see clip.json.

    Frames in which a source stays where it is are one entry.

    Args:
        labels: See `yt360.shards.format.directions`.
    """
    found: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row in labels.rows:
        entries = found.setdefault((row.class_number, row.source), [])
        start_s = row.frame * labels.frame_s
        entry = {
            "name": f"class {row.class_number}, source {row.source}",
            "azimuth_deg": row.azimuth_deg,
            "elevation_deg": row.elevation_deg,
            "start_s": round(start_s, 3),
            "end_s": round(start_s + labels.frame_s, 3),
        }
        last = entries[-1] if entries else None
        is_still = last is not None and all(
            last[name] == entry[name] for name in ("azimuth_deg", "elevation_deg")
        )
        if last is not None and is_still and abs(last["end_s"] - entry["start_s"]) < _GAP_S:
            last["end_s"] = entry["end_s"]
        else:
            entries.append(entry)
    return [entry for source in sorted(found) for entry in found[source]]


class StoredDirections:
    """Directions that are stored with the clips of a dataset.

    Args:
        dataset: The dataset folder. Shards that are not in it, such as those of a mirror of a
            remote dataset, have no directions.
    """

    def __init__(self, dataset: Path) -> None:
        self._dataset = dataset

    @cached_property
    def _readers(self) -> list[ShardReader]:
        return [ShardReader(self._dataset, split) for split in SPLITS]

    @classmethod
    def find(cls, dataset: Path) -> StoredDirections | None:
        """Return the directions of a dataset; None if it was built without any.

        Raises:
            UserError: It is not a dataset.
        """
        return cls(dataset) if may_have_directions(DatasetInfo.load(dataset)) else None

    def of_clip(self, key: str, duration_s: float) -> list[dict[str, Any]]:  # noqa: ARG002
        """Return the directions of a clip; none if they are not stored, or are damaged."""
        try:
            reader = next((each for each in self._readers if key in each.keys), None)
            if reader is None:
                return []
            labels = parse_directions(reader.read(reader.keys.index(key), "json"))
        except (BadItem, UserError, ValueError):
            return []
        return [] if labels is None else labelled_directions(labels)
