"""AVC-Bin and AVSA-Bin: laws on made features, parity with literal versions, whole evaluations."""

from __future__ import annotations

import math
from contextlib import closing
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.errors import user_error
from helpers.scene_runs import invoke
from torch import nn

from avsa.cli import cli
from avsa.data.clips import open_clips
from avsa.data.loader import Loader
from avsa.data.order import Draw, TrainingOrder
from avsa.evals.binary import base
from avsa.evals.binary.avc_bin import AvcBinConfig
from avsa.evals.binary.avsa_bin import TURNED, AvsaBinConfig, draw_turn
from avsa.evals.binary.heads import SEES, Heads, decide
from avsa.evals.binary.pairing import other_rows
from avsa.evals.binary.protocol import data_of, mirror_video, views_of
from avsa.evals.config_options import configure
from avsa.evals.feature_cache import Features
from avsa.evals.fit import Fit, ScheduleConfig
from avsa.evals.result import records_of
from avsa.evals.subject import Evaluated, open_subject
from avsa.tasks.avc import AvcConfig
from avsa.training.distributed import World
from avsa.views.batch import make_batch, turn_audio
from avsa.views.sampling import ViewConfig, draw_views, stack_views
from avsa.views.spectrogram import AudioConfig, view_spectrograms
from yt360.ambisonics.transforms import encode, rotate
from yt360.randomness import keyed_generator
from yt360.sphere import view_rotation

ALONE = World(0, 1, torch.device("cpu"))
VIEWS, DIM, BATCH = 2, 8, 32
FAST = ScheduleConfig(epochs=1, lr=0.01)
SMALL = ("--set", "schedule.epochs=2", "--set", "test_draws=2", "--set", "draws_per_video=2")


# Made features


