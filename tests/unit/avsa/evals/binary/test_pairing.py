"""The pairs of training and test, and their labels."""

from __future__ import annotations

import math
from contextlib import closing
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.made_features import BATCH, DIM, VIEWS, features_of, noise

from avsa.data.clips import open_clips
from avsa.data.loader import Loader
from avsa.data.order import Draw
from avsa.data.training_order import TrainingOrder
from avsa.evals.binary.avc_bin import AvcBinConfig
from avsa.evals.binary.avsa_bin import TURNED, AvsaBinConfig, draw_turn
from avsa.evals.binary.pairing import other_rows, shuffled_batches
from avsa.evals.protocol import data_of, views_of
from avsa.evals.subject import open_subject
from avsa.views.batch import make_batch, turn_audio


def test_negatives_of_avc_take_all_views_of_one_other_clip():
    drawn = np.random.default_rng(0)
    video, audio = noise(drawn), noise(drawn)
    draws = [Draw(i, 0, i) for i in range(BATCH)]
    pairs = AvcBinConfig().training_pairs(video, audio, draws, drawn)
    assert torch.equal(pairs.video[:BATCH], video) and torch.equal(pairs.video[BATCH:], video)
    assert torch.equal(pairs.audio[:BATCH], audio)
    assert pairs.labels.tolist() == [1] * BATCH + [0] * BATCH
    for i, each in enumerate(pairs.audio[BATCH:]):
        (source,) = [j for j in range(BATCH) if torch.equal(audio[j], each)]
        assert source != i


@pytest.mark.parametrize("config", [AvcBinConfig(), AvsaBinConfig()])
def test_pairs_of_the_test_have_audio_of_their_own_or_of_another_video(config):
    drawn, count = np.random.default_rng(0), 40
    video, audio, turned = (noise(drawn, count) for _ in range(3))
    pairs = config.feature_pairs(features_of(video, turned, audio, clips_of_video=8), drawn)
    videos = torch.arange(count) // 8
    assert torch.equal(pairs.video[pairs.video_rows], torch.cat([video, video]))
    assert pairs.video_ids == [str(int(each)) for each in videos] * 2
    aligned = pairs.audio[pairs.audio_rows[pairs.labels == 1]]
    assert torch.equal(aligned, audio) and pairs.labels.sum() == count
    if isinstance(config, AvsaBinConfig):
        assert torch.equal(pairs.audio[pairs.audio_rows[pairs.labels == 0]], turned)
        # Turned audio takes the place of turned audio.
        assert torch.equal(pairs.swapped_rows // count, pairs.audio_rows // count)
    else:
        others = pairs.audio_rows[pairs.labels == 0]
        assert (videos[others] != videos).all() and others.unique().numel() > count / 3
    assert (videos[pairs.swapped_rows % count] != videos.repeat(2)).all()


def test_other_rows_are_uniform_over_other_groups():
    groups, generator = ["b", "a", "b", "c", "a", "b"], np.random.default_rng(0)
    counts = np.zeros((6, 6))
    for _ in range(1000):
        counts[np.arange(6), other_rows(groups, generator).numpy()] += 1
    for i, own in enumerate(groups):
        others = np.array([group != own for group in groups])
        assert not counts[i, ~others].any()
        assert np.allclose(counts[i, others] / 1000, 1 / others.sum(), atol=0.06)


def test_batches_of_an_epoch_have_each_pair_at_most_once_and_go_on_anywhere():
    """With own and turned audio of 10 samples, in batches of 3."""
    drawn, alone = np.random.default_rng(0), torch.device("cpu")
    numbers = torch.arange(10.0).view(10, 1, 1)
    pairs = AvsaBinConfig().feature_pairs(features_of(numbers, numbers + 100, numbers), drawn)

    def found(first):
        batches = shuffled_batches(lambda _: pairs, 3, 6, first, 0, alone)
        return [
            torch.cat([b.video, b.audio, b.labels[:, None, None]], 1) for b in islice(batches, 12)
        ]

    batches = found(0)
    for epoch in (batches[:6], batches[6:]):
        rows = torch.cat(epoch).flatten(1)
        assert len(rows.unique(dim=0)) == 18
        assert torch.equal(rows[:, 1] >= 100, rows[:, 2] == 0)
        assert torch.equal(rows[:, 1] % 100, rows[:, 0])
    assert not torch.equal(torch.cat(batches[:6]), torch.cat(batches[6:]))
    for first in (2, 6, 7):
        assert all(map(torch.equal, found(first), batches[first:]))


class Same:
    """A model whose joint embeddings are its features."""

    device, task = torch.device("cpu"), SimpleNamespace(joint_dim=DIM)

    def joint_embeddings(self, video, audio):
        return video, audio


@pytest.mark.parametrize(("turned", "expected"), [(-1.0, 1.0), (1.0, 0.5), (2.0, 0.0)])
def test_similarity_tells_own_from_turned_audio_without_heads(turned, expected):
    video = noise(np.random.default_rng(0))
    features = features_of(video, turned=turned * video, audio=video)
    (found,) = AvsaBinConfig(views=VIEWS).without_heads(Same(), features).values()
    assert found[0].tolist() == [expected] * len(video)


def test_half_of_the_sound_fields_are_turned_by_any_yaw():
    turns = [draw_turn(0, 0, position) for position in range(2000)]
    assert np.mean([turned for turned, _ in turns]) == pytest.approx(0.5, abs=0.03)
    yaws = np.array([yaw for _, yaw in turns])
    assert np.allclose(np.histogram(yaws, 8, (-math.pi, math.pi))[0] / 2000, 1 / 8, atol=0.03)


def test_labels_say_which_audio_is_turned(scene_run):
    """In training by `adjust_views`, in the test by `TurnedAudio`."""
    model, config = open_subject(str(scene_run.run), "cpu").require_model(), AvsaBinConfig(seed=2)
    recipe, statistics = model.config, model.require_audio_statistics()
    views = views_of(recipe, "paper", 2, augment=True)
    with closing(open_clips(scene_run.dataset, "train")) as clips:
        order = TrainingOrder(clips.video_ids, 4, 0)
        raw = Loader(clips, order, data_of(recipe, "paper"), 0).load(0)

    def batch_of(adjust):
        return make_batch(raw, 0, views, recipe.audio, statistics, adjust=adjust)

    def turn_all(views, raw):
        yaws = [draw_turn(config.seed, raw.epoch, position)[1] for position in raw.positions]
        return turn_audio(views, torch.tensor(yaws))

    plain, adjusted = batch_of(None), batch_of(config.adjust_views)
    same = [torch.equal(a, b) for a, b in zip(plain.audio, adjusted.audio, strict=True)]
    labels = config.training_pairs(plain.audio, plain.audio, order.batch(0), None).labels
    assert labels.tolist() == same and 0 < sum(same) < 4
    assert torch.equal(plain.video, adjusted.video)
    with torch.no_grad():
        features = config.extra_features(statistics)(model, plain)[TURNED]
        expected = model.encoders.audio(batch_of(turn_all).audio.flatten(0, 1)).view_as(features)
    torch.testing.assert_close(features, expected)
