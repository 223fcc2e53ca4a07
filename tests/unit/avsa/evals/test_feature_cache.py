"""Cached features: which samples, and what happens to damaged clips, parts and disks."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch
from helpers.errors import user_error
from safetensors.torch import load_file, save_file

from avsa.evals import feature_cache as cache
from avsa.evals.base import Context
from avsa.evals.feature_cache import plain_spec, view_features
from avsa.evals.subject import open_subject
from avsa.training.distributed import World
from yt360.shards.format.reader import ShardReader


@pytest.fixture(scope="module")
def subject(scene_run):
    return open_subject(str(scene_run.run), "cpu")


@pytest.fixture
def context(scene_run, subject, tmp_path):
    world = World(0, 1, torch.device("cpu"))
    return Context(
        subject, scene_run.dataset, world, tmp_path / "work", tmp_path / "cache", tmp_path, "x"
    )


@pytest.fixture
def spec(context):
    return replace(plain_spec(context.subject.config, "train", 2, seed=0), draws=2)


def test_samples_do_not_depend_on_batches(context, spec, monkeypatch):
    whole = view_features(context, spec)
    monkeypatch.setattr(cache, "BATCH_SIZE", 3)
    parted = view_features(replace(context, features=context.features / "parted"), spec)
    assert parted.keys == whole.keys
    for name in ("directions", "fov", "audio_start_s"):
        assert torch.equal(getattr(parted, name), getattr(whole, name))
    torch.testing.assert_close(parted.video, whole.video)


def test_clips_that_cannot_be_read_are_left_out_and_noted(context, spec, tmp_path):
    dataset = shutil.copytree(context.dataset, tmp_path / "damaged")
    clips = ShardReader(dataset, "train")
    with (dataset / "train" / clips.rows[1].shard).open("r+b") as shard:
        shard.seek(clips.rows[1].mp4_offset)
        shard.write(bytes(clips.rows[1].mp4_bytes))
    for _ in range(2):  # computed, then read
        features = view_features(replace(context, dataset=dataset), spec)
        assert features.keys == 2 * [key for key in clips.keys if key != clips.keys[1]]
        assert features.unreadable == 2 and len(features.notes) == 1
    sound = view_features(replace(context, features=tmp_path / "sound"), spec)
    assert sound.unreadable == 0 and sound.notes == ()


@pytest.mark.parametrize("damage", ["cut", "other tensors", "other shapes"])
def test_a_damaged_part_is_named(context, spec, damage, monkeypatch):
    monkeypatch.setattr(cache, "BATCH_SIZE", 4)
    monkeypatch.setattr(cache, "PART_BATCHES", 1)
    whole = view_features(context, spec)
    _, part = sorted(context.features.glob("*/part*"))
    tensors = load_file(part)
    if damage == "cut":
        part.write_bytes(part.read_bytes()[:-1])
    elif damage == "other tensors":
        save_file({"clip": tensors["clip"]}, part)
    else:
        save_file({**tensors, "video": torch.zeros(4, 7)}, part)
    with user_error("invalid", part):
        view_features(context, spec)
    part.unlink()
    assert torch.equal(view_features(context, spec).video, whole.video)


def test_a_full_disk_leaves_no_half_part(context, spec, file_size_limit):
    with file_size_limit(1500), pytest.raises(OSError, match="part-00000"):
        view_features(context, spec)
    assert not list(context.features.glob("*/*part*"))
    assert len(view_features(context, spec))