def features_of(video, turned=None, audio=None, clips_of_video=2):
    """Features of samples, `clips_of_video` of each video."""
    count = len(video)
    return Features(
        keys=[str(i) for i in range(count)],
        video_ids=[str(i // clips_of_video) for i in range(count)],
        draws=torch.zeros(count),
        audio_start_s=torch.zeros(count),
        video=video,
        audio=video if audio is None else audio,
        directions=torch.zeros(count, VIEWS, 3),
        fov=torch.zeros(count, VIEWS, 2),
        extra={} if turned is None else {TURNED: turned},
    )


def train(config, make, tmp_path, steps=50):
    """Train heads on batches of features that `make(generator, turned)` returns."""
    heads = Heads(DIM, config.seed)

    def batches(first):
        for step in range(first, steps):
            draws = [Draw(step * BATCH + slot, 0, slot) for slot in range(BATCH)]
            turned = torch.tensor([draw_turn(config.seed, 0, d.position)[0] for d in draws])
            generator = keyed_generator(config.seed, "made", step)
            yield config.training_pairs(*make(generator, turned), draws, generator)

    fit = Fit("heads", heads, FAST, steps, config.seed, ALONE, tmp_path)
    return heads, fit.run(batches, heads.loss)


def tensor(values):
    return torch.as_tensor(values, dtype=torch.float32)


def noise(generator, count=BATCH):
    return tensor(generator.normal(size=(count, VIEWS, DIM)))


def identities(generator, count=BATCH):
    """One of `DIM` things for each clip, the same in all views."""
    numbers = torch.from_numpy(generator.permutation(np.arange(count) % DIM))
    return nn.functional.one_hot(numbers, DIM).float()[:, None].expand(-1, VIEWS, -1)


def contains(metric, value=0.5):
    return metric.low <= value <= metric.high


def test_an_oracle_of_avc_reaches_100_percent(tmp_path):
    def same(generator, _):
        features = identities(generator)
        return features, features

    config = AvcBinConfig()
    heads, _ = train(config, same, tmp_path)
    # Batches of one thing of each kind: no other clip looks the same.
    test = features_of(torch.eye(DIM)[:, None].expand(-1, VIEWS, -1), clips_of_video=1)
    metrics, confusion = config.score(heads, config.test_pairs(test, np.random.default_rng(0)))
    assert metrics["accuracy"].value == 1.0
    assert metrics["swapped"].value == 0.5
    assert metrics["video_alone"].value == 0.5 and contains(metrics["audio_alone"])
    assert [list(row.values()) for row in confusion] == [["other", 8, 0], ["same", 0, 8]]


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
    metrics, confusion = config.score(heads, config.test_pairs(test, np.random.default_rng(0)))
    assert metrics["accuracy"].value == 1.0
    assert all(contains(metrics[name]) for name in ("audio_alone", "video_alone", "swapped"))
    assert [list(row.values()) for row in confusion] == [["turned", 200, 0], ["aligned", 0, 200]]


@pytest.mark.parametrize("config", [AvcBinConfig(), AvsaBinConfig()])
def test_noise_stays_at_chance(config, tmp_path):
    heads, _ = train(config, lambda g, _: (noise(g), noise(g)), tmp_path, steps=50)
    drawn = np.random.default_rng(1)
    test = features_of(*(noise(drawn, 400) for _ in range(3)))
    metrics, _ = config.score(heads, config.test_pairs(test, drawn))
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
    metrics, _ = config.score(heads, config.test_pairs(features, drawn))
    alone = metrics["audio_alone"]
    assert contains(alone) if isotropic else alone.low > 0.8


# Parity


def test_heads_have_the_paper_s_size():
    for head in Heads(512, 0).values():
        count = sum(each.numel() for each in head.parameters())
        assert count == 1024 * 512 + 512 + 512 * 2 + 2


def literal_logits(weights, video, audio):
    """Logits (P, K, 2) in float64, view by view."""
    hidden_weight, hidden_bias, weight, bias = weights
    logits = torch.zeros(*video.shape[:2], 2, dtype=torch.float64)
    for p in range(video.shape[0]):
        for k in range(video.shape[1]):
            hidden = hidden_weight @ torch.cat([video[p, k], audio[p, k]]) + hidden_bias
            logits[p, k] = weight @ torch.where(hidden > 0, hidden, 0) + bias
    return logits


def literal_step(weights, logits_of, labels, lr, weight_decay):
    """The first step of Adam with weight decay on the mean cross-entropy of all views."""
    weights = [each.detach().clone().requires_grad_() for each in weights]
    logits, losses = logits_of(weights), []
    for p, label in enumerate(labels.tolist()):
        for k in range(logits.shape[1]):
            exp = logits[p, k].exp()
            losses.append(-torch.log(exp[label] / exp.sum()))
    loss = sum(losses) / len(losses)
    gradients = [g + weight_decay * w for g, w in
                 zip(torch.autograd.grad(loss, weights), weights, strict=True)]  # fmt: skip
    # Bias correction cancels the decay of both moments in the first step.
    return loss, [w - lr * g / (g.abs() + 1e-8) for w, g in zip(weights, gradients, strict=True)]


@pytest.mark.parametrize("name", list(SEES))
def test_a_step_of_training_is_the_literal_one(name, tmp_path):
    drawn = np.random.default_rng(3)
    video, audio = (noise(drawn, 6).double() for _ in range(2))
    pairs = AvcBinConfig().training_pairs(video, audio, [Draw(i, 0, i) for i in range(6)], drawn)
    heads = Heads(DIM, 0).double()
    before = [each.clone() for each in heads[name].parameters()]
    schedule = ScheduleConfig(epochs=1, lr=0.01, weight_decay=0.1)
    rows = Fit("step", heads, schedule, 1, 0, ALONE, tmp_path).run(
        lambda _: (each for each in [pairs]), heads.loss
    )
    seen = [each if sees else torch.zeros_like(each)
            for each, sees in zip((pairs.video, pairs.audio), SEES[name], strict=True)]  # fmt: skip
    loss, after = literal_step(
        before, lambda weights: literal_logits(weights, *seen), pairs.labels, 0.01, 0.1
    )
    for ours, expected in zip(heads[name].parameters(), after, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-12)
    if name == "accuracy":
        assert rows[0]["loss"] == pytest.approx(loss.item(), rel=1e-12)
    hits = literal_logits(before, *seen).mean(1).argmax(-1) == pairs.labels
    assert rows[0][name] == hits.double().mean().item()


def test_logits_are_averaged_over_views_before_the_decision():
    # Two views say 1 by a little, one says 0 by a lot: a vote would say 1.
    logits = torch.tensor([[0.0, 1.0], [0.0, 1.0], [9.0, 0.0]])
    assert decide(torch.stack([logits, logits.flip(-1)])).tolist() == [0, 1]


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


def test_other_rows_are_uniform_over_other_groups():
    groups, generator = ["b", "a", "b", "c", "a", "b"], np.random.default_rng(0)
    counts = np.zeros((6, 6))
    for _ in range(1000):
        counts[np.arange(6), other_rows(groups, generator).numpy()] += 1
    for i, own in enumerate(groups):
        others = np.array([group != own for group in groups])
        assert not counts[i, ~others].any()
        assert np.allclose(counts[i, others] / 1000, 1 / others.sum(), atol=0.06)


# Views


def test_turning_views_is_turning_the_signals():
    generator = torch.Generator().manual_seed(0)
    audio = torch.randn(3, 4, 2400, generator=generator, dtype=torch.float64)
    yaw = torch.tensor([0.3, -2.9, 1.6])
    drawn = stack_views([draw_views(ViewConfig(num_views=5), 0, 0, i) for i in range(3)])
    assert drawn.mirror.any() and not drawn.mirror.all()
    config = AudioConfig(n_mels=16, min_db=-200)
    cos, sin, zero = yaw.cos(), yaw.sin(), 0 * yaw
    matrix = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, zero + 1], -1).view(3, 3, 3)
    # A source in front is heard at the yaw, which is positive to the left.
    assert torch.allclose(matrix[:, :, 0], torch.stack([cos, sin, zero], -1))
    expected = view_spectrograms(
        rotate(audio, matrix.double()), drawn.rotations, config, torch.zeros(16), torch.ones(16)
    )
    turned = view_spectrograms(
        audio, turn_audio(drawn, yaw).rotations, config, torch.zeros(16), torch.ones(16)
    )
    torch.testing.assert_close(turned, expected, atol=1e-2, rtol=0)
    assert torch.equal(turn_audio(drawn, yaw).azimuth, drawn.azimuth)


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


