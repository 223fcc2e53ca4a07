"""Laws of what a run sees of a clip."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from avsa.explore.runs import as_bytes
from yt360.errors import BadItem, UserError
from yt360.explore.layers.runs import RUN_READERS, open_run, run_names
from yt360.shards.format.reader import ShardReader


@pytest.fixture(scope="module")
def explored(scene_run):
    return open_run(scene_run.run, scene_run.dataset)


@pytest.fixture(scope="module")
def seen(scene_run, explored):
    return explored.clip(ShardReader(scene_run.dataset, "test").keys[0], "test")


def test_views_have_crops_spectrograms_and_scores(explored, seen):
    facts, config = seen.facts, explored._model.config
    count = config.views.num_views
    assert len(facts["views"]) == count
    scores = np.array([view["scores"] for view in facts["views"]])
    assert scores.shape == (count, count) and (np.abs(scores) <= 1).all()
    assert facts["score"] == pytest.approx(np.diagonal(scores).mean(), abs=1e-4)
    for view in facts["views"]:
        assert abs(view["azimuth_deg"]) <= 180 and 0 < view["hfov_deg"] < 180
        with Image.open(io.BytesIO(seen.files[view["crop"]][0])) as crop:
            assert crop.size == (config.views.width, config.views.height)
        with Image.open(io.BytesIO(seen.files[view["mel"]][0])) as mel:
            assert mel.height == config.audio.num_channels * config.audio.n_mels


def test_the_evidence_covers_the_sphere(seen):
    rows, columns = seen.facts["gradcam"].values()
    content, kind = seen.files["gradcam.bin"]
    assert kind == "application/octet-stream" and len(content) == rows * columns


def test_the_same_clip_is_seen_the_same(scene_run, explored, seen):
    again = explored.clip(ShardReader(scene_run.dataset, "test").keys[0], "test")
    assert again == seen


def test_the_score_alone_is_the_one_of_the_views(scene_run, explored, seen):
    key = ShardReader(scene_run.dataset, "test").keys[0]
    assert explored.score(key, "test") == seen.facts["score"]


def test_the_identity_is_that_of_the_weights(scene_run, explored):
    again = open_run(scene_run.run, scene_run.dataset)
    assert again.identity == explored.identity
    with torch.no_grad():
        next(again._model.parameters()).add_(1)
    del again.identity
    assert again.identity != explored.identity


def test_a_clip_that_is_not_there_is_reported(explored):
    for ask in (explored.clip, explored.score):
        with pytest.raises(BadItem) as caught:
            ask("nothing-00000", "train")
        assert caught.value.reason == "no-views"


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        ([], []),
        (["runs/small"], ["small"]),
        (["a/small", "b/small", "b/large"], ["a/small", "b/small", "b/large"]),
        (["small", "x/small"], ["small", "x/small"]),
    ],
)
def test_runs_have_the_shortest_names_that_differ(paths, names):
    assert run_names([Path(path) for path in paths]) == names


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError):
        open_run(tmp_path, tmp_path)
    with pytest.raises(UserError) as caught:
        open_run(tmp_path, tmp_path, kind="other")
    assert caught.value.code == "unknown-name" and "avsa" in RUN_READERS


def test_the_maximum_of_the_evidence_is_255():
    evidence = torch.tensor([[0.0, -1.0], [0.5, 0.25]])
    assert as_bytes(evidence).tolist() == [[0, 0], [255, 128]]
    assert not as_bytes(torch.zeros(2, 2)).any()
