"""Tiny scenes with labels, and a model that was trained on them for two steps."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from click import Command
from click.testing import CliRunner

from avsa.config.recipe import load_config
from avsa.training.distributed import World
from avsa.training.loop import train
from avsa.views.audio_statistics import measure_statistics, save_statistics
from yt360.cli import cli as yt360

TINY = (
    "views.height=32", "views.width=32", "audio.n_mels=16", "audio.hop_length=240",
    "data.num_workers=1", "data.video_duration_s=0.5", "data.window_gap_s=0.5",
    "sampling.draws_per_video=1", "validation.every_steps=0",
    "stages.avsa.batch_size=2", "stages.avsa.steps=2",
    "encoders.video={base_channels: 2, num_stages: 4, blocks_per_stage: 1}",
    "encoders.audio={base_channels: 2, num_stages: 4}",
)  # fmt: skip
"""Changes of the recipe ``small``: 32 x 32 views, 4 frames, 16 features."""
SCENES, DURATION_S = 8, 3


@dataclass(frozen=True)
class SceneRun:
    """A run on scenes.

    Attributes:
        scenes: Folder of the scenes with their ground truth.
        dataset: Shards of them, with the label set ``panoptic`` of their ground truth.
        run: Folder of the run.
    """

    scenes: Path
    dataset: Path
    run: Path


@pytest.fixture(scope="session")
def scene_dataset(tmp_path_factory: pytest.TempPathFactory) -> SceneRun:
    """Eight scenes of 3 s with labels; read only. `run` is where `scene_run` trains."""
    folder = tmp_path_factory.mktemp("scenes")
    made = SceneRun(folder / "scenes", folder / "dataset", folder / "run")
    form = ("--duration-s", DURATION_S, "--size", "128x64", "--fps", 8, "--preset", "easy")
    invoke(yt360, "scenes", made.scenes, "--videos", SCENES, *form, "--workers", 1)
    shape = ("--group-by", "video", "--clip-s", DURATION_S, "--height", 64, "--fps", 8)
    built = ("--out", made.dataset, *shape, "--test-fraction", 0.4, "--workers", 1)
    invoke(yt360, "build-shards", made.scenes, *built)
    truth = ("--segmenter", "truth", "--scenes", made.scenes, "--height", 64, "--views", "panorama")
    invoke(yt360, "pseudolabel", made.dataset, *truth)
    return made


@pytest.fixture(scope="session")
def scene_run(scene_dataset: SceneRun) -> SceneRun:
    """A run of two steps on `scene_dataset`; copy its folder before results are written to it."""
    config = load_config("small", TINY)
    statistics = measure_statistics(scene_dataset.dataset, config.audio, samples=8)
    save_statistics(statistics, scene_dataset.dataset, config.audio, samples=8, seed=0)
    train(config, scene_dataset.dataset, scene_dataset.run, World(0, 1, torch.device("cpu")))
    return scene_dataset


@pytest.fixture
def own_run(scene_run: SceneRun, tmp_path: Path) -> SceneRun:
    """The run of `scene_run`, copied to a folder to which a test may write."""
    shutil.copytree(scene_run.run, tmp_path / "run")
    return replace(scene_run, run=tmp_path / "run")


def invoke(program: Command, *words: object) -> str:
    """Call a command line, which must succeed; return what it prints."""
    done = CliRunner().invoke(program, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output