def test_views_are_uniform_whatever_the_recipe_trains_with(scene_run):
    recipe = open_subject(str(scene_run.run), "cpu").config
    assert recipe.views.sampler == "energy"
    paper = views_of(recipe, "paper", 1, augment=True)
    published = views_of(recipe, "published", 4, augment=False)
    for views in (paper, published):
        assert (views.sampler, views.audio_rotation) == ("uniform", "view")
        assert (views.height, views.width) == (32, 32)
    assert (paper.hfov_min_deg, paper.hflip_probability, paper.num_views) == (90.0, 0.5, 1)
    assert (published.hfov_min_deg, published.hflip_probability) == (25.05, 0.0)


def test_published_training_mirrors_half_of_the_videos_alone():
    video = torch.arange(6.0).expand(50, 4, 3, 2, 2, 6)
    raw = SimpleNamespace(epoch=0, positions=range(50))
    mirrored = mirror_video(SimpleNamespace(video=video, raw=raw), 0)
    flipped = (mirrored[..., 0] == 5).flatten(2)
    assert torch.equal(flipped.any(-1), flipped.all(-1))
    assert flipped[..., 0].float().mean() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("videos", "size"), [(2, 2), (7, 4), (31, 16), (32, 32), (50, 32)])
def test_batches_of_small_splits_are_powers_of_two(videos, size):
    split = SimpleNamespace(split="train", video_ids=[str(i) for i in range(videos)])
    config = AvcBinConfig()
    assert config._batch_size(videos) == size
    assert len(list(config._small_split(split))) == (videos < 32)


def test_a_split_of_one_video_is_refused():
    split = SimpleNamespace(split="test", video_ids=["a", "a"])
    with user_error("empty", "test"):
        list(AvcBinConfig()._small_split(split))


# Whole evaluations


def record_of(run):
    ((_, record),) = records_of(run)
    return record


def test_a_killed_evaluation_goes_on_with_the_same_numbers(own_run, tmp_path, monkeypatch):
    words = ("eval", "avsa-bin", own_run.run, "--data", own_run.dataset, *SMALL)
    invoke(cli, *words, "--out", tmp_path / "whole")
    whole = record_of(tmp_path / "whole").result
    assert [row["epoch"] for row in whole.tables["epochs"]] == [1, 2]
    assert set(whole.metrics) == {"accuracy", "audio_alone", "video_alone", "swapped"}
    assert all(each.low <= each.value <= each.high for each in whole.metrics.values())
    assert len(whole.notes) == 2  # both splits are smaller than a batch

    monkeypatch.setattr("avsa.evals.fit.SAVE_EVERY_STEPS", 1)
    step_of = base.BinaryConfig._features

    def killed(self, model, batch):
        if batch.raw.step == 2:
            raise OSError
        return step_of(self, model, batch)

    with monkeypatch.context() as patched, pytest.raises(OSError):
        patched.setattr(base.BinaryConfig, "_features", killed)
        invoke(cli, *words, "--out", tmp_path / "killed")
    invoke(cli, *words, "--out", tmp_path / "killed")
    assert record_of(tmp_path / "killed").result == whole


def test_translated_features_and_the_published_protocol(own_run):
    words = ("--translated", "--protocol", "published", *SMALL)
    invoke(cli, "eval", "avc-bin", own_run.run, "--data", own_run.dataset, *words)
    record = record_of(own_run.run)
    assert record.settings["translated"] and record.settings["protocol"] == "published"
    counts = [row[name] for row in record.result.tables["confusion"] for name in ("other", "same")]
    with closing(open_clips(own_run.dataset, "test")) as clips:
        assert sum(counts) == 2 * 2 * len(clips)  # pairs of each of two draws


def test_a_model_without_translation_networks_is_refused(own_run):
    subject = open_subject(str(own_run.run), "cpu")
    subject.require_model().task = AvcConfig().build(16)
    with user_error("unsupported", "translation"):
        subject.require_translation()
    with user_error("unsupported", "RUN"):
        Evaluated("scratch", None).require_translation()


@pytest.mark.parametrize(
    ("options", "settings", "code", "key"),
    [
        ({"views": 0}, {}, "out-of-range", "views"),
        ({"protocol": "other"}, {}, "unknown-name", "protocol"),
        ({"views": 4}, {"views": "1"}, "conflict", "views"),
    ],
)
def test_wrong_options_are_refused(options, settings, code, key):
    with user_error(code, key):
        configure("avc-bin", options, settings)
