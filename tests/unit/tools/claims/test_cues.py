from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from claims.cue_views import Cues, read_cues, summarize_pixels, summarize_sound
from claims.cues import choice_accuracy, main, turn_accuracies
from helpers.scene_runs import TINY, SceneRun

from avsa.config.recipe import load_config
from yt360.scenes.collection import SceneCollection

SEEN = ("sound", "sources")


def _made(seed: int, samples: int = 120, views: int = 4) -> Cues:
    """Return cues where the first number of the sound of a view tells whether it has a source."""
    generator = np.random.default_rng(seed)
    sound, turned = generator.normal(size=(2, samples, views, 3)).astype(np.float32)
    pictures = {
        "sources": (sound[..., :1] > 0).astype(np.float32),
        "pixels": generator.normal(size=(samples, views, 2)).astype(np.float32),
    }
    return Cues(sound, turned, pictures, [f"v{n // 2}" for n in range(samples)])


def test_heads_find_what_cues_tell_and_more_views_tell_more() -> None:
    train, test = _made(0), _made(1)
    turns = turn_accuracies(train, test, SEEN, 0)
    assert turns["turns, one view"].value == pytest.approx(0.75, abs=0.05)
    assert turns["turns, all views"].value > 0.85
    assert choice_accuracy(train, test, SEEN, 0)["choice"].value > 0.4


def test_sound_without_a_picture_tells_nothing() -> None:
    train, test = _made(0), _made(1)
    turns = turn_accuracies(train, test, ("sound",), 0)
    assert turns["turns, one view"].value == pytest.approx(0.5, abs=0.07)
    assert choice_accuracy(train, test, ("sound",), 0)["choice"].value == pytest.approx(0.25)


def test_a_picture_without_sound_is_right_by_chance_exactly() -> None:
    train, test = _made(0), _made(1)
    turns = turn_accuracies(train, test, ("pixels",), 0)
    assert [each.value for each in turns.values()] == [0.5, 0.5]
    assert choice_accuracy(train, test, ("pixels",), 0)["choice"].value == 0.25


def test_summaries_do_not_depend_on_the_order_of_time() -> None:
    generator = torch.Generator().manual_seed(0)
    sound = torch.randn(2, 3, 7, 20, 5, generator=generator)
    video = torch.rand(2, 3, 3, 4, 9, 6, generator=generator)
    assert summarize_sound(sound).shape == (2, 3, 7 * 5 * 3)
    assert summarize_pixels(video).shape == (2, 3, 18)
    np.testing.assert_allclose(summarize_sound(sound.flip(-2)), summarize_sound(sound), atol=1e-5)
    np.testing.assert_allclose(summarize_pixels(video.flip(3)), summarize_pixels(video), atol=1e-5)
    np.testing.assert_allclose(summarize_pixels(video.flip(-1)), summarize_pixels(video), atol=1e-5)


def test_cues_are_those_of_the_views_of_the_recipe(scene_dataset: SceneRun) -> None:
    config = load_config("small", [*TINY, "views.max_elevation_deg=40"])
    scenes = SceneCollection(scene_dataset.scenes)
    cues = read_cues(scene_dataset.dataset, "train", scenes, config, 4, 2, 0)
    assert cues.sound.shape == cues.turned.shape
    assert cues.sound.shape[:2] == (len(cues.video_ids), 4)
    elevation, objects, sources = (
        cues.pictures[name][..., 0] for name in ("elevation", "objects", "sources")
    )
    assert np.abs(elevation).max() <= np.deg2rad(40) + 1e-6
    assert (sources <= objects).all() and 0 < sources.mean() < 3
    # Turning the sound does not change its level, only its directions.
    level = slice(0, 10)
    np.testing.assert_allclose(cues.sound[..., level], cues.turned[..., level], atol=1e-3)
    assert np.abs(cues.sound - cues.turned).max() > 1


def test_the_tool_writes_a_table_and_its_numbers(
    scene_dataset: SceneRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [scene_dataset.dataset, "--scenes", scene_dataset.scenes, "--out", tmp_path / "c.json"]
    assert main([str(each) for each in paths] + ["--draws", "1", "--views", "2"]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    found = json.loads((tmp_path / "c.json").read_text())
    assert len(rows) == len(found["cues"])
    assert found["cues"]["picture"]["choice"]["value"] == 0.5
    with pytest.raises(SystemExit, match=r"scenes\.json"):
        main([str(scene_dataset.dataset), "--scenes", str(tmp_path)])
