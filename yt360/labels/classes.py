"""The 134 classes of COCO panoptic segmentation and the 32 that the paper evaluates.

There are three numberings; the number after the last class means "none":

====== ============================== ===
things 0 to 79                        80
stuff  0 to 53                        54
joint  things 0 to 79, stuff 80 to 133 134
====== ============================== ===

Label shards store things and stuff in separate maps, as the authors of YT-360 do; all other code
works with joint numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NUM_THINGS = 80
NUM_STUFF = 54
NUM_CLASSES = NUM_THINGS + NUM_STUFF
NO_THING = NUM_THINGS
NO_STUFF = NUM_STUFF
NO_CLASS = NUM_CLASSES


class PanopticClass(NamedTuple):
    """A class: its name, its id in COCO's annotations, its color, its fraction of YT-360's pixels.

    The fraction is of all pixels of the authors' maps, from ``segmentation-classes-hist.txt`` in
    the assets of the paper's code; all fractions and `YT360_FRACTION_NONE` sum to 1.
    """

    name: str
    coco_id: int
    color: tuple[int, int, int]
    yt360_fraction: float


THINGS = (
    PanopticClass("person", 1, (220, 20, 60), 0.0612),
    PanopticClass("bicycle", 2, (119, 11, 32), 0.000329),
    PanopticClass("car", 3, (0, 0, 142), 0.0144),
    PanopticClass("motorcycle", 4, (0, 0, 230), 0.00832),
    PanopticClass("airplane", 5, (106, 0, 228), 0.0108),
    PanopticClass("bus", 6, (0, 60, 100), 0.00106),
    PanopticClass("train", 7, (0, 80, 100), 0.00771),
    PanopticClass("truck", 8, (0, 0, 70), 0.000931),
    PanopticClass("boat", 9, (0, 0, 192), 0.00835),
    PanopticClass("traffic light", 10, (250, 170, 30), 0.000153),
    PanopticClass("fire hydrant", 11, (100, 170, 30), 1.12e-05),
    PanopticClass("stop sign", 13, (220, 220, 0), 2.46e-05),
    PanopticClass("parking meter", 14, (175, 116, 175), 4.43e-05),
    PanopticClass("bench", 15, (250, 0, 30), 0.00078),
    PanopticClass("bird", 16, (165, 42, 42), 0.000429),
    PanopticClass("cat", 17, (255, 77, 255), 0.000116),
    PanopticClass("dog", 18, (0, 226, 252), 0.000273),
    PanopticClass("horse", 19, (182, 182, 255), 0.000234),
    PanopticClass("sheep", 20, (0, 82, 0), 2.97e-05),
    PanopticClass("cow", 21, (120, 166, 157), 0.000226),
    PanopticClass("elephant", 22, (110, 76, 0), 0.000129),
    PanopticClass("bear", 23, (174, 57, 255), 0.000104),
    PanopticClass("zebra", 24, (199, 100, 0), 9.54e-06),
    PanopticClass("giraffe", 25, (72, 0, 118), 3.36e-06),
    PanopticClass("backpack", 27, (255, 179, 240), 0.000136),
    PanopticClass("umbrella", 28, (0, 125, 92), 0.00107),
    PanopticClass("handbag", 31, (209, 0, 151), 0.000103),
    PanopticClass("tie", 32, (188, 208, 182), 4.46e-06),
    PanopticClass("suitcase", 33, (0, 220, 176), 0.000283),
    PanopticClass("frisbee", 34, (255, 99, 164), 2.97e-05),
    PanopticClass("skis", 35, (92, 0, 73), 1.92e-05),
    PanopticClass("snowboard", 36, (133, 129, 255), 4.9e-05),
    PanopticClass("sports ball", 37, (78, 180, 255), 7.02e-05),
    PanopticClass("kite", 38, (0, 228, 0), 0.000439),
    PanopticClass("baseball bat", 39, (174, 255, 243), 1e-05),
    PanopticClass("baseball glove", 40, (45, 89, 255), 1.08e-05),
    PanopticClass("skateboard", 41, (134, 134, 103), 7.8e-05),
    PanopticClass("surfboard", 42, (145, 148, 174), 0.000167),
    PanopticClass("tennis racket", 43, (255, 208, 186), 1.22e-05),
    PanopticClass("bottle", 44, (197, 226, 255), 0.000156),
    PanopticClass("wine glass", 46, (171, 134, 1), 2.8e-05),
    PanopticClass("cup", 47, (109, 63, 54), 0.000398),
    PanopticClass("fork", 48, (207, 138, 255), 1.77e-06),
    PanopticClass("knife", 49, (151, 0, 95), 1.39e-05),
    PanopticClass("spoon", 50, (9, 80, 61), 5.2e-06),
    PanopticClass("bowl", 51, (84, 105, 51), 0.000393),
    PanopticClass("banana", 52, (74, 65, 105), 6.53e-05),
    PanopticClass("apple", 53, (166, 196, 102), 6.95e-05),
    PanopticClass("sandwich", 54, (208, 195, 210), 2.06e-05),
    PanopticClass("orange", 55, (255, 109, 65), 1.77e-05),
    PanopticClass("broccoli", 56, (0, 143, 149), 0.000222),
    PanopticClass("carrot", 57, (179, 0, 194), 7.74e-09),
    PanopticClass("hot dog", 58, (209, 99, 106), 6.87e-06),
    PanopticClass("pizza", 59, (5, 121, 0), 2.12e-05),
    PanopticClass("donut", 60, (227, 255, 205), 4.13e-05),
    PanopticClass("cake", 61, (147, 186, 208), 0.00159),
    PanopticClass("chair", 62, (153, 69, 1), 0.00236),
    PanopticClass("couch", 63, (3, 95, 161), 0.000574),
    PanopticClass("potted plant", 64, (163, 255, 0), 0.000842),
    PanopticClass("bed", 65, (119, 0, 170), 0.00112),
    PanopticClass("dining table", 67, (0, 182, 199), 0.00184),
    PanopticClass("toilet", 70, (0, 165, 120), 0.000526),
    PanopticClass("tv", 72, (183, 130, 88), 0.00295),
    PanopticClass("laptop", 73, (95, 32, 0), 0.000124),
    PanopticClass("mouse", 74, (130, 114, 135), 0.000118),
    PanopticClass("remote", 75, (110, 129, 133), 2.05e-05),
    PanopticClass("keyboard", 76, (166, 74, 118), 0.000819),
    PanopticClass("cell phone", 77, (219, 142, 185), 9.64e-05),
    PanopticClass("microwave", 78, (79, 210, 114), 0.000149),
    PanopticClass("oven", 79, (178, 90, 62), 0.000182),
    PanopticClass("toaster", 80, (65, 70, 15), 0.0),
    PanopticClass("sink", 81, (127, 167, 115), 0.000516),
    PanopticClass("refrigerator", 82, (59, 105, 106), 0.000442),
    PanopticClass("book", 84, (142, 108, 45), 6.47e-05),
    PanopticClass("clock", 85, (196, 172, 0), 0.000406),
    PanopticClass("vase", 86, (95, 54, 80), 0.0002),
    PanopticClass("scissors", 87, (128, 76, 255), 7.14e-05),
    PanopticClass("teddy bear", 88, (201, 57, 1), 0.000121),
    PanopticClass("hair drier", 89, (246, 0, 122), 0.0),
    PanopticClass("toothbrush", 90, (191, 162, 208), 1.47e-05),
)

# Semantic heads predict stuff class 0, "things", for pixels of objects; label maps do not use it.
STUFF = (
    PanopticClass("things", 0, (82, 18, 128), 0.0),
    PanopticClass("banner", 92, (255, 255, 128), 0.00142),
    PanopticClass("blanket", 93, (147, 211, 203), 2.31e-06),
    PanopticClass("bridge", 95, (150, 100, 100), 0.000489),
    PanopticClass("cardboard", 100, (168, 171, 172), 3.03e-05),
    PanopticClass("counter", 107, (146, 112, 198), 7.04e-05),
    PanopticClass("curtain", 109, (210, 170, 100), 0.00149),
    PanopticClass("door-stuff", 112, (92, 136, 89), 0.00118),
    PanopticClass("floor-wood", 118, (218, 88, 184), 0.0042),
    PanopticClass("flower", 119, (241, 129, 0), 0.000526),
    PanopticClass("fruit", 122, (217, 17, 255), 5.53e-09),
    PanopticClass("gravel", 125, (124, 74, 181), 0.000639),
    PanopticClass("house", 128, (70, 70, 70), 0.00191),
    PanopticClass("light", 130, (255, 228, 255), 0.00523),
    PanopticClass("mirror-stuff", 133, (154, 208, 0), 0.00227),
    PanopticClass("net", 138, (193, 0, 92), 4.75e-05),
    PanopticClass("pillow", 141, (76, 91, 113), 0.0),
    PanopticClass("platform", 144, (255, 180, 195), 0.00138),
    PanopticClass("playingfield", 145, (106, 154, 176), 0.000379),
    PanopticClass("railroad", 147, (230, 150, 140), 0.0002),
    PanopticClass("river", 148, (60, 143, 255), 0.00339),
    PanopticClass("road", 149, (128, 64, 128), 0.0209),
    PanopticClass("roof", 151, (92, 82, 55), 1.38e-05),
    PanopticClass("sand", 154, (254, 212, 124), 0.0111),
    PanopticClass("sea", 155, (73, 77, 174), 0.0115),
    PanopticClass("shelf", 156, (255, 160, 98), 0.000608),
    PanopticClass("snow", 159, (255, 255, 255), 0.0154),
    PanopticClass("stairs", 161, (104, 84, 109), 0.000153),
    PanopticClass("tent", 166, (169, 164, 131), 4.17e-05),
    PanopticClass("towel", 168, (225, 199, 255), 4.7e-06),
    PanopticClass("wall-brick", 171, (137, 54, 74), 0.000937),
    PanopticClass("wall-stone", 175, (135, 158, 223), 0.000402),
    PanopticClass("wall-tile", 176, (7, 246, 231), 0.000517),
    PanopticClass("wall-wood", 177, (107, 255, 200), 0.00656),
    PanopticClass("water", 178, (58, 41, 149), 0.00722),
    PanopticClass("window-blind", 180, (183, 121, 142), 2.11e-05),
    PanopticClass("window", 181, (255, 73, 97), 0.0093),
    PanopticClass("tree", 184, (107, 142, 35), 0.0846),
    PanopticClass("fence", 185, (190, 153, 153), 0.00307),
    PanopticClass("ceiling", 186, (146, 139, 141), 0.0492),
    PanopticClass("sky", 187, (70, 130, 180), 0.167),
    PanopticClass("cabinet", 188, (134, 199, 156), 0.000767),
    PanopticClass("table", 189, (209, 226, 140), 0.00197),
    PanopticClass("floor", 190, (96, 36, 108), 0.0252),
    PanopticClass("pavement", 191, (96, 96, 96), 0.016),
    PanopticClass("mountain", 192, (64, 170, 64), 0.0191),
    PanopticClass("grass", 193, (152, 251, 152), 0.0241),
    PanopticClass("dirt", 194, (208, 229, 228), 0.0139),
    PanopticClass("paper", 195, (206, 186, 171), 0.000366),
    PanopticClass("food", 196, (152, 161, 64), 0.000138),
    PanopticClass("building", 197, (116, 112, 0), 0.0371),
    PanopticClass("rock", 198, (0, 114, 143), 0.0119),
    PanopticClass("wall", 199, (102, 102, 156), 0.113),
    PanopticClass("rug", 200, (250, 141, 255), 0.0017),
)

CLASSES = THINGS + STUFF
NAMES = tuple(entry.name for entry in CLASSES)
YT360_FRACTION_NONE = 0.186

# Joint numbers in the paper's order: the 16 most frequent things, then the 16 most frequent stuff.
SUBSET = (
    *(0, 2, 4, 8, 3, 6, 62, 56, 60, 55, 59, 25, 5, 7, 58, 66),
    *(120, 132, 117, 119, 130, 123, 126, 101, 125, 124, 106, 127, 131, 104, 103, 116),
)


def palette() -> np.ndarray:
    """Return the color of every joint number, uint8 (135, 3); black for none."""
    return np.array([entry.color for entry in CLASSES] + [(0, 0, 0)], dtype=np.uint8)


def join(things: np.ndarray, stuff: np.ndarray) -> np.ndarray:
    """Return joint numbers, uint8; a pixel with both a thing and stuff is the thing.

    Args:
        things: uint8 in [0, 80], any shape.
        stuff: uint8 in [0, 54], the same shape.
    """
    return np.where(things < NO_THING, things, stuff + np.uint8(NUM_THINGS)).astype(np.uint8)


def split(joint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps of things and stuff, uint8, of joint numbers; the inverse of `join`."""
    is_thing = joint < NUM_THINGS
    things = np.where(is_thing, joint, NO_THING).astype(np.uint8)
    stuff = np.where(is_thing, NO_STUFF, joint - np.uint8(NUM_THINGS) * ~is_thing)
    return things, stuff.astype(np.uint8)


def number_of(name: str) -> int | None:
    """Return the joint number of a class by any of its usual names, or None.

    COCO's names have endings that the shorter names lack: ``tree-merged`` is ``tree``,
    ``wall-other-merged`` is ``wall``. Underscores, spaces and case are ignored.
    """
    wanted = _normalized(name)
    for number, known in enumerate(NAMES):
        if _normalized(known) == wanted and number != NUM_THINGS:
            return number
    return None


def _normalized(name: str) -> str:
    plain = "-".join(name.lower().replace("_", " ").replace("-", " ").split())
    return plain.removesuffix("-merged").removesuffix("-other").removesuffix("-stuff")
