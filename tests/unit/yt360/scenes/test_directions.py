"""True directions of scenes and tables."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from helpers.errors import user_error

from yt360.scenes.directions import LabelledDirections, ListedDirections, SceneDirections
from yt360.shards.format.reader import ShardReader


def test_sources_of_scenes_are_those_of_their_ground_truth(scene_dataset):
    truth = SceneDirections(scene_dataset.scenes)
    with np.load(scene_dataset.scenes / "scene-0000-0000.truth.npz") as stored:
        expected = stored["directions"][:, stored["sounding"]]
        assert expected.shape < stored["directions"].shape  # an object of the scene is silent
        for frame in (0, 7):
            time_s = float(stored["times"][frame])
            found = truth.of("scene-0000-0000-00000", time_s)
            assert torch.allclose(found, torch.from_numpy(expected[frame]).double(), atol=1e-6)
    moves = "scene-0000-0003"
    at_start, at_end = (truth.of(f"{moves}-00000", time_s) for time_s in (0.0, 2.0))
    assert torch.equal(truth.of(f"{moves}-00002", 0.0), at_end)  # a clip from 2 s on
    assert not torch.allclose(at_start, at_end)
    keys = ShardReader(scene_dataset.dataset, "test").keys
    assert all(key in truth for key in keys)
    assert "another-00000" not in truth


def test_a_folder_without_scenes_is_refused(tmp_path):
    with user_error("missing", tmp_path):
        SceneDirections(tmp_path)


def clip_with(directions, start_s):
    facts = {"video_id": "a", "start_s": start_s, "duration_s": 1.0, "source": {"file_start_s": 0}}
    content = json.dumps(facts | ({"directions": directions} if directions else {})).encode()
    return f"a-{start_s:05d}", {"flac": b"flac", "json": content, "mp4": b"mp4"}


def test_labelled_sources_are_those_of_the_frame(make_dataset):
    rows = [[2, 8, 0, 90.0, 0.0, 1.0], [2, 1, 0, -180.0, 45.0, None], [3, 8, 0, 0.0, 0.0, None]]
    labels = {"frame_s": 0.1, "rows": rows}
    samples = [
        clip_with(labels, 0),
        clip_with(None, 10),
        clip_with({"frame_s": 0.1, "rows": []}, 20),
        clip_with({"frame_s": 0.1, "rows": ["bad"]}, 30),
    ]
    truth = LabelledDirections(ShardReader(make_dataset(test=[samples]), "test"))
    half = 0.5**0.5
    expected = torch.tensor([[0, 1, 0], [-half, 0, half]], dtype=torch.float64)
    assert torch.allclose(truth.of("a-00000", 0.25), expected, atol=1e-12)
    assert torch.allclose(truth.of("a-00000", 0.3), expected.new_tensor([[1, 0, 0]]))
    assert truth.of("a-00000", 0.7).shape == (0, 3)
    known = [key in truth for key in ("a-00000", "a-00010", "a-00020", "a-00030", "b-00000")]
    assert known == [True, False, False, False, False]


def test_a_table_has_a_row_for_each_source(tmp_path):
    path = tmp_path / "sources.csv"
    path.write_text("key,azimuth_deg,elevation_deg,what\na-00000,90,0,dog\na-00000,-180,45,bird\n")
    listed = ListedDirections(path)
    half = 0.5**0.5
    expected = torch.tensor([[0, 1, 0], [-half, 0, half]], dtype=torch.float64)
    assert torch.allclose(listed.of("a-00000", 3.0), expected, atol=1e-12)
    assert "a-00000" in listed and "b-00000" not in listed
    path.write_text(path.read_text() + "b-00000,0,0,cat\n")
    assert ListedDirections(path).fingerprint != listed.fingerprint


@pytest.mark.parametrize(
    "text",
    [
        "key,azimuth_deg\na-00000,1\n",
        "key,azimuth_deg,elevation_deg\na-00000,left,0\n",
        "key,azimuth_deg,elevation_deg\na-00000,0\n",
        "key,azimuth_deg,elevation_deg\na-00000,0,91\n",
        "key,azimuth_deg,elevation_deg\na-00000,nan,0\n",
        "",
    ],
)
def test_bad_tables_are_refused(tmp_path, text):
    path = tmp_path / "sources.csv"
    path.write_text(text)
    with user_error("invalid", path):
        ListedDirections(path)


def test_a_missing_or_binary_table_is_refused(tmp_path):
    with user_error("invalid", tmp_path / "none.csv"):
        ListedDirections(tmp_path / "none.csv")
    path = tmp_path / "binary.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with user_error("invalid", path):
        ListedDirections(path)
