"""The segments of a panoptic map: its objects, and its areas of stuff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from yt360.labels.classes import CLASSES, NO_CLASS, NUM_THINGS
from yt360.labels.segmenters.base import Segmentation


@dataclass(frozen=True)
class Segment:
    """One segment of a panoptic map.

    Attributes:
        id: Value in the map, from 1.
        is_thing: Whether it is an object; otherwise stuff.
        category: Class number, 0 to 79 for things or 0 to 53 for stuff.
        area: Number of pixels.
        score: Score of the object, or the mean score of the pixels of stuff.
    """

    id: int
    is_thing: bool
    category: int
    area: int
    score: float

    @property
    def joint(self) -> int:
        """Joint number of the class."""
        return self.category + (0 if self.is_thing else NUM_THINGS)

    def to_json(self) -> dict[str, Any]:
        """Return the segment with detectron2's field names, and COCO's name of its class."""
        known = CLASSES[self.joint]
        return {
            "id": self.id,
            "isthing": self.is_thing,
            "category_id": self.category,
            "name": known.name,
            "coco_id": known.coco_id,
            "area": self.area,
            "score": round(self.score, 6),
        }


def segments_of(found: Segmentation) -> tuple[Tensor, list[Segment]]:
    """Return a map of segment ids, and the segments: objects first, then stuff by class.

    Args:
        found: Classes, scores and instances (H, W).

    Returns:
        Ids (H, W) int32, 0 for none; and the segments in the order of their ids.
    """
    ids = torch.zeros(found.classes.shape, dtype=torch.int32)
    segments: list[Segment] = []
    masks = [
        found.instances == number for number in torch.unique(found.instances).tolist() if number
    ]
    is_stuff = (found.classes >= NUM_THINGS) & (found.classes != NO_CLASS)
    masks += [found.classes == label for label in torch.unique(found.classes[is_stuff]).tolist()]
    for number, mask in enumerate(masks, start=1):
        ids[mask] = number
        label = int(found.classes[mask][0])
        is_thing = label < NUM_THINGS
        category = label if is_thing else label - NUM_THINGS
        score = float(found.scores[mask].double().mean())
        segments.append(Segment(number, is_thing, category, int(mask.sum()), score))
    return ids, segments
