"""``avsa eval localization`` on scenes: numbers, pictures, resuming, wrong requests."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner
from helpers.errors import user_error
from helpers.scene_runs import invoke
from PIL import Image

from avsa.cli import cli
from avsa.data.clips import open_clips
from avsa.data.loader import Loader
from avsa.evals.base import Context
from avsa.evals.config_options import configure
from avsa.evals.localization.localizer import Localizer, audio_energy
from avsa.evals.localization.panorama import peak
from avsa.evals.localization.peaks import PairOrder
from avsa.evals.localization.testing import LocalizationTest
from avsa.evals.result import records_of
from avsa.evals.run import evaluate
from avsa.evals.subject import open_subject
from avsa.training.distributed import World
from yt360.scenes.directions import SceneDirections

ALONE = World(0, 1, torch.device("cpu"))


class Stop(Exception):
    pass


def keys_of(run):
    return list(open_clips(run.dataset, "test").keys)


NAMES = ("", "_silent", "_swapped", "_turned", "_centre", "_energy")


def test_scenes_give_numbers_and_pictures(own_run):
    words = ("eval", "localization", own_run.run, "--data", own_run.dataset, "--device", "cpu")
    words += ("--scenes", own_run.scenes, "--pictures", 1)
    invoke(cli, *words)
    ((path, record),) = records_of(own_run.run)
    metrics = record.result.metrics
    assert list(metrics) == [f"{kind}{name}" for name in NAMES for kind in ("hits", "error")]
    for name, each in metrics.items():
        assert (0 <= each.value <= 1) if name.startswith("hits") else (0 <= each.value <= 180)
        assert each.chance > 0
    assert [row["key"] for row in record.result.tables["clips"]] == keys_of(own_run)
    (name,) = record.result.pictures
    with Image.open(path.parent / "pictures" / name) as picture:
        assert min(picture.size) > 300


def test_without_directions_there_are_pictures_only(own_run):
    words = ("eval", "localization", own_run.run, "--data", own_run.dataset, "--device", "cpu")
    invoke(cli, *words, "--clips", 1)
    ((_, record),) = records_of(own_run.run)
    assert not record.result.metrics and len(record.result.pictures) == 1
    assert "--scenes" in record.result.notes[0]


def test_clips_that_cannot_be_read_are_noted(own_run, tmp_path):
    dataset = shutil.copytree(own_run.dataset, tmp_path / "dataset")
    (shard,) = (dataset / "test").glob("clips-*.tar")
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    config = configure("localization", {"clips": 2, "pictures": 0}, {})
    record, _ = evaluate(config, open_subject(str(own_run.run), "cpu"), dataset, own_run.run, ALONE)
    assert "1 of 2 samples" in record.result.notes[1]


def test_a_table_of_directions_chooses_the_clips(own_run, tmp_path):
    key = keys_of(own_run)[1]
    table = tmp_path / "sources.csv"
    table.write_text(f"key,azimuth_deg,elevation_deg\n{key},10,0\n{key},90,0\nother-00000,0,0\n")
    config = configure("localization", {"directions": str(table), "pictures": 0}, {})
    subject = open_subject(str(own_run.run), "cpu")
    record, path = evaluate(config, subject, own_run.dataset, own_run.run, ALONE)
    assert [row["key"] for row in record.result.tables["clips"]] == [key]
    assert record.result.metrics["error_centre"].value == pytest.approx(10)
    table.write_text(table.read_text().replace("10,0", "20,0"))
    record, other = evaluate(config, subject, own_run.dataset, own_run.run, ALONE)
    assert record.result.metrics["error_centre"].value == pytest.approx(20) and other != path


@pytest.fixture
def locator(own_run, tmp_path):
    def make(world=ALONE, **options):
        subject = open_subject(str(own_run.run), "cpu")
        (tmp_path / "work").mkdir(exist_ok=True)
        context = Context(subject, own_run.dataset, world, tmp_path / "work", tmp_path / "features",
                          tmp_path, "x")  # fmt: skip
        model = subject.model
        localizer = Localizer(model, model.audio_statistics, 4, None)
        truth = SceneDirections(own_run.scenes)
        clips = open_clips(own_run.dataset, "test")
        return LocalizationTest(context, clips, localizer, truth, **options)

    return make


def test_a_killed_evaluation_goes_on_with_equal_numbers(locator, tmp_path):
    whole = locator(limit=2, pictures=0).locate_all()
    shutil.rmtree(tmp_path / "work")
    killed = locator(limit=2, part=1, pictures=0).locate_all()
    assert killed == whole and len(whole) > 1
    parts = sorted((tmp_path / "work").glob("part-*"))
    kept = json.loads(parts[0].read_text())
    kept[0]["key"] = "kept"
    parts[0].write_text(json.dumps(kept))
    parts[1].unlink()
    assert locator(limit=2, part=1, pictures=0).locate_all() == [
        replace(whole[0], key="kept"),
        *whole[1:],
    ]


def test_each_control_changes_the_audio_as_it_says(locator, monkeypatch):
    test, heard, times, yaws = locator(pictures=0, band_hz=(1000.0, 2000.0)), [], {}, set()
    of = test.truth.of

    def listen(_, __, fields):
        # The tensors are overwritten later.
        heard.append({name: replace(f, audio=f.audio.clone()) for name, f in fields.items()})
        return {"model": torch.zeros(4, 8)}

    def timed(key, time_s):
        times[key] = time_s
        return of(key, time_s)

    monkeypatch.setattr(test.localizer, "evidence", listen)
    monkeypatch.setattr(test.truth, "of", timed)
    data = replace(test.localizer.model.config.data, windows_per_clip=1, video_position="middle")
    loader = Loader(test.clips, PairOrder(test.chosen, test.clips, 0), data, 0)
    found = test.locate_all()
    for step, located in enumerate(found):
        raw, fields = loader.load(step), heard[step]
        own, other = raw.audio[0], raw.audio[1]
        assert torch.equal(fields["model"].audio, own) and fields["model"].yaw == 0
        assert torch.equal(fields["turned"].audio, own)
        assert math.radians(60) <= fields["turned"].yaw <= math.radians(300)
        assert not fields["silent"].audio.any() and fields["silent"].audio.shape == own.shape
        assert torch.equal(fields["swapped"].audio, other) and not torch.equal(own, other)
        energy = peak(audio_energy(own, loader.window_shape.sample_rate_hz, (1000.0, 2000.0)))
        assert located.peaks["energy"] == tuple(energy.tolist())
        assert times[located.key] == raw.video_start_s[0] + 0.25  # of half a second
        assert located.video_id == test.clips.video_ids[test.clips.keys.index(located.key)]
        yaws.add(fields["turned"].yaw)
    assert len(yaws) == len(found) > 1 and any(t != 0.25 for t in times.values())


def test_the_options_reach_the_test(own_run, monkeypatch):
    given = {}

    def record(*arguments, **options):
        given.update(options, localizer=arguments[2])
        raise Stop

    monkeypatch.setattr("avsa.evals.localization.evaluation.LocalizationTest", record)
    options = {"seed": 3, "clips": 5, "pictures": 1, "energy_band_hz": [100, 200], "hfov_deg": 75}
    subject = open_subject(str(own_run.run), "cpu")
    with pytest.raises(Stop):
        evaluate(configure("localization", options, {}), subject, own_run.dataset, own_run.run,
                 ALONE)  # fmt: skip
    assert given.pop("localizer").view_set.hfov_deg == 75
    assert given == {"seed": 3, "limit": 5, "pictures": 1, "band_hz": (100, 200)}


def test_hits_are_within_the_angle_of_the_option(own_run, tmp_path):
    key = keys_of(own_run)[0]
    table = tmp_path / "sources.csv"
    table.write_text(f"key,azimuth_deg,elevation_deg\n{key},30,0\n")
    subject, found = open_subject(str(own_run.run), "cpu"), []
    for within_deg in (29.0, 31.0):
        options = {"directions": str(table), "pictures": 0, "within_deg": within_deg}
        record, _ = evaluate(configure("localization", options, {}), subject, own_run.dataset,
                             own_run.run, ALONE)  # fmt: skip
        found.append(record.result.metrics["hits_centre"].value)
    assert found == [0.0, 1.0]


def test_the_audio_of_another_video_is_exchanged():
    clips = SimpleNamespace(video_ids=["a", "a", "b", "c", "c"])
    order = PairOrder([1, 2], clips, 0)
    own, other = order.batch(0)
    assert (own.clip, own.position) == (1, 1) and not list(order.replacements(own))
    assert {other.clip, *order.replacements(other)} == {2, 3, 4}
    assert order.batch(0) == PairOrder([1], clips, 0).batch(0) and order.batch(2) == []
    assert len(PairOrder([0], SimpleNamespace(video_ids=["a", "a"]), 0).batch(0)) == 1


def test_directions_of_other_data_are_refused(own_run, tmp_path):
    table = tmp_path / "sources.csv"
    table.write_text("key,azimuth_deg,elevation_deg\nother-00000,0,0\n")
    config = configure("localization", {"directions": str(table)}, {})
    subject = open_subject(str(own_run.run), "cpu")
    with user_error("conflict", table):
        evaluate(config, subject, own_run.dataset, own_run.run, ALONE)


def test_a_band_above_all_frequencies_of_the_audio_is_refused(own_run):
    config = configure("localization", {"energy_band_hz": [20000, 30000]}, {})
    subject = open_subject(str(own_run.run), "cpu")
    with user_error("out-of-range", "energy_band_hz"):
        evaluate(config, subject, own_run.dataset, own_run.run, ALONE)


@pytest.mark.parametrize(
    ("given", "code", "key"),
    [
        ({"scenes": "a", "directions": "b"}, "conflict", None),
        ({"energy_band_hz": [4000, 500]}, "conflict", None),
        ({"within_deg": 0}, "out-of-range", "within_deg"),
    ],
)
def test_wrong_options_are_refused(given, code, key):
    with user_error(code, key):
        configure("localization", given, {})


def test_help_names_the_controls():
    done = CliRunner().invoke(cli, ["eval", "localization", "--help"])
    assert done.exit_code == 0 and "--directions" in done.output
