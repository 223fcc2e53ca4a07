"""Agreement between sets of labels."""

import numpy as np
import pytest
from helpers.errors import user_error

from yt360.labels.class_counts import count_labels
from yt360.labels.compare import Agreement, align, compare, parse_set
from yt360.labels.format.label_set import LabelSet
from yt360.labels.format.maps import encode_labels
from yt360.labels.shard_task import shard_tasks


def add_labels(dataset, name, maps, fps=4.0):
    """Write a set of labels: key -> (T, H, W)."""
    height, width = next(iter(maps.values())).shape[1:]
    LabelSet(name=name, fps=fps, height=height, width=width, made_by={}).create(dataset)
    for work in shard_tasks(dataset, ("train", "test")):
        made = {
            work.reader.keys[clip]: encode_labels(maps[work.reader.keys[clip]])
            for clip in work.clips
            if work.reader.keys[clip] in maps
        }
        if made:
            work.write(name, made)


def test_a_set_agrees_with_itself(dataset, clips, random_maps):
    add_labels(dataset, "panoptic", {key: random_maps(n) for n, key in enumerate(clips)})
    found = compare(str(dataset), f"{dataset}:panoptic")
    assert (found.clips, found.only_a, found.only_b, found.damaged) == (6, 0, 0, 0)
    assert found.pixel_accuracy == 1
    assert found.mean_iou == 1


def test_numbers_are_those_of_a_literal_count(dataset, clips, random_maps):
    keys = list(clips)
    one = {key: random_maps(n) % 7 for n, key in enumerate(keys[:4])}
    two = {key: random_maps(9 + n) % 9 for n, key in enumerate(keys[1:5])}
    for maps in (one, two):
        for each in maps.values():
            each[0, :2] = 134  # none
    two[keys[1]][0, 0] = 3
    add_labels(dataset, "one", one)
    add_labels(dataset, "two", two)
    found = compare(f"{dataset}:one", f"{dataset}:two")
    assert (found.clips, found.only_a, found.only_b) == (3, 1, 1)
    a = np.stack([one[key] for key in keys[1:4]])
    b = np.stack([two[key] for key in keys[1:4]])
    labelled = a != 134
    assert found.pixel_accuracy == pytest.approx((a == b)[labelled].mean())
    for label in range(9):
        both = ((a == label) & (b == label) & labelled).sum()
        union = (((a == label) | (b == label)) & labelled).sum()
        assert found.iou[label] == pytest.approx(both / union)
    assert np.isnan(found.iou[9:]).all()
    assert found.mean_iou == pytest.approx(found.iou[:9].mean())


def test_unlabelled_pixels_count_in_the_agreement_of_all(dataset, clips, random_maps):
    key = next(iter(clips))
    full = random_maps() % 7
    holey = full.copy()
    holey[:, :3] = 134
    full[:, 0] = 134
    add_labels(dataset, "holey", {key: holey})
    add_labels(dataset, "full", {key: full})
    found = compare(f"{dataset}:holey", f"{dataset}:full")
    assert (found.pixel_accuracy, found.mean_iou) == (1, 1)  # of what both label, all is alike
    assert found.pixel_agreement == pytest.approx((full == holey).mean())
    assert found.unlabelled == pytest.approx((3 / 8, 1 / 8))
    assert found.labelled_in_one == pytest.approx(2 / 8)
    text = "\n".join(found.lines())
    for line in ("same answer        0.7500", "unlabelled in A    0.3750", "in one    0.2500"):
        assert line in text


def test_the_table_names_classes_by_falling_share():
    confusion = np.zeros((135, 135), dtype=np.int64)
    confusion[0, 0], confusion[0, 120], confusion[120, 120], confusion[120, 134] = 30, 10, 80, 20
    lines = Agreement(confusion, 1, 0, 0, 0).lines()
    assert lines[-2].split() == ["sky", "71.43%", "64.29%", "0.727", "0.800", "0.889"]
    assert lines[-1].split() == ["person", "28.57%", "21.43%", "0.750", "0.750", "1.000"]


