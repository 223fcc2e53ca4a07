"""What ``avsa train --dry-run`` tells, and that it reads nothing but the index."""

import shutil

import pytest
import torch
from click.testing import CliRunner

from avsa.commands.train import command
from avsa.config.recipe import load_config, recipe_names
from avsa.models.conv2d import Conv2DConfig
from avsa.models.encoders import EncodersConfig
from avsa.models.r2plus1d import R2Plus1DConfig
from avsa.training.curriculum import lay_out
from avsa.training.dry_run import describe_run, splits_of, yt360_splits
from avsa.training.memory import saved_bytes, stage_memory
from yt360.clip_codec.format import ClipFormat


def dry_run(*arguments):
    return CliRunner().invoke(command, ["--dry-run", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture(scope="module")
def yt360():
    return yt360_splits()


def test_every_recipe_is_listed_with_its_steps_and_hours_for_yt360():
    output = dry_run("--views-per-s", 2000).output
    rows = {line.split()[0]: line.split() for line in output.splitlines() if line}
    assert set(recipe_names()) <= rows.keys()
    assert rows["avsa"][-3:] == ["321,800", "36,041,600", "5.0"]
    assert "73,635 training clips of 4,506 videos" in output


def test_a_dry_run_prints_order_steps_schedule_views_memory_and_validation():
    output = dry_run("--recipe", "avsa", "--ranks", 4).output
    for fact in (
        "draws each video 32 times; ranks: 4", "64,350", "257,450", "321,800",
        "uniform, elevation -60° to 60°", "25° to 90° wide", "adam, 0.0001 throughout",
        "avsa, a rank: 33.0 M weights", "every 1,000 steps",
    ):  # fmt: skip
        assert fact in output
    row = next(line.split() for line in output.splitlines() if line.startswith("avsa "))
    assert row[:6] == ["avsa", "avsa", "(transformer)", "50", "28", "7"]


def test_ranks_that_cannot_share_a_batch_are_refused_as_in_training():
    result = CliRunner().invoke(command, ["--dry-run", "--recipe", "avsa", "--ranks", "8"])
    assert "start 7 or 14 ranks" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dry-run", "--ranks", "2"], "give --recipe NAME"),
        (["--dry-run", "--set", "seed=1"], "give --recipe NAME"),
        (["--dry-run", "--recipe", "avsa", "--steps", "2"], "no effect in a dry run"),
        (["--dry-run", "--recipe", "avsa", "--device", "cpu"], "no effect in a dry run"),
        (["--ranks", "2"], "need --dry-run"),
        (["--views-per-s", "2"], "need --dry-run"),
    ],
)
def test_options_that_would_do_nothing_are_refused(arguments, message):
    assert message in str(CliRunner().invoke(command, arguments).exception)


def test_only_the_index_is_read_and_nothing_is_written(tiny_dataset, tmp_path):
    folder = shutil.copytree(tiny_dataset, tmp_path / "set")
    for shard in folder.glob("*/*.tar"):
        shard.unlink()
    before = sorted(tmp_path.rglob("*"))
    output = dry_run("--data", folder, "--recipe", "avsa", "--out", tmp_path / "run").output
    assert "batch_size 112 reduced to 8" in output
    assert "16 training clips of 8 videos" in output and "draws each video 4 times" in output
    assert sorted(tmp_path.rglob("*")) == before


def test_steps_are_those_that_training_lays_out(tiny_dataset):
    splits = splits_of([tiny_dataset])
    config = load_config("avts", ["stages.avc.batch_size=4", "stages.avts.batch_size=3"])
    stages = lay_out(config, splits.video_ids, splits.shards, ranks=1)
    assert f"{stages[-1].last_step:,}" in "\n".join(describe_run(config, splits, ranks=1))


def test_activations_are_counted_as_autograd_keeps_them():
    shapes = [(2, 3, 3, 4, 16, 16), (2, 3, 4, 20, 16)]

    def counted(device):
        with torch.device(device):
            encoders = EncodersConfig(
                video=R2Plus1DConfig(base_channels=4, num_stages=2),
                audio=Conv2DConfig(base_channels=4, num_stages=2),
            ).build(4)
            return saved_bytes(encoders, [torch.zeros(shape) for shape in shapes])

    assert counted("meta") == counted("cpu") > 500_000


def test_memory_is_shared_by_ranks_and_micro_batches(yt360):
    alone = stage_memory(load_config("avsa"), "avsa", yt360.form, ranks=1)
    four = stage_memory(load_config("avsa"), "avsa", yt360.form, ranks=4)
    parts = load_config("avsa", ["optimizer.micro_batches=4"])
    small = stage_memory(parts, "avsa", yt360.form, ranks=1)
    assert alone.activations == 4 * four.activations == 4 * small.activations
    assert alone.loader == 4 * four.loader == small.loader
    assert alone.weights == four.weights
    # A clip of 0.5 s at 640 x 320 and 1 s of audio, for three batches of 28.
    clip = 8 * 640 * 320 * 3 // 2 + 4 * 24000 * 2
    assert ClipFormat() == yt360.form and alone.loader == 3 * 28 * clip
