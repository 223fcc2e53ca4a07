"""The whole evaluation on scenes."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.errors import user_error
from helpers.scene_runs import invoke
from torch.nn.functional import one_hot

from avsa.cli import cli
from avsa.config.recipe import load_config
from avsa.data.training_order import SamplingConfig, TrainingOrder
from avsa.evals.base import Context
from avsa.evals.fit import ScheduleConfig
from avsa.evals.result import records_of
from avsa.evals.segmentation import testing
from avsa.evals.segmentation.config import SegmentationConfig
from avsa.evals.segmentation.networks import build_networks, open_subnetworks
from avsa.evals.segmentation.pictures import save_pictures
from avsa.evals.segmentation.samples import SampleSource
from avsa.evals.segmentation.tables import require_targets
from avsa.evals.segmentation.targets import CLASS_NAMES, TargetReader
from avsa.evals.segmentation.testing import SharedOrder
from avsa.evals.segmentation.testing import test as measure
from avsa.evals.segmentation.training import loss_of
from avsa.evals.subject import Evaluated
from avsa.training.distributed import World

ALONE = World(0, 1, torch.device("cpu"))
SHORT = ScheduleConfig(epochs=1, lr=1e-3)
FRAMES = 4
FEW = {"batch_size": 2, "views": 2, "schedule": SHORT}


def test_the_command_records_numbers_tables_and_pictures(own_run):
    few = [w for k in ("views=2", "schedule.epochs=1") for w in ("--set", k)]
    invoke(cli, "eval", "segmentation", own_run.run, "--data", own_run.dataset, "--inputs",
           "video+audio+context", *few)  # fmt: skip
    ((_, record),) = records_of(own_run.run)
    result = record.result
    assert {*result.metrics} == {"pixel_accuracy", "miou", "batch_pixel_accuracy", "image_miou"}
    classes, confusion = result.tables["classes"], result.tables["confusion"]
    assert [row["class"] for row in classes] == list(CLASS_NAMES)
    matrix = {row["target"]: row for row in confusion}
    assert {row["class"] for row in classes if row["pixels"]} == {*matrix}
    total = sum(row["pixels"] for row in classes)
    hits = sum(row[name] for name, row in matrix.items())
    assert result.metrics["pixel_accuracy"].value == pytest.approx(hits / total)
    iou = [row["iou"] for row in classes if row["iou"] is not None]
    assert result.metrics["miou"].value == pytest.approx(np.mean(iou))
    assert len(result.tables["epochs"]) == 1
    assert any("4 clips instead of 20" in note for note in result.notes)  # of five videos
    for name in result.pictures:
        assert (own_run.run / "eval" / "pictures" / name).read_bytes().startswith(b"\x89PNG")


def test_the_defaults_are_those_of_the_paper():
    default = SegmentationConfig()
    rates = [default.schedule.rate(epoch) for epoch in range(default.schedule.epochs)]
    assert rates == pytest.approx([1e-4] * 5 + [1e-5] * 3 + [1e-6] * 2)
    assert (default.schedule.weight_decay, default.batch_size, default.views) == (5e-4, 20, 4)
    modes = [default, replace(default, protocol="published"), replace(default, end_to_end=True)]
    assert [each._training for each in modes] == ["none", "norms", "all"]


@pytest.mark.parametrize("protocol", ["paper", "published"])
def test_views_are_those_of_the_paper(context, protocol):
    parts = open_subnetworks(context.subject, "video", False, None, 0)
    trained = replace(parts.recipe.data, video_position="random")
    recipe = replace(parts.recipe, data=trained)
    source = replace(source_of(context, parts), recipe=recipe, protocol=protocol)
    train, test = source.views(training=True), source.views(training=False)
    assert (train.hfov_min_deg, train.hfov_max_deg) == (50, 87)
    assert test.hfov_min_deg == test.hfov_max_deg == 76
    assert train.augment and test.augment == (protocol == "published")
    for views in (train, test):
        assert (views.sampler, views.audio_rotation, views.num_views) == ("uniform", "view", 2)
        assert (views.hflip_probability, views.hflip_per_view) == (0.5, False)
    assert source.data.video_position == ("middle" if protocol == "paper" else "random")
    assert source.data.windows_per_clip == 1


def test_targets_are_those_of_the_middle_of_the_window(context, monkeypatch):
    times = {}
    read = TargetReader.read

    def timed(reader, key, time_s):
        times[key] = time_s
        return read(reader, key, time_s)

    monkeypatch.setattr(TargetReader, "read", timed)
    samples = list(samples_of(context, lambda n: SharedOrder(n, 1, 2, ALONE)))
    starts = {k: t for s in samples for k, t in zip(s.batch.raw.keys, s.batch.raw.audio_start_s,
                                                    strict=True)}  # fmt: skip
    assert times == {key: start + 0.5 for key, start in starts.items()} and any(starts.values())


class Stop(Exception):
    pass


class KilledReader(TargetReader):
    """Fails for some clips."""

    def __init__(self, dataset, fatal):
        super().__init__(dataset, "train", "panoptic")
        self.fatal = fatal

    def read(self, key, time_s):
        if key in self.fatal:
            raise Stop
        return super().read(key, time_s)


def test_training_goes_on_after_a_kill_to_the_bit(context, tmp_path, monkeypatch):
    """With statistics of batches, which are part of the state."""
    monkeypatch.setattr("avsa.evals.fit.SAVE_EVERY_STEPS", 1)
    config = SegmentationConfig(**FEW, protocol="published", inputs="video+audio+context")
    before = context.subject.model.weights_hash()

    def train(work, killed=False):
        parts = open_subnetworks(context.subject, config.inputs, False, None, 0)
        networks = build_networks(parts, "norms", FRAMES, 0, ALONE)
        with context.clips("train") as clips:
            order = TrainingOrder(clips.video_ids, 2, 0, SamplingConfig(draws_per_video=1))
            second = {clips.keys[draw.clip] for draw in order.batch(1)}
            labels = KilledReader(context.dataset, second if killed else ())
            rows = config.train(networks, source_of(context, parts), clips, labels, work)
        return rows, networks.state_dict()

    whole = train(tmp_path / "whole")
    with pytest.raises(Stop):
        train(tmp_path / "killed", killed=True)
    assert list((tmp_path / "killed").iterdir())
    resumed = train(tmp_path / "killed")
    assert resumed[0] == whole[0]
    assert all(torch.equal(resumed[1][name], each) for name, each in whole[1].items())
    assert context.subject.model.weights_hash() == before


def test_each_split_goes_with_its_labels(context, monkeypatch):
    seen = []

    def record(config, networks, source, clips, labels, *_):
        seen.append((clips.split, sorted(clips.keys) == sorted(labels.keys)))
        if clips.split == "test":
            raise Stop
        return (), ()

    monkeypatch.setattr(SegmentationConfig, "train", record)
    monkeypatch.setattr(SegmentationConfig, "test", record)
    with pytest.raises(Stop):
        SegmentationConfig(**FEW).evaluate(context)
    assert seen == [("train", True), ("test", True)]


def test_the_test_draws_every_clip_so_often(context):
    parts = open_subnetworks(context.subject, "video", False, None, 0)
    networks = build_networks(parts, "none", FRAMES, 0, ALONE)
    config = SegmentationConfig(**FEW, test_draws=3)
    labels = TargetReader(context.dataset, "test", "panoptic")
    with context.clips("test") as clips:
        found = config.test(networks, source_of(context, parts), clips, labels)
        assert found.clips == 3 * len(clips)


def test_predictions_are_made_in_evaluation_mode(context):
    (sample, *_) = samples_of(context, lambda n: SharedOrder(n, 1, 2, ALONE))
    parts = open_subnetworks(context.subject, "video+audio+context", True, None, 0)
    networks = build_networks(parts, "all", FRAMES, 0, ALONE)
    torch.nn.init.normal_(networks.head.pyramid.predictor.weight)
    before = {name: each.clone() for name, each in networks.state_dict().items()}
    with torch.no_grad():
        found = networks.train().predict(sample)
        scores = networks.eval()(sample.batch.video, sample.batch.audio)
    assert torch.equal(found, scores.argmax(2)) and len(found.unique()) > 1
    assert all(torch.equal(before[name], each) for name, each in networks.state_dict().items())


def source_of(context, parts, world=ALONE):
    statistics = context.statistics(parts.recipe.audio)
    return SampleSource(parts.recipe, statistics, world, num_views=2, seed=0, protocol="paper")


def samples_of(context, order):
    parts = open_subnetworks(context.subject, "video", False, None, 0)
    labels = TargetReader(context.dataset, "test", "panoptic")
    with context.clips("test") as clips:
        yield from source_of(context, parts).testing(clips, order(len(clips)), labels)


def test_an_oracle_is_always_right_and_ranks_share_the_batches(context):
    def oracle(sample):
        return one_hot(sample.targets.long() % 255, 255).argmax(-1)

    with context.clips("test") as clips:
        count, videos = len(clips), dict(zip(clips.keys, clips.video_ids, strict=True))
    keys = {}
    for ranks in (1, 2):
        for rank in range(ranks):
            samples = samples_of(
                context,
                lambda n: SharedOrder(n, 3, 2, World(rank, ranks, ALONE.device)),  # noqa: B023
            )
            for sample in samples:
                for key, position, target in zip(
                    sample.batch.raw.keys, sample.batch.raw.positions, sample.targets, strict=True
                ):
                    keys.setdefault((key, position), []).append(target)
    assert len(keys) == 3 * count
    assert all(len(each) == 2 and torch.equal(*each) for each in keys.values())
    samples = samples_of(context, lambda n: SharedOrder(n, 1, 2, ALONE))
    found = measure(samples, oracle, videos, 2, ALONE)
    assert found.clips == count and found.pixel_accuracy == found.image_iou == 1.0
    assert found.confusion.trace(axis1=1, axis2=2).sum() == found.confusion.sum() > 0
    labelled = dict.fromkeys(sorted({*videos.values()}), 0)
    for (key, position), (target, _) in keys.items():
        labelled[videos[key]] += int((target != 255).sum()) * (position < count)
    assert found.confusion.sum((1, 2)).tolist() == [*labelled.values()] and len(labelled) > 1
    assert found.without_classes == 0 and found.pixels == count * 2 * 32 * 32


def test_the_loss_is_the_mean_over_labelled_pixels(context):
    (sample, *_) = samples_of(context, lambda n: SharedOrder(n, 1, 2, ALONE))
    parts = open_subnetworks(context.subject, "video", False, None, 0)
    networks = build_networks(parts, "none", FRAMES, 0, ALONE).double()
    double = replace(sample.batch, video=sample.batch.video.double())
    sample = replace(sample, batch=double)
    sample.targets[0, 0, :3] = 255
    with torch.no_grad():
        loss, numbers = loss_of(networks, ALONE, sample)
        scores = networks(double.video, double.audio).double().log_softmax(2).numpy()
        terms, hits = [], 0
        for index, target in np.ndenumerate(sample.targets.numpy()):
            if target != 255:
                b, k, i, j = index
                terms.append(-scores[b, k, int(target), i, j])
                hits += scores[b, k, :, i, j].argmax() == target
    assert loss.item() == pytest.approx(np.mean(terms), rel=1e-5)
    assert numbers["pixel_accuracy"].item() == pytest.approx(hits / len(terms))


def test_clips_that_cannot_be_read_are_counted_and_not_drawn(context, tmp_path):
    dataset = shutil.copytree(context.dataset, tmp_path / "dataset")
    (shard,) = (dataset / "test").glob("clips-*.tar")
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    config, context = SegmentationConfig(**FEW), replace(context, dataset=dataset)
    result = config.evaluate(context)
    assert any("2 of 4 samples" in note for note in result.notes)
    with context.clips("test") as clips:
        shard.write_bytes(b"")
        with user_error("empty", "test"):
            require_targets(
                testing.Tested(("a",), np.zeros((1, 32, 32)), math.nan, math.nan, 0, 0, 0), clips
            )
        labels, confusion = TargetReader(dataset, "test", "panoptic"), np.ones((1, 32, 32))
        samples = source_of(context, open_subnetworks(context.subject, "video", False, None, 0))
        none = samples.testing(clips, SharedOrder(len(clips), 1, 2, ALONE), labels)
        (name,) = save_pictures(context, none, torch.zeros_like, confusion)
    assert "confusion" in name


def test_models_without_a_run_take_audio_of_any_sample_rate(context, monkeypatch):
    high = load_config("avsa", ["audio.sample_rate_hz=48000"])
    monkeypatch.setattr("avsa.evals.segmentation.networks.load_config", lambda _: high)
    found = []

    def record(_, audio):
        found.append(audio.sample_rate_hz)
        raise Stop

    monkeypatch.setattr(Context, "statistics", record)
    config = SegmentationConfig(inputs="video+audio+context", end_to_end=True)
    with pytest.raises(Stop):
        config.evaluate(replace(context, subject=Evaluated("scratch", None)))
    assert found == [24000]  # that of the dataset


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kinetics", "scratch"])
def test_models_without_a_run(name, scene_run, tmp_path):
    from torchvision.models.video import r2plus1d_18  # takes 1.4 s, for slow tests alone

    weights = tmp_path / "weights.pth"
    torch.save(r2plus1d_18(num_classes=400).state_dict(), weights)
    options = {
        "kinetics": ["--kinetics-weights", weights],
        "scratch": ["--inputs", "video+audio+context", "--end-to-end"],
    }
    few = [w for k in ("batch_size=1", "views=1", "schedule.epochs=1") for w in ("--set", k)]
    invoke(cli, "eval", "segmentation", name, "--data", scene_run.dataset, "--out", tmp_path,
           *options[name], *few)  # fmt: skip
    ((_, record),) = records_of(tmp_path)
    assert record.subject.name == name and record.result.metrics["pixel_accuracy"].value >= 0
    assert ("kinetics weights" in record.data) == (name == "kinetics")
