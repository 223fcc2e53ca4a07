"""Laws of the label layer."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from yt360.errors import BadItem
from yt360.explore.layers.labels import label_layer
from yt360.explore.layers.png import png_bytes
from yt360.labels.classes import CLASSES, NO_CLASS, number_of, split
from yt360.labels.format.maps import LabelMaps

PERSON, SKY = number_of("person"), number_of("sky")


class Labels(dict):
    """Label maps by key, at two maps per second."""

    info = SimpleNamespace(fps=2.0)

    def read(self, key):
        if self[key] is None:
            raise BadItem("labels-damaged", key)
        return LabelMaps(*split(self[key]))


def maps() -> np.ndarray:
    """Return a person in the front, sky above the horizon, nothing below it."""
    joint = np.full((3, 4, 8), NO_CLASS, np.uint8)
    joint[:, :2] = SKY
    joint[:, 1:3, 3:5] = PERSON
    return joint


def test_maps_times_and_legend():
    layer = label_layer(Labels(a=maps()), "a")
    assert (layer.maps == maps()).all()
    assert layer.facts["times_s"] == [0.0, 0.5, 1.0]
    sky, person = layer.facts["legend"]
    assert (sky["id"], sky["name"], sky["fraction"]) == (SKY, "sky", 14 / 32)
    assert (person["id"], person["fraction"]) == (PERSON, 4 / 32)
    rgb = tuple(int(person["color"][place : place + 2], 16) for place in (1, 3, 5))
    assert person["color"][0] == "#" and rgb == CLASSES[PERSON].color


def test_a_clip_without_labels_has_no_layer():
    assert label_layer(Labels(), "a") is None


def test_damaged_labels_are_reported():
    with pytest.raises(BadItem) as caught:
        label_layer(Labels(a=None), "a")
    assert caught.value.reason == "labels-damaged"


def test_a_png_has_the_class_numbers(tmp_path):
    file = tmp_path / "0.png"
    file.write_bytes(png_bytes(maps()[0]))
    with Image.open(file) as image:
        assert image.mode == "L" and (np.asarray(image) == maps()[0]).all()
