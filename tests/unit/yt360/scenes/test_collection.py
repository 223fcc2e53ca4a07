from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.errors import user_error

from yt360.scenes.collection import SceneCollection
from yt360.scenes.folder import SceneFolder, open_folder
from yt360.scenes.world.parameters import PoolName, SceneFormat, choose_parameters
from yt360.scenes.world.sampling import sample_scene


def _describe(path: Path, pool: PoolName, count: int = 2) -> None:
    """Write the description of a folder of scenes, without their files."""
    parameters = choose_parameters("claims", [f"pool={pool}"])
    folder = SceneFolder(path, parameters, SceneFormat(duration_s=1.0))
    folder.prepare()
    scenes = [sample_scene(0, index, parameters, 1.0) for index in range(count)]
    folder.describe([{"name": s.name, "seed": s.seed, "index": s.index} for s in scenes])


@pytest.fixture
def two_folders(tmp_path: Path) -> Path:
    for pool in ("train", "test"):
        _describe(tmp_path / pool, pool)
    return tmp_path


def test_scenes_of_the_folders_in_a_folder_are_those_of_each(two_folders: Path) -> None:
    all_scenes = SceneCollection(two_folders)
    for pool in ("train", "test"):
        alone, name = SceneCollection(two_folders / pool), f"scene-{pool}-0000-0001"
        assert name in all_scenes and name in alone
        for collection in (all_scenes, alone):
            parameters = collection.scene(name).parameters
            assert parameters.pool == pool
        assert all_scenes.audio_file(name) == two_folders / pool / f"{name}.flac"
        moments = np.zeros(1)
        expected = alone.scene(name).directions(moments)
        np.testing.assert_array_equal(all_scenes.scene(name).directions(moments), expected)


def test_the_fingerprint_is_that_of_all_folders(two_folders: Path, tmp_path: Path) -> None:
    train = SceneCollection(two_folders / "train").fingerprint
    assert train == open_folder(two_folders / "train").fingerprint
    assert SceneCollection(two_folders).fingerprint != train
    _describe(tmp_path / "alone" / "train", "train")
    assert SceneCollection(tmp_path / "alone").fingerprint == train


def test_folders_without_scenes_or_with_scenes_of_one_name_are_refused(two_folders: Path) -> None:
    with user_error("missing", "scene-0000-0007"):
        SceneCollection(two_folders).scene("scene-0000-0007")
    _describe(two_folders / "again", "train")
    with user_error("conflict", two_folders):
        SceneCollection(two_folders)
    (two_folders / "empty").mkdir()
    with user_error("missing", two_folders / "empty"):
        SceneCollection(two_folders / "empty")
