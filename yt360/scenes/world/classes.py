"""The classes of objects and backgrounds, numbered as the panoptic classes of COCO.

There are 134 of them, in the order of detectron2's metadata: things have numbers below 80, and
stuff class s has number 80 + s. Every direction of a scene has a class.
"""

from __future__ import annotations

from dataclasses import dataclass

from yt360.scenes.audio.voices import VOICES, Voice
from yt360.scenes.video.looks import LOOKS, Look

# Numbers of the classes of objects.
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

# Numbers of the classes of backgrounds.
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
        number: Its panoptic number.
        look: Its look.
        voice: Its voice; None for a class that never sounds.
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
