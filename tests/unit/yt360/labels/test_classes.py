"""The class tables, against the published lists."""

import json

import numpy as np
import pytest
from helpers.paths import FIXTURES

from yt360.labels import classes

FIXTURE = FIXTURES / "panoptic" / "classes.json"


def test_names_ids_and_colours_are_coco_s():
    known = json.loads(FIXTURE.read_text())
    for ours, kind in ((classes.THINGS, "thing"), (classes.STUFF, "stuff")):
        assert [entry.name for entry in ours] == known[f"{kind}_classes"]
        assert [entry.coco_id for entry in ours] == known[f"{kind}_dataset_ids"]
        assert [list(entry.color) for entry in ours] == known[f"{kind}_colors"]


def test_every_pair_of_maps_survives_joining_and_splitting():
    joint = np.arange(135, dtype=np.uint8)
    things, stuff = classes.split(joint)
    assert (classes.join(things, stuff) == joint).all()
    assert (things[80:] == 80).all()
    assert (stuff[:80] == 54).all()
    assert stuff[80:].tolist() == list(range(55))


def test_a_thing_hides_stuff():
    assert classes.join(np.uint8([3, 80]), np.uint8([5, 5])).tolist() == [3, 85]


def test_the_subset_is_16_things_then_16_stuff_by_falling_share():
    things, stuff = classes.SUBSET[:16], classes.SUBSET[16:]
    assert len(things) == len(stuff) == 16
    assert max(things) < 80 <= min(stuff)
    for part, everything in ((things, range(80)), (stuff, range(80, 134))):
        shares = [classes.CLASSES[label].yt360_fraction for label in part]
        assert shares == sorted(shares, reverse=True)
        rest = set(everything) - set(part)
        assert max(classes.CLASSES[label].yt360_fraction for label in rest) <= shares[-1]


def test_shares_of_yt360_sum_to_one():
    total = sum(entry.yt360_fraction for entry in classes.CLASSES) + classes.YT360_FRACTION_NONE
    assert total == pytest.approx(1, abs=0.001)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("person", 0),
        ("Traffic_Light", 9),
        ("tree-merged", 117),
        ("wall-other-merged", 132),
        ("window-other", 116),
        ("water-other", 114),
        ("door-stuff", 87),
        ("floor-wood", 88),
        ("things", None),
        ("skyscraper", None),
    ],
)
def test_classes_are_found_by_their_usual_names(name, number):
    assert classes.number_of(name) == number


def test_the_palette_tells_none_from_all_classes():
    colors = classes.palette()
    assert colors.shape == (135, 3)
    assert colors[134].tolist() == [0, 0, 0]
    assert (colors[:134].max(1) > 0).all()


def test_published_lists(real_data):
    lines = (real_data / "yt360-release" / "panoptic-classes.txt").read_text().splitlines()
    assert list(classes.NAMES) == lines
    numbers = (real_data / "yt360-release" / "panoptic-classes-32.txt").read_text().split()
    assert list(classes.SUBSET) == [int(float(number)) for number in numbers]
