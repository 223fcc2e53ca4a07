"""Training clips of a fold."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from helpers.action_videos import write_ucf
from helpers.errors import user_error
from helpers.in_process import in_process

from avsa.data.order import Draw
from avsa.evals.action.decoding import VideoDecoders
from avsa.evals.action.lists import read_fold
from avsa.evals.action.network import ActionNetwork, Augmentation, dropout_factors, standardized
from avsa.evals.action.training import ClipOptions, TrainingClips
from avsa.evals.action.windows import ClipShape
from avsa.evals.unreadable import Unreadable
from avsa.training.distributed import World
from avsa.views.colors import RGB_MEAN, RGB_STD

DECODERS = VideoDecoders(2, in_process)
SHAPE = ClipShape(4, 16, 12, 16)
OPTIONS = ClipOptions(SHAPE, batch_size=4, draws_per_video=2, dropout=0.5, feature_dim=8, seed=0)


@pytest.fixture(scope="module")
def fold(tmp_path_factory):
    return read_fold("ucf101", write_ucf(tmp_path_factory.mktemp("ucf"), folds=1), 1)


@pytest.fixture
def batches(fold, tmp_path):
    def read(first, count, rank=0, size=1, fold=fold, options=OPTIONS):
        world = World(rank, size, torch.device("cpu"))
        clips = TrainingClips(fold, options, world, DECODERS, Unreadable(tmp_path, "x", world))
        with closing(clips.batches(first)) as found:
            return [(b.video, b.labels, b.keep) for b in islice(found, count)], clips

    return read


def same(one, other):
    return all(
        torch.equal(*pair)
        for a, b in zip(one, other, strict=True)
        for pair in zip(a, b, strict=True)
    )


def test_batches_depend_on_the_step_alone(batches):
    whole, clips = batches(0, 8)
    assert clips.steps_per_epoch == 12 * 2 // 4
    assert same(batches(5, 3)[0], whole[5:])
    assert whole[0][0].shape == (4, 3, 4, 12, 16) and whole[0][2].shape == (4, 8)
    other, _ = batches(0, 8, options=replace(OPTIONS, seed=1))
    assert not same(other, whole)
    labels = torch.cat([labels for _, labels, _ in whole[: clips.steps_per_epoch]])
    assert labels.bincount().tolist() == [8, 8, 8]


def test_keys_of_draws_are_all_different(batches, fold):
    found = {
        clips._key(Draw(position, epoch, 0), purpose)
        for each in (fold, replace(fold, number=2))
        for seed in (0, 1)
        for clips in [batches(0, 0, fold=each, options=replace(OPTIONS, seed=seed))[1]]
        for position in (0, 1)
        for epoch in (0, 1)
        for purpose in ("window", "augmentation", "dropout")
    }
    assert len(found) == 48


def test_windows_and_dropout_differ_between_draws(batches):
    (first, second), clips = batches(0, 2)
    starts = [float(clips._load(Draw(position, 0, 0))[2].frames.mean()) for position in range(8)]
    assert len({*starts}) > 1
    assert len({tuple(row) for row in torch.cat([first[2], second[2]]).tolist()}) > 6


def test_ranks_share_a_batch(batches):
    (whole,), _ = batches(2, 1)
    parts = [batches(2, 1, rank, 2)[0][0] for rank in (0, 1)]
    assert same([map(torch.cat, zip(*parts, strict=True))], [whole])
    with user_error("conflict", "batch_size"):
        batches(0, 1, 0, 3)


def test_a_corrupt_video_is_replaced_and_reported(batches, fold, tmp_path):
    broken = fold.train[3]
    path = tmp_path / "broken.avi"
    path.write_bytes(b"x" * 100)
    videos = list(fold.train)
    videos[3] = replace(broken, path=path)
    damaged = replace(fold, train=tuple(videos))
    found, clips = batches(0, 6, fold=damaged)
    assert clips.unreadable.reasons == {broken.name: "not-media"}
    assert all(video.shape[0] == 4 for video, _, _ in found)
    assert same(batches(4, 2, fold=damaged)[0], found[4:])
    everything = replace(fold, train=tuple(replace(v, path=path) for v in fold.train))
    with user_error("empty", "--root"):
        batches(0, 1, fold=everything)


def test_a_batch_needs_as_many_videos(batches):
    with user_error("out-of-range", "batch_size"):
        batches(0, 1, options=replace(OPTIONS, batch_size=13))


def test_augmentation_is_the_same_for_all_frames_and_keyed():
    frame = torch.randint(0, 255, (1, 24, 32, 3), dtype=torch.uint8)
    frames = frame.expand(4, -1, -1, -1)
    augment, before = Augmentation(SHAPE), torch.get_rng_state()
    clip = augment(frames, 0, "x")
    assert clip.shape == (3, 4, 12, 16) and torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(clip[:, 0], clip[:, t]) for t in range(4))
    assert torch.equal(clip, augment(frames, 0, "x"))
    assert not torch.equal(clip, augment(frames, 1, "x"))


def test_augmentation_is_that_of_the_paper():
    """Clips are mirrored left-right in half of the cases, and never upside down."""
    augment = Augmentation(SHAPE)
    crop, *_, jitter, _ = augment._transform.transforms
    assert tuple(crop.scale) == (0.08, 1.0)
    assert [*map(tuple, (jitter.brightness, jitter.contrast, jitter.saturation))] == [
        (0.6, 1.4)
    ] * 3
    assert tuple(jitter.hue) == (-0.2, 0.2)
    ramp = (60 + 2 * np.arange(24)[:, None] + 3 * np.arange(32)).astype(np.uint8)
    frames = torch.from_numpy(ramp)[None, ..., None].expand(1, -1, -1, 3)
    clips = torch.stack([augment(frames, number, "x")[0, 0] for number in range(100)])
    right = (clips[..., 1:] - clips[..., :-1]).mean((1, 2))
    down = (clips[:, 1:] - clips[:, :-1]).mean((1, 2))
    assert (right > 0).float().mean() == pytest.approx(0.5, abs=0.15)
    assert (down > 0).all()
    assert len(clips.mean((1, 2)).unique()) > 90


def test_pixels_are_standardized():
    frames = torch.randint(0, 256, (2, 4, 5, 3), dtype=torch.uint8)
    literal = (frames.double().numpy() / 255 - RGB_MEAN) / RGB_STD
    assert np.allclose(standardized(frames).permute(0, 2, 3, 1), literal, atol=1e-5)


def test_dropout_keeps_the_mean():
    kept = dropout_factors(20000, 0.5, 0, "x")
    assert set(kept.tolist()) == {0.0, 2.0} and kept.mean() == pytest.approx(1, abs=0.03)
    network = ActionNetwork(torch.nn.Flatten(), 6, 3)
    video = torch.randn(2, 6)
    assert torch.equal(network(video, torch.ones(2, 6)), network(video))
    assert torch.allclose(network(video, torch.zeros(2, 6)), network.head.bias.expand(2, 3))
