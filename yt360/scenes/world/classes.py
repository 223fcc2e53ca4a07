"""The classes of objects and of background, by their numbers among the panoptic classes of COCO.

One numbering serves class ids and class maps alike: the 134 panoptic classes of COCO in the order
of detectron2's metadata, first the 80 things, then the 54 kinds of stuff. So number c < 80 is thing
c, and number c >= 80 is stuff c - 80. Every direction of a scene belongs to some class.
"""

from __future__ import annotations

from dataclasses import dataclass

from yt360.scenes.audio.voices import VOICES, Voice
from yt360.scenes.video.looks import LOOKS, Look

# Thing numbers of the objects; those with a voice can sound, the others are always silent.
THINGS = {
    "car": 2,
    "train": 6,
    "boat": 8,
    "stop sign": 11,
    "bird": 14,
    "dog": 16,
    "umbrella": 25,
    "sports ball": 32,
    "kite": 33,
    "donut": 54,
    "potted plant": 58,
    "cell phone": 67,
    "clock": 74,
    "teddy bear": 77,
}

# Panoptic numbers (80 + stuff number) of the parts of backgrounds.
STUFF = {
    "floor-wood": 88,
    "sand": 103,
    "sea": 104,
    "snow": 106,
    "tree": 117,
    "ceiling": 119,
    "sky": 120,
    "pavement": 124,
    "mountain": 125,
    "grass": 126,
    "building": 130,
    "wall": 132,
}


@dataclass(frozen=True)
class SceneClass:
    """A class of objects.

    Attributes:
        name: COCO's name.
        number: Its number among the panoptic classes (a thing: below 80).
        look: What it looks like.
        voice: What it sounds like, or None for a class that never sounds.
    """

    name: str
    number: int
    look: Look
    voice: Voice | None


CLASSES = {
    name: SceneClass(name, number, LOOKS[name], VOICES.get(name)) for name, number in THINGS.items()
}
SOUNDING_CLASSES = tuple(name for name, item in CLASSES.items() if item.voice is not None)
SILENT_CLASSES = tuple(name for name, item in CLASSES.items() if item.voice is None)
