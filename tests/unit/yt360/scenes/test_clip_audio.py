"""Scenes of another dataset are refused, although their names are the same."""

from __future__ import annotations

import shutil

import pytest
from helpers.errors import user_error

from yt360.labels.pseudolabel import LabelOptions, pseudolabel
from yt360.labels.segmenters.truth import TruthSegmenter
from yt360.scenes.clip_audio import require_scenes_of
from yt360.scenes.collection import SceneCollection
from yt360.scenes.folder import open_folder
from yt360.shards.format.reader import ShardReader


@pytest.fixture
def other_scenes(scene_dataset, tmp_path):
    """Scenes with the names of those of the dataset, each with the audio of the next one."""
    folder = open_folder(scene_dataset.scenes)
    names = list(folder.listed())
    shutil.copy(scene_dataset.scenes / "scenes.json", tmp_path)
    for name, following in zip(names, names[1:] + names[:1], strict=True):
        shutil.copy(folder.files(following)[0], tmp_path / f"{name}.flac")
    return tmp_path


def test_scenes_with_other_audio_are_refused(scene_dataset, other_scenes):
    clips = ShardReader(scene_dataset.dataset, "test")
    require_scenes_of(clips, SceneCollection(scene_dataset.scenes))
    with user_error("conflict", "--scenes"):
        require_scenes_of(clips, SceneCollection(other_scenes))


def test_scenes_without_audio_are_not_checked(scene_dataset, other_scenes):
    for path in other_scenes.glob("*.flac"):
        path.unlink()
    require_scenes_of(ShardReader(scene_dataset.dataset, "test"), SceneCollection(other_scenes))


def test_clips_are_not_labelled_with_the_truth_of_other_scenes(scene_dataset, other_scenes):
    options = LabelOptions(name="other", views="panorama", height=32)
    with user_error("conflict", "--scenes"):
        pseudolabel(scene_dataset.dataset, TruthSegmenter(other_scenes), options)
    assert not list(scene_dataset.dataset.rglob("*other*"))
