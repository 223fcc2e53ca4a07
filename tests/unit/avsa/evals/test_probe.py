"""Probes: laws of the heads, the targets of scenes, and the command."""

from __future__ import annotations

import json
import math
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.errors import user_error
from helpers.scene_runs import invoke
from helpers.small_datasets import write_dataset

from avsa.cli import cli
from avsa.data.clips import open_clips
from avsa.evals.localization.evaluation import LocalizationConfig
from avsa.evals.probe.evaluation import ProbeConfig, Views
from avsa.evals.probe.heads import probe
from avsa.evals.probe.targets import Target, label_targets, scene_targets, scenes_of
from avsa.evals.result import records_of
from avsa.evals.run import evaluate
from avsa.evals.subject import Evaluated, open_subject
from avsa.training.distributed import World
from yt360.randomness import keyed_generator
from yt360.scenes.collection import SceneCollection
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.directions import SourceLabel
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.schema import CLIP_MEMBERS
from yt360.sphere import azimuth_elevation, direction
from yt360.splits import SPLITS

CLASSES = np.array(["bird", "car", "dog"])


def draw(count, purpose):
    """Draw noise (count, 6), classes (count,) and angles (count,)."""
    generator = keyed_generator("probes", purpose)
    numbers = generator.integers(3, size=count)
    angles = generator.uniform(-np.pi, np.pi, count)
    return generator.normal(size=(count, 6)), numbers, angles


def answers(_, numbers, angles):
    return np.column_stack([np.eye(3)[numbers], np.cos(angles), np.sin(angles)])


@pytest.mark.parametrize("head", ["linear", "k-nn"])
def test_features_that_contain_the_answer_reach_it(head):
    train, test = draw(1000, "train"), draw(200, "test")
    features = answers(*train), answers(*test)
    options = {"regularization": 0.01, "neighbors": 2}
    hits = probe(head, features, (CLASSES[train[1]], CLASSES[test[1]]), False, **options)
    errors = probe(head, features, (train[2], test[2]), True, **options)
    assert hits.mean() == 1 and errors.max() < (0.01 if head == "linear" else 5)


@pytest.mark.parametrize("head", ["linear", "k-nn"])
def test_shuffled_values_stay_at_chance(head):
    train, test = draw(300, "train"), draw(300, "test")
    features = tuple(np.column_stack([each[0], answers(*each)]) for each in (train, test))
    hits, errors = [], []
    for order in (keyed_generator("shuffle", number).permutation(300) for number in range(10)):
        hits.append(
            probe(head, features, (CLASSES[train[1]][order], CLASSES[test[1]]), False).mean()
        )
        errors.append(probe(head, features, (train[2][order], test[2]), True).mean())
    for found, chance in ((hits, 1 / 3), (errors, 90)):
        low, high = np.mean(found) + np.array([-3, 3]) * np.std(found) / np.sqrt(10)
        assert low <= chance <= high


def test_a_constant_prediction_is_the_majority_or_the_mean_direction():
    nothing = np.zeros((4, 1)), np.zeros((2, 1))
    majority = np.array(["dog", "dog", "car", "bird"]), np.array(["dog", "car"])
    assert probe("constant", nothing, majority, False).tolist() == [1, 0]
    around = np.radians([170, -170, 160, -160]), np.radians([180, -90])
    assert probe("constant", nothing, around, True) == pytest.approx([0, 90])


def test_probes_do_not_depend_on_the_scales_of_features():
    train, test = draw(60, "train"), draw(30, "test")
    features = [np.column_stack([each[0], answers(*each)]) for each in (train, test)]
    scaled = [each * 10.0 ** np.arange(-4, 7) for each in features]
    values = CLASSES[train[1]], CLASSES[test[1]]
    for head in ("linear", "k-nn"):
        plain, other = (probe(head, each, values, False) for each in (features, scaled))
        assert np.array_equal(plain, other) and plain.mean() > 0


def test_regularization_makes_linear_probes_answer_the_majority():
    numbers = np.array([0] * 30 + [1] * 10)
    values, features = (CLASSES[numbers],) * 2, (np.eye(2)[numbers],) * 2
    hits = [probe("linear", features, values, False, regularization=strength).mean()
            for strength in (1e-3, 1e6)]  # fmt: skip
    assert hits == [1.0, 0.75]


