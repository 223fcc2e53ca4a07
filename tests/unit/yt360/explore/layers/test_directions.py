"""Laws of known directions, and of the energy and the labels where a source is."""

import math

import numpy as np
import pytest
import torch

from yt360.errors import UserError
from yt360.explore.layers.directions import STEP_S, KnownDirections
from yt360.sphere import direction


class Moving:
    """A dog that stands at the left, and a car that moves by 40° per second."""

    def __contains__(self, key):
        return key == "v-00000"

    def of(self, key, time_s):
        assert key == "v-00000"
        azimuths = torch.tensor([90.0, 40 * time_s - 10], dtype=torch.float64).deg2rad()
        return direction(azimuths, torch.zeros(2, dtype=torch.float64))

    def names(self, key):
        return [f"dog of {key}", "car"]


def test_a_source_that_stands_has_one_entry_and_one_that_moves_many():
    found = KnownDirections(Moving()).of_clip("v-00000", 2.0)
    assert found[0] == {
        "name": "dog of v-00000", "azimuth_deg": 90.0, "elevation_deg": 0.0,
        "start_s": 0.0, "end_s": 2.0,
    }  # fmt: skip
    car = found[1:]
    assert len(car) == math.ceil(2 / STEP_S) and {each["name"] for each in car} == {"car"}
    for each in car:
        middle_s = (each["start_s"] + each["end_s"]) / 2
        assert each["azimuth_deg"] == pytest.approx(40 * middle_s - 10, abs=0.01)
    assert [each["end_s"] for each in car[:-1]] == [each["start_s"] for each in car[1:]]


def test_other_clips_have_no_directions():
    assert KnownDirections(Moving()).of_clip("v-00010", 2.0) == []


def test_a_table_is_read(tmp_path):
    table = tmp_path / "directions.csv"
    table.write_text("key,azimuth_deg,elevation_deg\nv-00000,-30,15\n")
    (found,) = KnownDirections.open(table).of_clip("v-00000", 1.0)
    assert (found["name"], found["azimuth_deg"], found["elevation_deg"]) == ("source 1", -30, 15)


def test_a_missing_place_is_refused(tmp_path):
    with pytest.raises(UserError) as caught:
        KnownDirections.open(tmp_path / "scenes")
    assert caught.value.code == "missing"


def test_the_hottest_pixel_and_the_label_are_where_the_scene_has_its_source(one_source):
    """A scene with one source: truth, energy and label agree."""
    known, clip = one_source
    from yt360.ambisonics.energy_overlay import peak_deg
    from yt360.explore.layers.labels import label_layer
    from yt360.explore.layers.sound import sound_layers_of_flac
    from yt360.labels.classes import number_of
    from yt360.labels.format.reader import LabelReader

    reader, number = clip
    key = reader.keys[number]
    sound = sound_layers_of_flac(bytes(reader.read(number, "flac")), step_s=0.5)
    labels = label_layer(LabelReader(reader.dataset, reader.split), key)
    places = known.of_clip(key, 3.0)
    checked = 0
    for place in places:
        middle_s = (place["start_s"] + place["end_s"]) / 2
        step = int(middle_s / sound.step_s)
        truth = direction(*np.radians([place["azimuth_deg"], place["elevation_deg"]]).tolist())
        if sound.level_dbfs[step] > -50:
            hottest = direction(*np.radians(peak_deg(sound.energy[step])).tolist())
            angle = math.degrees(math.acos(min(1.0, float(truth @ hottest))))
            assert angle < 15  # the source moves within the step
            checked += 1
        nearest = min(range(len(labels.times_s)), key=lambda n: abs(labels.times_s[n] - middle_s))
        rows, columns = labels.maps.shape[1:]
        row = int((0.5 - place["elevation_deg"] / 180) * rows)
        column = int((0.5 - place["azimuth_deg"] / 360) * columns) % columns
        assert labels.maps[nearest, row, column] == number_of(place["name"])
    assert checked


@pytest.fixture(scope="module")
def one_source(tmp_path_factory):
    """Return the ground truth of a scene with one still source, and its labelled clip."""
    from helpers.scene_runs import invoke

    from yt360.cli import cli
    from yt360.shards.format.reader import ShardReader

    folder = tmp_path_factory.mktemp("one")
    scenes, dataset = folder / "scenes", folder / "dataset"
    form = ("--duration-s", 3, "--size", "128x64", "--fps", 8, "--preset", "easy", "--workers", 1)
    alone = (
        "--set",
        "sources=1",
        "--set",
        "distractors=0",
        "--set",
        "still_fraction=1",
        "--set",
        "noise_db=none",
    )
    invoke(cli, "scenes", scenes, "--videos", 1, *form, *alone)
    shape = ("--clip-s", 3, "--height", 64, "--fps", 8, "--test-fraction", 0, "--workers", 1)
    invoke(cli, "build-shards", scenes, "--out", dataset, *shape)
    truth = ("--segmenter", "truth", "--scenes", scenes, "--height", 64, "--views", "panorama")
    invoke(cli, "pseudolabel", dataset, *truth)
    return KnownDirections.open(scenes), (ShardReader(dataset, "train"), 0)