def test_maps_of_other_sizes_and_rates_are_looked_up_at_the_nearest_place():
    maps = np.arange(2 * 2 * 4).reshape(2, 2, 4)
    finer = align(maps, (4, 4, 8), 0.5)
    assert (finer[:, ::2, ::2] == maps[[0, 1, 1, 1]]).all()
    assert (finer[:, 1::2, 1::2] == finer[:, ::2, ::2]).all()
    assert (align(maps, maps.shape, 1.0) == maps).all()
    assert (align(np.repeat(maps, 2, axis=0), maps.shape, 2.0) == maps).all()


def test_sets_of_different_sizes_are_compared(dataset, clips, random_maps):
    key = next(iter(clips))
    maps = random_maps()
    add_labels(dataset, "small", {key: maps})
    doubled = maps.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    add_labels(dataset, "large", {key: doubled}, fps=8.0)
    assert compare(f"{dataset}:small", f"{dataset}:large").pixel_accuracy == 1


def test_what_cannot_be_compared_is_told(dataset, clips, random_maps):
    keys = list(clips)
    add_labels(dataset, "one", {keys[0]: random_maps()})
    add_labels(dataset, "two", {keys[1]: random_maps()})
    with user_error("empty"):
        compare(f"{dataset}:one", f"{dataset}:two")
    with user_error("missing", key="--name"):
        compare(f"{dataset}:one", f"{dataset}:three")


def test_damaged_labels_are_counted(dataset, clips, random_maps):
    keys = list(clips)[:2]
    add_labels(dataset, "one", {key: random_maps() for key in keys})
    add_labels(dataset, "two", {keys[0]: random_maps(), keys[1]: np.full((1, 8, 16), 200)})
    found = compare(f"{dataset}:one", f"{dataset}:two")
    assert (found.clips, found.damaged) == (1, 1)


def test_names_of_sets(tmp_path):
    odd = tmp_path / "a:b"
    odd.mkdir()
    assert parse_set(str(odd)) == (odd, "panoptic")
    assert parse_set(f"{odd}:released") == (odd, "released")
    assert parse_set("data") == (parse_set("data:panoptic")[0], "panoptic")


def test_the_histogram_counts_every_pixel(dataset, clips, random_maps):
    keys = list(clips)[:3]
    maps = {key: random_maps(n) for n, key in enumerate(keys)}
    maps[keys[0]][:] = 120
    add_labels(dataset, "panoptic", maps)
    stats = count_labels(dataset)
    everything = np.concatenate([each.ravel() for each in maps.values()])
    assert (stats.pixels == np.bincount(everything, minlength=135)).all()
    assert stats.fractions.sum() == pytest.approx(1)
    assert (stats.clips, stats.all_clips, stats.maps, stats.damaged) == (3, 6, 12, 0)
    assert stats.clips_of[120] == sum(bool((each == 120).any()) for each in maps.values())
    top = stats.most_frequent()
    assert len(top) == 32
    assert top[0] == 120
    assert sorted(top, key=lambda label: -stats.pixels[label]) == top
    assert stats.pixels[top[-1]] >= np.delete(stats.pixels[:134], top).max()


def test_the_histogram_stands_beside_the_paper_s(dataset, clips):
    key = next(iter(clips))
    maps = np.full((2, 4, 8), 120, dtype=np.uint8)
    maps[0, 0] = 77  # teddy bear: none of the paper's 32
    maps[1, 0] = 134
    add_labels(dataset, "panoptic", {key: maps})
    stats = count_labels(dataset)
    text = "\n".join(stats.lines())
    assert "sky *" in text
    assert "teddy bear  " in text
    above, below = text.split("of the paper, not above")
    assert "sky" in above
    assert len(below.strip().splitlines()) == 1 + 31
    content = stats.to_json()
    assert content["classes"]["sky"] == {"fraction": 0.75, "clips": 1, "yt360_fraction": 0.167}
    assert content["fraction_none"] == 0.125
    assert content["clips_without_labels"] == 5