def views_of(numbers, values, video_ids):
    """Samples of one view whose video shows a number, and whose audio is noise."""
    noise = keyed_generator("audio", len(numbers)).normal(size=(len(numbers), 1, 3))
    features = SimpleNamespace(
        video=torch.from_numpy(np.eye(3)[numbers][:, None]),
        audio=torch.from_numpy(noise),
        video_ids=video_ids,
    )
    everywhere = np.ones((len(numbers), 1), bool)
    return Views(features, {"source": Target(CLASSES[values][:, None], False, everywhere)})


@pytest.mark.parametrize("head", ["linear", "k-nn"])
def test_a_probe_stands_beside_its_controls(head):
    known, seen, truth = (np.repeat(*each) for each in (
        ([0, 1, 2], [40, 20, 20]),
        ([0, 1], [10, 10]),
        ([0, 2], [10, 10]),  # the video b shows something else
    ))  # fmt: skip
    train = views_of(known, known, [str(n) for n in range(80)])
    test = views_of(seen, truth, ["a"] * 10 + ["b"] * 10)
    config = ProbeConfig(regularization=0.01, neighbors=3)
    for inputs in ("video", "both"):
        metric, row = config._probe(train, test, "source", inputs, head)
        assert metric.value == row["value"] == 0.5
        assert (metric.low, metric.high) == (0.0, 1.0)  # over two videos
        assert metric.chance == row["constant"] == 0.5  # the majority is right for a
        assert (row["training_views"], row["test_views"]) == (80, 20)
    metric, row = config._probe(train, train, "source", "video", head)
    assert metric.value == 1 and row["shuffled"] < 0.8


def test_targets_are_those_of_the_middle_of_the_audio(scene_run, monkeypatch):
    module, asked = "avsa.evals.probe.evaluation", {}
    features = SimpleNamespace(keys=["k"], audio_start_s=torch.tensor([1.25]), directions=0, fov=0)

    def found(keys, times_s, *_):
        asked.update(zip(keys, times_s, strict=True))
        return {}

    def spied(_, spec):
        asked["split"] = spec.split
        return features

    monkeypatch.setattr(f"{module}.view_features", spied)
    subject = open_subject(str(scene_run.run), "cpu")
    ProbeConfig()._views(SimpleNamespace(subject=subject), "test", found)
    assert asked == {"split": "test", "k": 1.75}


def test_targets_are_relative_to_the_view(scene_run):
    name = "scene-0000-0000"
    key = f"{name}-00001"
    (scene,) = scenes_of(SceneCollection(scene_run.scenes), [key]).values()
    towards = torch.from_numpy(scene.directions(np.array([1.5]))[0][scene.sounding])
    azimuth, elevation = azimuth_elevation(towards[0])
    beside = direction(azimuth + math.radians(5), elevation)
    centres, fov = torch.stack([towards[0], beside, -towards.sum(0)]), torch.full((1, 3, 2), 0.6)
    targets = scene_targets({name: scene}, [key], [0.5], centres[None], fov)
    sources = [item.kind.name for item in scene.objects if item.source is not None]
    assert targets["source"].values[0, 0] == sources[0]
    assert set(targets["place"].values.flat) == {scene.place.name}
    assert set(targets["count"].values.flat) == {len(sources)}
    assert targets["visible_source"].views.tolist() == [[True, True, False]]
    assert np.degrees(targets["azimuth"].values[0, :2]) == pytest.approx([0, -5], abs=0.5)
    assert np.degrees(targets["elevation"].values[0, :2]) == pytest.approx([0, 0], abs=0.5)


def test_targets_of_labels_are_defined_while_a_source_is_active():
    labels = {("a", 0.5): [SourceLabel(5, 8, 0, 90.0, 0.0, None), SourceLabel(5, 3, 1, 0, 0, None)]}
    truth = SimpleNamespace(labels=lambda key, time_s: labels.get((key, time_s), []))
    azimuths = torch.tensor([math.radians(80), 0.0, math.pi], dtype=torch.float64)
    centres = direction(azimuths, torch.zeros(3, dtype=torch.float64)).expand(2, 3, 3)
    targets = label_targets(truth, ["a", "b"], [0.5, 0.5], centres, torch.full((2, 3, 2), 0.6))
    assert targets["source"].values[0, :2].tolist() == ["8", "3"]
    assert np.degrees(targets["azimuth"].values[0, :2]) == pytest.approx([10, 0])
    assert targets["count"].values.tolist() == [[2] * 3, [0] * 3] and targets["count"].views.all()
    for name in ("source", "azimuth", "elevation"):
        assert targets[name].views.tolist() == [[True] * 3, [False] * 3]
    assert targets["visible_source"].views.tolist() == [[True, True, False], [False] * 3]
    assert not targets["place"].views.any()


