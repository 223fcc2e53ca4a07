"""Scenes of another dataset are refused, although their names are the same."""

from __future__ import annotations

import shutil

import pytest
from helpers.errors import user_error

from avsa.evals.scene_audio import require_scenes_of
from yt360.scenes.folder import open_folder


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
    require_scenes_of(scene_dataset.dataset, "test", scene_dataset.scenes)
    with user_error("conflict", "--scenes"):
        require_scenes_of(scene_dataset.dataset, "test", other_scenes)


def test_scenes_without_audio_are_not_checked(scene_dataset, other_scenes):
    for path in other_scenes.glob("*.flac"):
        path.unlink()
    require_scenes_of(scene_dataset.dataset, "test", other_scenes)
