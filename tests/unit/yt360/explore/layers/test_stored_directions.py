"""Laws of directions that are stored with clips."""

import json

import pytest
from helpers.paths import REPOSITORY

from yt360.explore.layers.stored_directions import StoredDirections, labelled_directions
from yt360.shards.format.directions import ClipDirections, SourceLabel


def label(frame, azimuth_deg, number=1, source=0):
    return SourceLabel(frame, number, source, azimuth_deg, 5.0, None)


def test_frames_without_movement_are_one_entry():
    rows = [label(0, 10.0), label(0, -90.0, 2), label(1, 10.0), label(2, 20.0), label(4, 20.0)]
    found = labelled_directions(ClipDirections(frame_s=0.1, rows=tuple(rows)))
    spans = [(e["name"], e["azimuth_deg"], e["start_s"], e["end_s"]) for e in found]
    assert spans == [
        ("class 1, source 0", 10.0, 0.0, 0.2),
        ("class 1, source 0", 20.0, 0.2, 0.3),
        ("class 1, source 0", 20.0, 0.4, 0.5),
        ("class 2, source 0", -90.0, 0.0, 0.1),
    ]


@pytest.fixture
def labelled(make_dataset):
    """Return a dataset with one clip that has a labelled source, and one that has none."""
    from helpers.small_datasets import clip_members

    samples = []
    for start_s, labels in ((0, {"frame_s": 0.1, "rows": [[0, 3, 1, 90.0, 0.0, None]]}), (3, None)):
        members = clip_members(0, "v", start_s)
        if labels is not None:
            members["json"] = json.dumps({**json.loads(members["json"]), "directions": labels})
            members["json"] = members["json"].encode()
        samples.append((f"v-{start_s:05d}", members))
    dataset = make_dataset(train=[samples])
    info = json.loads((dataset / "dataset.json").read_text())
    info["options"]["directions"] = True
    (dataset / "dataset.json").write_text(json.dumps(info))
    return dataset


def test_directions_are_read_from_the_clips(labelled):
    stored = StoredDirections.find(labelled)
    (found,) = stored.of_clip("v-00000", 3.0)
    assert (found["name"], found["azimuth_deg"]) == ("class 3, source 1", 90.0)
    assert stored.of_clip("v-00003", 3.0) == [] and stored.of_clip("w-00000", 3.0) == []


def test_shards_that_are_not_there_have_none(labelled):
    for shard in labelled.rglob("*.tar"):
        shard.unlink()
    assert StoredDirections.find(labelled).of_clip("v-00000", 3.0) == []


def test_other_datasets_have_none():
    assert StoredDirections.find(REPOSITORY / "shards") is None
