"""Whole binary evaluations, and what they refuse."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from helpers.errors import user_error
from helpers.made_features import ALONE, FAST
from helpers.scene_runs import invoke

from avsa.cli import cli
from avsa.data.clips import open_clips
from avsa.evals.binary import base
from avsa.evals.binary.avc_bin import AvcBinConfig
from avsa.evals.binary.avsa_bin import AvsaBinConfig
from avsa.evals.binary.heads import Heads
from avsa.evals.binary.scoring import score
from avsa.evals.config_options import configure
from avsa.evals.feature_cache import view_features
from avsa.evals.protocol import hflip_video
from avsa.evals.result import records_of
from avsa.evals.run import evaluate
from avsa.evals.subject import Evaluated, open_subject
from avsa.tasks.avc import AvcConfig
from avsa.views.batch import batches
from yt360.errors import UserError

SMALL = ("--set", "schedule.epochs=2", "--set", "test_draws=2", "--set", "draws_per_video=2")


@pytest.mark.parametrize(
    ("kind", "first", "falls_after"), [("avc-bin", 1e-5, (5, 8)), ("avsa-bin", 1e-4, (8,))]
)
def test_the_defaults_are_those_of_the_paper(kind, first, falls_after):
    config = configure(kind, {}, {})
    rates = [config.schedule.rate(epoch) for epoch in range(config.schedule.epochs)]
    falls = [sum(epoch >= each for each in falls_after) for epoch in range(10)]
    assert rates == pytest.approx([first * 0.1**times for times in falls])
    assert (config.schedule.weight_decay, config.batch_size, config.views) == (1e-5, 32, 4)
    translated = configure(kind, {"translated": True}, {})
    assert (config.draws, translated.draws) == (10 if kind == "avsa-bin" else 1, 1)


def record_of(run):
    ((_, record),) = records_of(run)
    return record


@pytest.mark.parametrize("train_draws", [None, 2])
def test_a_killed_evaluation_goes_on_with_the_same_numbers(
    train_draws, own_run, tmp_path, monkeypatch
):
    once = SMALL if train_draws is None else (*SMALL[:-1], f"train_draws={train_draws}")
    words = ("eval", "avsa-bin", own_run.run, "--data", own_run.dataset, *once)
    invoke(cli, *words, "--out", tmp_path / "whole")
    whole = record_of(tmp_path / "whole").result
    assert [row["epoch"] for row in whole.tables["epochs"]] == [1, 2]
    names = {"accuracy", "audio_alone", "video_alone", "swapped", "similarity"}
    assert set(whole.metrics) == names
    assert all(each.low <= each.value <= each.high for each in whole.metrics.values())
    # Both splits are smaller than a batch, which matters if its clips are of different videos.
    assert len(whole.notes) == (3 if train_draws is None else 2)
    assert all(f"{name}: " in whole.notes[0] for name in whole.metrics)

    monkeypatch.setattr("avsa.evals.fit.SAVE_EVERY_STEPS", 1)
    calls, loss_of = [], Heads.loss

    def killed(self, pairs):
        calls.append(len(pairs.labels))
        if len(calls) == 3:
            raise OSError
        return loss_of(self, pairs)

    with monkeypatch.context() as patched, pytest.raises(OSError):
        patched.setattr(Heads, "loss", killed)
        invoke(cli, *words, "--out", tmp_path / "killed")
    invoke(cli, *words, "--out", tmp_path / "killed")
    assert record_of(tmp_path / "killed").result == whole


@pytest.mark.parametrize("change", ["draws_per_video=3", "protocol=published"])
def test_few_draws_refuse_options_that_would_do_nothing(change, own_run):
    settings = dict(each.split("=") for each in (change, "train_draws=2"))
    with pytest.raises(UserError) as error:
        evaluate(configure("avc-bin", {}, settings), open_subject(str(own_run.run), "cpu"),
                 own_run.dataset, own_run.run, ALONE)  # fmt: skip
    assert error.value.code == "conflict" and error.value.key == change.split("=")[0]


def test_training_sees_augmented_and_the_test_plain_views(own_run, monkeypatch):
    """And the head gets translated features in both."""
    seen, compared, states = {}, {}, []

    def training_batches(clips, order, seed, data, views, *rest, **options):
        seen["train"] = (clips.split, seed, views.augment, views.num_views, data.video_position)
        seen["draws"] = len(order.batch(0)) * order.steps_per_epoch
        seen["adjust"], seen["first"] = options["adjust"], options["first_step"]
        return batches(clips, order, seed, data, views, *rest, **options)

    def test_features(context, spec, extra):
        views = spec.views
        seen["test"] = (spec.split, spec.seed, views.augment, views.num_views, spec.draws)
        return view_features(context, spec, extra)

    def spied(config, video, audio, draws, generator):
        compared["train"] = video
        states.append(str(generator.bit_generator.state))
        return training_pairs(config, video, audio, draws, generator)

    def scored(heads, pairs, *rest):
        compared["test"] = pairs.video
        return score(heads, pairs, *rest)

    training_pairs = AvsaBinConfig.training_pairs
    monkeypatch.setattr(base, "batches", training_batches)
    monkeypatch.setattr(base, "view_features", test_features)
    monkeypatch.setattr(AvsaBinConfig, "training_pairs", spied)
    monkeypatch.setattr(base, "score", scored)
    subject = open_subject(str(own_run.run), "cpu")
    task = subject.require_model().task
    schedule = replace(FAST, epochs=2)
    config = AvsaBinConfig(translated=True, views=3, test_draws=2, schedule=schedule, seed=7)

    def heads(dim, seed):
        seen["heads"] = seed
        return Heads(dim, seed)

    monkeypatch.setattr(base, "Heads", heads)
    translations, forward = [], task.v2a_transformer.forward

    def translating(video):
        translations.append(forward(video))
        return translations[-1]

    monkeypatch.setattr(task.v2a_transformer, "forward", translating)
    evaluate(config, subject, own_run.dataset, own_run.run, ALONE)
    assert seen["train"] == ("train", 7, True, 3, subject.config.data.video_position)
    assert seen["test"] == ("test", 7, False, 3, 2) and seen["draws"] == 4 and seen["heads"] == 7
    assert seen["adjust"] == config.adjust_views and seen["first"] == 0
    assert not any(each.training for each in subject.require_model().modules())
    for name, translated in zip(("train", "test"), translations[1:3], strict=True):
        assert torch.equal(compared[name], translated)
    assert len({*states}) == 2  # each step draws pairs of its own


@pytest.mark.parametrize("protocol", ["paper", "published"])
def test_the_published_protocol_alone_mirrors_without_audio(protocol):
    raw = SimpleNamespace(epoch=1, positions=range(5))
    batch = SimpleNamespace(video=torch.rand(5, 4, 3, 2, 2, 6), audio=torch.rand(5, 4, 8), raw=raw)
    compute = SimpleNamespace(bfloat16="off")
    model = SimpleNamespace(config=SimpleNamespace(compute=compute), device=ALONE.device,
                            encoders=lambda video, audio: (video, audio))  # fmt: skip
    video, audio = AvcBinConfig(protocol=protocol, seed=3)._features(model, batch)
    mirrored = hflip_video(batch, 3)
    assert not torch.equal(mirrored, batch.video) and torch.equal(audio, batch.audio)
    assert torch.equal(video, mirrored if protocol == "published" else batch.video)


def test_translated_features_and_the_published_protocol(own_run):
    words = ("--translated", "--protocol", "published", *SMALL)
    invoke(cli, "eval", "avc-bin", own_run.run, "--data", own_run.dataset, *words)
    record = record_of(own_run.run)
    assert record.settings["translated"] and record.settings["protocol"] == "published"
    counts = [row[name] for row in record.result.tables["confusion"] for name in ("other", "same")]
    with closing(open_clips(own_run.dataset, "test")) as clips:
        assert sum(counts) == 2 * 2 * len(clips)  # pairs of each of two draws


def test_a_split_of_one_video_is_refused():
    with user_error("empty", "test"):
        AvcBinConfig()._count_videos(["a", "a"], "test")


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
