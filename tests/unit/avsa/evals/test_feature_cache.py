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
from avsa.evals.binary.avsa_bin import TurnedAudio
from avsa.evals.feature_cache import plain_spec, view_features
from avsa.evals.subject import open_subject
from avsa.training.distributed import World
from avsa.views.sampling import draw_views
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


def test_samples_have_the_fields_of_view_of_their_views(context, spec):
    varied = replace(spec.views, augment=True, hfov_min_deg=60.0, aspect_jitter=1.5)
    wide = replace(spec, views=varied)
    drawn = draw_views(varied, 0, 0, range(3))
    fov = torch.stack([drawn.hfov, drawn.vfov], -1)
    assert len(fov.unique()) == 12
    found = view_features(context, wide).fov[:3]
    assert torch.equal(found, fov)


def test_the_statistics_are_those_of_the_model(context, spec, monkeypatch):
    model = context.subject.model
    shifted = replace(model.audio_statistics, mean_db=model.audio_statistics.mean_db + 5)
    plain = view_features(context, spec)
    monkeypatch.setattr(model, "audio_statistics", shifted)
    other = view_features(context, spec)
    assert torch.equal(other.video, plain.video) and not torch.equal(other.audio, plain.audio)


def test_clips_of_another_frame_rate_are_refused(context, spec, monkeypatch):
    monkeypatch.setattr(context.subject.model, "fps", 16)
    with user_error("conflict", "--fps"):
        view_features(context, spec)


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


def test_plain_views_are_uniform_without_augmentation(subject):
    spec = plain_spec(subject.config, "test", 3, seed=5)
    assert (spec.split, spec.draws, spec.seed) == ("test", 1, 5)
    views, trained = spec.views, subject.config.views
    assert (views.num_views, views.sampler, views.audio_rotation) == (3, "uniform", "view")
    assert not views.augment and views.hfov_min_deg == trained.hfov_min_deg
    assert (spec.data.windows_per_clip, spec.data.video_position) == (1, "middle")


def test_all_that_determines_features_is_part_of_their_key(context, spec, monkeypatch):
    model, statistics = context.subject.model, context.subject.model.audio_statistics
    extra, split = TurnedAudio(0, statistics), "train"

    def key(spec=spec, statistics=statistics, extra=None):
        with context.clips(split) as clips:
            return str(cache._identity(model, clips, spec, statistics, extra))

    first = key()
    found = [
        first,
        key(replace(spec, seed=1)),
        key(replace(spec, draws=3)),
        key(replace(spec, split="test")),
        key(replace(spec, views=replace(spec.views, augment=True))),
        key(replace(spec, data=replace(spec.data, video_position="random"))),
        key(statistics=replace(statistics, mean_db=statistics.mean_db + 1)),
        key(extra=extra),
    ]
    assert key(replace(spec, data=replace(spec.data, num_workers=7))) == first
    split = "test"  # other clips
    found.append(key())
    split = "train"
    config = replace(model.config, audio=replace(model.config.audio, min_db=-90.0))
    monkeypatch.setattr(model, "config", config)
    found.append(key())
    monkeypatch.undo()
    monkeypatch.setattr(model, "weights_hash", lambda: "other")
    found.append(key())
    assert len({*found}) == len(found)
