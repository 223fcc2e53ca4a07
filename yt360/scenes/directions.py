"""True directions of the sources of clips: of scenes, of labelled clips, or from a table."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from yt360.clips import parse_key
from yt360.errors import BadItem, UserError
from yt360.labels.classes import NAMES
from yt360.scenes.collection import SceneCollection
from yt360.shards.format.directions import ClipDirections, SourceLabel, parse_directions
from yt360.shards.format.reader import ShardReader
from yt360.sphere import direction
from yt360.untrusted.files import read_limited

COLUMNS = ("key", "azimuth_deg", "elevation_deg")
MAX_TABLE_BYTES = 1 << 28


class Directions(Protocol):
    """Where the sources of clips are.

    Attributes:
        path: What they are read from.
        fingerprint: Hash of its content.
    """

    path: Path
    fingerprint: str

    def __contains__(self, key: str) -> bool:
        """Return whether the sources of a clip are known."""

    def of(self, key: str, time_s: float) -> Tensor:
        """Return unit vectors (N, 3), float64, of all sources of a clip at a time in the clip."""

    def names(self, key: str) -> list[str]:
        """Return names of the sources of a clip."""


class SceneDirections:
    """The sounding sources of synthetic scenes, exact at any time.

    Args:
        folder: See `SceneCollection`.

    Raises:
        UserError: See `SceneCollection`.
    """

    def __init__(self, folder: Path) -> None:
        self._scenes, self.path = SceneCollection(folder), folder
        self.fingerprint = self._scenes.fingerprint
        self._scene = lru_cache(maxsize=4)(self._scenes.scene)

    def __contains__(self, key: str) -> bool:
        """Return whether the clip is of one of the scenes."""
        return parse_key(key)[0] in self._scenes

    def of(self, key: str, time_s: float) -> Tensor:
        """Return unit vectors (N, 3) of all sources; see `Directions`."""
        name, start_s = parse_key(key)
        scene = self._scene(name)
        moment = np.array([start_s + time_s])
        return torch.from_numpy(scene.directions(moment)[0, scene.sounding].astype(np.float64))

    def names(self, key: str) -> list[str]:
        """Return the classes of the sources."""
        scene = self._scene(parse_key(key)[0])
        return [NAMES[number] for number in scene.class_ids[scene.sounding]]


class LabelledDirections:
    """Sources whose directions are stored with the clips of a split (shards/README.md).

    Args:
        clips: The split; the ``.json`` of each clip is read, and those that cannot be read have no
            labels.
    """

    def __init__(self, clips: ShardReader) -> None:
        self.path, digest = clips.dataset, hashlib.sha256()
        self._labels: dict[str, ClipDirections] = {}
        for clip, key in enumerate(clips.keys):
            try:
                labels = parse_directions(clips.read(clip, "json"))
            except (BadItem, ValueError):
                continue
            if labels is not None and labels.rows:
                self._labels[key] = labels
                digest.update(f"{key} {labels}\n".encode())
        self.fingerprint = digest.hexdigest()

    def __contains__(self, key: str) -> bool:
        """Return whether a source of the clip is labelled at any time."""
        return key in self._labels

    def labels(self, key: str, time_s: float) -> list[SourceLabel]:
        """Return the labels at a time in a clip; none if nothing was labelled then."""
        return self._labels[key].at(time_s) if key in self._labels else []

    def of(self, key: str, time_s: float) -> Tensor:
        """Return unit vectors (N, 3) of all sources; N is 0 where none is labelled."""
        return label_vectors(self.labels(key, time_s))

    def names(self, key: str) -> list[str]:
        """Return ``class 3, source 0`` and so on, for all sources that are labelled at any time."""
        rows = self._labels[key].rows if key in self._labels else ()
        found = sorted({(row.class_number, row.source) for row in rows})
        return [f"class {number}, source {source}" for number, source in found]


def label_vectors(labels: Sequence[SourceLabel]) -> Tensor:
    """Return unit vectors (N, 3), float64, of labelled sources."""
    angles = [(label.azimuth_deg, label.elevation_deg) for label in labels]
    in_radians = torch.tensor(angles, dtype=torch.float64).reshape(len(labels), 2).deg2rad()
    return direction(in_radians[:, 0], in_radians[:, 1])


class ListedDirections:
    """Sources that do not move, from a CSV file with a row for each source.

    Args:
        path: The file, with the columns ``key``, ``azimuth_deg`` and ``elevation_deg``; others are
            ignored.

    Raises:
        UserError: It cannot be read, lacks a column or has a value that is no angle.
    """

    def __init__(self, path: Path) -> None:
        try:
            content = read_limited(path, MAX_TABLE_BYTES)
            table = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
            missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                raise ValueError(f"it has no column {missing[0]!r}")
            found: dict[str, list[Tensor]] = defaultdict(list)
            for row in table:
                azimuth = _angle(row["azimuth_deg"], 360, table.line_num)
                elevation = _angle(row["elevation_deg"], 90, table.line_num)
                found[row["key"]].append(direction(azimuth, elevation))
        except (OSError, ValueError, csv.Error) as error:
            raise UserError(
                f"{path} cannot be read: {error}; it needs the columns {', '.join(COLUMNS)}, with "
                "a row for each source",
                key=path,
            ) from None
        self.path, self.fingerprint = path, hashlib.sha256(content).hexdigest()
        self._directions = {key: torch.stack(each) for key, each in found.items()}

    def __contains__(self, key: str) -> bool:
        """Return whether the table lists the clip."""
        return key in self._directions

    def of(self, key: str, time_s: float) -> Tensor:  # noqa: ARG002 - sources do not move
        """Return unit vectors (N, 3) of all sources; see `Directions`."""
        return self._directions[key]

    def names(self, key: str) -> list[str]:
        """Return ``source 1``, ``source 2`` and so on."""
        return [f"source {number + 1}" for number in range(len(self._directions[key]))]


def _angle(text: str | None, largest_deg: float, line: int) -> Tensor:
    """Return an angle in radians, float64."""
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not abs(value) <= largest_deg:
        raise ValueError(
            f"line {line} has the angle {text!r}, which must be a number within ±{largest_deg:g}"
        )
    return torch.tensor(value, dtype=torch.float64).deg2rad()
