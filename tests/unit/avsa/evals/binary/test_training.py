"""Heads trained on made features: oracles reach 100 %, noise stays at chance."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from helpers.made_features import BATCH, DIM, VIEWS, features_of, noise, tensor, train
from torch import nn

from avsa.evals.binary.avc_bin import AvcBinConfig
from avsa.evals.binary.avsa_bin import AvsaBinConfig
from avsa.evals.binary.heads import Heads
from avsa.evals.binary.scoring import score
from avsa.views.spectrogram import AudioConfig
from avsa.views.view_spectrograms import view_spectrograms
from yt360.ambisonics.transforms import encode
from yt360.sphere import view_rotation


def identities(generator, count=BATCH):
    """One of `DIM` things for each clip, the same in all views."""
    numbers = torch.from_numpy(generator.permutation(np.arange(count) % DIM))
    return nn.functional.one_hot(numbers, DIM).float()[:, None].expand(-1, VIEWS, -1)


def contains(metric, value=0.5):
    return metric.low <= value <= metric.high


def scored(config, heads, pairs):
    return score(heads, pairs, config.label_names, config.seed, {})


def confusion_of(tables):
    return [list(row.values()) for row in tables["confusion"]]


def test_an_oracle_of_avc_reaches_100_percent(tmp_path):
    def same(generator, _):
        features = identities(generator)
        return features, features

    config = AvcBinConfig()
    heads, _ = train(config, same, tmp_path)
    # Batches of one thing of each kind: no other clip looks the same.
    test = features_of(torch.eye(DIM)[:, None].expand(-1, VIEWS, -1), clips_of_video=1)
    metrics, tables = scored(config, heads, config.feature_pairs(test, np.random.default_rng(0)))
    assert metrics["accuracy"].value == 1.0
    assert metrics["swapped"].value == 0.5
    assert metrics["video_alone"].value == 0.5 and contains(metrics["audio_alone"])
    assert confusion_of(tables) == [["other", 8, 0], ["same", 0, 8]]


def test_an_oracle_of_alignment_reaches_100_percent(tmp_path):
    """The audio says where its source is, the video where it looks; neither knows the answer."""

    def placed(generator, turned):
        place = tensor(generator.choice([-1.0, 1.0], size=(len(turned), 1, 1)))
        heard = torch.where(turned[:, None, None], -place, place)
        return (place * torch.ones(1, VIEWS, DIM), heard * torch.ones(1, VIEWS, DIM))

    config = AvsaBinConfig()
    heads, _ = train(config, placed, tmp_path)
    video, aligned = placed(np.random.default_rng(1), torch.zeros(200, dtype=torch.bool))
    test = features_of(video, turned=-aligned, audio=aligned)
    metrics, tables = scored(config, heads, config.feature_pairs(test, np.random.default_rng(0)))
    assert metrics["accuracy"].value == 1.0
    assert all(contains(metrics[name]) for name in ("audio_alone", "video_alone", "swapped"))
    assert confusion_of(tables) == [
        ["turned", 200, 0],
        ["aligned", 0, 200],
    ]


def test_rows_of_the_confusion_matrix_are_targets():
    heads, drawn = Heads(DIM, 0), np.random.default_rng(0)
    nn.init.zeros_(heads["accuracy"][2].weight)
    heads["accuracy"][2].bias.data = tensor([0, 1])  # always "same"
    config = AvcBinConfig()
    metrics, tables = scored(config, heads, config.feature_pairs(features_of(noise(drawn)), drawn))
    assert confusion_of(tables) == [
        ["other", 0, 32],
        ["same", 0, 32],
    ]
    assert metrics["accuracy"].value == 0.5
    assert [each.chance for each in metrics.values()] == [0.5] * 4


@pytest.mark.parametrize("config", [AvcBinConfig(), AvsaBinConfig()])
def test_noise_stays_at_chance(config, tmp_path):
    heads, _ = train(config, lambda g, _: (noise(g), noise(g)), tmp_path, steps=50)
    drawn = np.random.default_rng(1)
    test = features_of(*(noise(drawn, 400) for _ in range(3)))
    metrics, _ = scored(config, heads, config.feature_pairs(test, drawn))
    assert all(contains(metric) for metric in metrics.values())


def mels_in_views(fields, azimuth):
    """Mean log-mels (B, K, D) of W, Y, Z, X in two bands, of sound fields in level views."""
    rotations = view_rotation(tensor(azimuth), torch.zeros(len(azimuth)))[:, None]
    mels = view_spectrograms(
        fields,
        rotations,
        AudioConfig(n_fft=64, hop_length=32, n_mels=2),
        torch.zeros(2),
        torch.full((2,), 9.0),
    )
    return mels.mean(-2).flatten(2).expand(-1, VIEWS, -1)


@pytest.mark.parametrize("isotropic", [True, False])
def test_audio_alone_solves_alignment_only_if_sources_stay_in_front(isotropic, tmp_path):
    drawn, count = np.random.default_rng(1), 400
    signal = tensor(drawn.normal(size=(count, 4, 64)))
    in_front = encode(signal[:, 0], tensor([1, 0, 0]).expand(count, 3))
    fields = signal * tensor([[1], [3**-0.5], [3**-0.5], [3**-0.5]]) if isotropic else in_front
    looks_at = drawn.uniform(-math.pi, math.pi, count) if isotropic else np.zeros(count)
    # The audio of a field turned by a yaw is that in a view turned the other way.
    audio, turned = (mels_in_views(fields, looks_at - yaw)
                     for yaw in (0.0, drawn.uniform(-math.pi, math.pi, count)))  # fmt: skip

    def made(generator, labels):
        rows = torch.from_numpy(generator.integers(0, count // 2, len(labels)))
        return noise(generator), torch.where(labels[:, None, None], turned[rows], audio[rows])

    config, test = AvsaBinConfig(), slice(count // 2, None)
    heads, _ = train(config, made, tmp_path)
    features = features_of(noise(drawn, count // 2), turned=turned[test], audio=audio[test])
    metrics, _ = scored(config, heads, config.feature_pairs(features, drawn))
    alone = metrics["audio_alone"]
    assert contains(alone) if isotropic else alone.low > 0.8