def test_labels_that_are_stored_with_the_clips_are_probed_and_located(own_run, tmp_path):
    quiet = ShardReader(own_run.dataset, "test").keys[0]  # labelled only after its end

    def label(facts):
        azimuth = 37.0 * int(facts["video_id"][-1]) % 180
        first = 900 if f"{facts['video_id']}-{facts['start_s']:05d}" == quiet else 0
        rows = [[first + frame, int(azimuth) % 3, 0, azimuth, 0.0, None] for frame in range(40)]
        return {**facts, "directions": {"frame_s": 0.1, "rows": rows}}

    dataset = changed_facts(own_run.dataset, tmp_path / "labelled", label)
    subject = open_subject(str(own_run.run), "cpu")
    alone = World(0, 1, torch.device("cpu"))
    record, _ = evaluate(ProbeConfig(shuffles=1), subject, dataset, own_run.run, alone)
    assert "azimuth_both_linear" in record.result.metrics
    assert "place" in record.result.notes[-1]
    assert {"directions of train", "directions of test"} <= set(record.data)
    record, _ = evaluate(LocalizationConfig(pictures=0), subject, dataset, own_run.run, alone)
    clips = ShardReader(dataset, "test")
    assert [row["key"] for row in record.result.tables["clips"]] == list(clips.keys)[1:]
    assert "1 clips have no labelled source" in record.result.notes[-1]
    for row in record.result.tables["clips"]:
        (azimuth,) = {each[3] for each in label_of(clips, row["key"])}
        assert row["centre_deg"] == pytest.approx(azimuth)


def label_of(clips, key):
    return json.loads(bytes(clips.read(clips.keys.index(key), "json")))["directions"]["rows"]


def changed_facts(dataset, folder, change):
    """Write a dataset with labelled directions whose clips have other facts."""
    splits, info = {}, DatasetInfo.load(dataset)
    for split in SPLITS:
        clips = ShardReader(dataset, split)
        samples = []
        for clip, key in enumerate(clips.keys):
            members = {name: bytes(clips.read(clip, name)) for name in CLIP_MEMBERS}
            facts = json.dumps(change(json.loads(members["json"]))).encode()
            samples.append((key, members | {"json": facts}))
        splits[split] = [samples]
    write_dataset(folder, splits)
    written = DatasetInfo.load(folder)
    replace(written, options={**info.options, "directions": True}).save(folder)
    return folder


def test_the_command_probes_a_run(own_run):
    words = ("eval", "probe", own_run.run, "--data", own_run.dataset, "--scenes", own_run.scenes)
    printed = invoke(cli, *words, "--set", "shuffles=1")
    assert all(text in printed for text in (" linear ", " k-nn ", "\nazimuth_both "))
    ((_, record),) = records_of(own_run.run)
    assert record.result.metrics["elevation_audio_k-nn"].unit == "°"
    rows = record.result.tables["probes"]
    assert {row["head"] for row in rows} == {"linear", "k-nn"}
    (place, *_) = (row for row in rows if row["target"] == "place")
    for split, column in (("train", "training_views"), ("test", "test_views")):
        with closing(open_clips(own_run.dataset, split)) as clips:
            assert place[column] == 4 * len(clips)
    assert 0 <= place["shuffled"] <= 1


def test_probes_learn_on_the_training_split(own_run, monkeypatch):
    seen = []

    def record(_, train, test, *__):
        seen.extend([train.features.keys, test.features.keys])
        raise KeyboardInterrupt

    monkeypatch.setattr(ProbeConfig, "_probe", record)
    subject = open_subject(str(own_run.run), "cpu")
    alone = World(0, 1, torch.device("cpu"))
    with pytest.raises(KeyboardInterrupt):
        evaluate(ProbeConfig(scenes=own_run.scenes), subject, own_run.dataset, own_run.run, alone)
    for split, keys in zip(("train", "test"), seen, strict=True):
        with closing(open_clips(own_run.dataset, split)) as clips:
            assert keys == list(clips.keys)


def test_scenes_that_are_missing_or_others_are_refused(scene_run, tmp_path):
    for scenes, key in ((None, "--scenes"), (tmp_path, tmp_path)):
        with user_error("missing", key):
            ProbeConfig(scenes=scenes).describe_data(Evaluated("x", None), scene_run.dataset)
    with user_error("conflict", "--scenes"):
        scenes_of(
            SceneCollection(scene_run.scenes), ["scene-0000-0001-00000", "scene-0001-0001-00000"]
        )
