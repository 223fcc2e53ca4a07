"""Panoptic labels of a clip, with the legend of their colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yt360.labels.classes import CLASSES, NO_CLASS, NUM_CLASSES
from yt360.labels.format.reader import LabelReader


@dataclass(frozen=True, eq=False)
class LabelLayer:
    """The labels of a clip.

    Attributes:
        maps: uint8 (T, H, W) joint class numbers (`yt360.labels.classes`), equirectangular; 134 is
            none, which is not in the legend and not drawn.
        times_s: Seconds of the clip that the maps show, rising.
    """

    maps: NDArray[np.uint8]
    times_s: list[float]

    @property
    def legend(self) -> list[dict[str, Any]]:
        """Return id, name, colour (``"#rrggbb"``) and fraction of the pixels of each class.

        The most frequent class is first; classes without a pixel are left out.
        """
        counts = np.bincount(self.maps.ravel(), minlength=NUM_CLASSES + 1)[:NO_CLASS]
        order = [int(each) for each in np.argsort(-counts, kind="stable") if counts[each]]
        return [
            {
                "id": number,
                "name": CLASSES[number].name,
                "color": "#{:02x}{:02x}{:02x}".format(*CLASSES[number].color),
                "fraction": round(float(counts[number] / self.maps.size), 6),
            }
            for number in order
        ]

    @property
    def facts(self) -> dict[str, Any]:
        """Times and legend as JSON values."""
        return {"times_s": self.times_s, "legend": self.legend}


def label_layer(labels: LabelReader, key: str) -> LabelLayer | None:
    """Return the labels of a clip, or None if it has none.

    Raises:
        BadItem: They are damaged.
    """
    if key not in labels:
        return None
    maps = labels.read(key).joint
    return LabelLayer(maps, [round(n / labels.info.fps, 6) for n in range(len(maps))])
