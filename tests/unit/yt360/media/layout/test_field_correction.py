"""A wrong gain of W is measured, put right in all clips of a recording, recorded, and undone."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from helpers.errors import user_error
from helpers.fake_media import fake_convert_clips, faked_conversion
from helpers.quality_checks import inspect_inline

import yt360
from yt360.catalog import Catalog, MediaFile
from yt360.commands.dataset import build_shards, stats
from yt360.media.layout.field_correction import (
    DEAD_BAND_DB,
    MAX_RAISING_DB,
    FieldCorrection,
    field_correction,
)
from yt360.media.layout.field_gain import FieldGain, FieldGainMeter
from yt360.media.layout.sound_field import FieldAnalyzer
from yt360.shards.builder.build import build_shards as build_dataset
from yt360.shards.builder.gain_corrections import correction_of_video
from yt360.shards.builder.input_analysis import AnalysisTask, analyze_input
from yt360.shards.builder.inputs.input_video import FoundInputs
from yt360.shards.builder.inputs.search import find_inputs
from yt360.shards.builder.options import BuildOptions
from yt360.shards.builder.staging import StagingFolder, member_file
from yt360.untrusted.parsing import parse_json

RATE = 48000
LOW_DB = -4.0


def gain(broadband_db: float, *octaves_db: float, spread_db: float = 0.3) -> FieldGain:
    octaves = (None, *(octaves_db or [broadband_db] * 5))
    return FieldGain(broadband_db, octaves, spread_db)


def measured(ambix: np.ndarray, rate_hz: int = RATE) -> FieldGain:
    meter = FieldGainMeter()
    for segment in FieldAnalyzer(rate_hz).feed(ambix.astype(np.float32)):
        meter.feed(segment)
    found = meter.gain()
    assert found is not None
    return found


@pytest.mark.parametrize("mode", ["broadband", "octaves"])
@pytest.mark.parametrize("wrong_db", [-4.77, -3.01, 3.2])
def test_a_corrected_field_has_the_gain_of_ambix(media, mode, wrong_db):
    ambix = media.plane_waves(list(media.SIX_DIRECTIONS), 4.0)
    ambix[0] *= 10 ** (wrong_db / 20)
    correction = field_correction(measured(ambix), mode)
    corrected = correction.apply(ambix, RATE)
    assert measured(corrected).broadband_db == pytest.approx(0, abs=0.15)
    np.testing.assert_allclose(correction.undo(corrected, RATE), ambix, atol=1e-6)
    assert correction.mode == mode
    stored = json.dumps(asdict(correction))
    assert parse_json(stored, FieldCorrection) == correction


def test_only_octaves_correct_a_gain_that_falls_with_frequency():
    falling = gain(-3.0, -1.0, -3.0, -5.0, -7.0, 2.0)
    assert field_correction(falling, "broadband").xyz_gains_db == (-3.0,)
    equalizer = field_correction(falling, "octaves").xyz_gains_db
    # The octaves beyond those that are measured and hold directions follow their neighbours.
    assert equalizer == (-1.0, -1.0, -3.0, -5.0, -7.0, -7.0)
    level = gain(0.0, 2.0, 0.0, -2.0, 0.0, 0.0)
    assert field_correction(level, "broadband") is None
    assert field_correction(level, "octaves") is not None


@pytest.mark.parametrize(
    "kept",
    [
        None,
        gain(DEAD_BAND_DB),
        gain(-DEAD_BAND_DB),
        gain(-3.0, spread_db=3.0),  # tiles do not agree: no sound field
        gain(4.0, 12.0, 4.0, -2.0, 0.0, 0.0),  # directions are lost in noise
        gain(-12.0),
        gain(MAX_RAISING_DB + 0.1),
    ],
)
@pytest.mark.parametrize("mode", ["broadband", "octaves"])
def test_what_is_right_or_unclear_is_kept(kept, mode):
    assert field_correction(kept, mode) is None


def test_noise_is_not_raised_without_bound():
    steep = gain(5.0, 5.0, 9.0, 3.0, 20.0, 20.0)
    assert max(field_correction(steep, "octaves").xyz_gains_db) == MAX_RAISING_DB
    assert field_correction(steep, "off") is None


def test_a_gain_survives_the_catalog_and_damaged_numbers_are_none():
    falling = gain(-3.0, -1.0, -3.0, -5.0, -7.0, 2.0)
    found = FieldGain.from_numbers({**falling.numbers(), "detail": "text"})
    assert found.numbers() == falling.numbers()
    for name, value in (("gain_db", None), ("spread_db", "x"), ("gain_db", 1e9)):
        assert FieldGain.from_numbers({**falling.numbers(), name: value}) is None
    assert FieldGain.from_numbers({}) is None


@pytest.fixture(scope="module")
def folder(media, tmp_path_factory) -> Path:
    """A recording whose W is low, and one whose W is right."""
    folder = tmp_path_factory.mktemp("gains")
    field = media.plane_waves(list(media.SIX_DIRECTIONS), 4.0) / 4
    for name, gain_db in (("low", LOW_DB), ("right", 0.0)):
        sound = field * np.array([[10 ** (gain_db / 20)], [1], [1], [1]], np.float32)
        media.write(folder / f"{name}.mkv", seconds=4, sound=sound, sound_codec="flac")
    return folder


def build(folder: Path, out: Path, *options: str) -> str:
    small = ("--clip-s", 2, "--height", 32, "--fps", 4, "--workers", 1, "--test-fraction", 0)
    arguments = [str(each) for each in (folder, "--out", out, *small, *options)]
    result = CliRunner().invoke(build_shards.command, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_all_clips_of_a_recording_are_corrected_recorded_and_undone(folder, tmp_path):
    told = build(folder, tmp_path / "corrected")
    assert "field gain corrected in 1 file, 2 clips" in told
    assert "corrected" not in build(folder, tmp_path / "kept", "--field-gain", "off")
    corrections = set()
    for key in yt360.open_dataset(tmp_path / "kept").keys:
        kept, clip = (yt360.read_clip(tmp_path / name, key) for name in ("kept", "corrected"))
        sound = clip.facts["conversion"]["clip"]["sound"]
        restored = yt360.undo_field_correction(clip.ambix, clip.facts)
        np.testing.assert_allclose(restored, kept.ambix, atol=1.4 / 32768)
        if clip.video_id == "right":
            assert clip.facts == kept.facts
            assert np.array_equal(clip.ambix, kept.ambix)
            continue
        corrections.add(json.dumps(sound["field_correction"]))
        assert np.array_equal(clip.ambix[0], kept.ambix[0])
        assert measured(clip.ambix, clip.sample_rate_hz).broadband_db == pytest.approx(0, abs=0.3)
        assert sound["field_correction"]["field_gain_db"] == pytest.approx(LOW_DB, abs=0.2)
    assert len(corrections) == 1
    arguments = [str(tmp_path / "corrected"), "--json"]
    counted = json.loads(CliRunner().invoke(stats.command, arguments).stdout)["categories"]
    assert counted["field gain"] == {"as recorded": 1, "corrected (broadband)": 1}


def test_an_older_dataset_keeps_its_gains(tmp_path):
    with faked_conversion() as fake:
        fake.write(tmp_path / "media" / "a.mp4", 10)
        off = replace(fake.options, field_gain="off")
        fake.build(tmp_path / "media", tmp_path / "data", off)
        description = tmp_path / "data" / "dataset.json"
        content = json.loads(description.read_text())
        del content["options"]["field_gain"]
        description.write_text(json.dumps(content))
        fake.write(tmp_path / "media" / "b.mp4", 10)
        with user_error("conflict"):
            fake.build(tmp_path / "media", tmp_path / "data")
        assert fake.build(tmp_path / "media", tmp_path / "data", off).new_clips == 1


def test_equalize_field_contradicts_another_mode(folder, tmp_path):
    arguments = [str(folder), "--out", str(tmp_path / "a"), "--equalize-field"]
    with user_error("conflict"):
        CliRunner().invoke(
            build_shards.command, [*arguments, "--field-gain", "off"], catch_exceptions=False
        )


def test_a_catalog_has_measured_the_gain_of_the_whole_video(folder, tmp_path):
    path = tmp_path / "my.catalog"
    with Catalog(path, create=True) as catalog:
        catalog.set_media(folder)
        for name in ("low", "right"):
            video_id = name.ljust(11, "_")
            catalog.videos.add(video_id)
            catalog.videos.requeue([video_id], "downloaded")
            catalog.files.put(video_id, MediaFile(role="both", path=f"{name}.mkv", bytes=1))
    inspect_inline(path, rejecting=("duration",))
    with Catalog(path) as catalog:
        verdict = catalog.verdicts.of("low".ljust(11, "_"))["field-gain"]
    assert (verdict.verdict, verdict.numbers["reason"]) == ("ok", "w-low")
    assert verdict.numbers["gain_db"] == pytest.approx(LOW_DB, abs=0.2)


def test_a_build_corrects_by_the_gain_of_the_catalog(folder, tmp_path):
    (item,) = (each for each in find_inputs([folder]).videos if each.video_id == "right")
    stated = replace(item, field_gain=gain(-2.5))
    (tmp_path / ".staging" / "analyses").mkdir(parents=True)
    options = BuildOptions(clip_s=2)
    analyzed = analyze_input(AnalysisTask(stated, options, tmp_path))
    assert analyzed.analysis.field_gain == gain(-2.5)
    assert analyze_input(AnalysisTask(stated, options, tmp_path)) == analyzed  # as it is staged


def test_all_files_of_a_video_get_one_correction_in_every_run(tmp_path):
    applied: dict[str, float | None] = {}

    def convert(source, requests, form, correction=None):
        gain_db = None if correction is None else correction.xyz_gains_db[0]
        applied[source.facts["name"]] = gain_db
        sound = {} if correction is None else {"field_correction": asdict(correction)}
        for facts in fake_convert_clips(source, requests, form):
            yield {**facts, "clip": {"sound": sound}}

    gains = {"kqAZkf5Odyw-0": -3.0, "kqAZkf5Odyw-10": -5.0, "kqAZkf5Odyw-20": -4.0, "even": 0.3}
    with faked_conversion() as fake:
        fake.convert_clips = convert
        for name in gains:
            fake.write(tmp_path / "media" / f"{name}.mp4", 10)

        def build(*names: str) -> None:
            videos = (
                replace(each, field_gain=gain(gains[each.video.stem]))
                for each in find_inputs([tmp_path / "media"]).videos
                if each.video.stem in names
            )
            found = FoundInputs(tuple(videos), (), 0)
            build_dataset(found, tmp_path / "data", fake.options, make_pool=fake.pool)

        build("even", "kqAZkf5Odyw-0", "kqAZkf5Odyw-20")
        assert applied == {"kqAZkf5Odyw-0": -3.5, "kqAZkf5Odyw-20": -3.5, "even": None}
        build(*gains)
        assert applied["kqAZkf5Odyw-10"] == -3.5


def test_clips_that_an_interrupted_run_staged_decide_too(tmp_path):
    with faked_conversion() as fake:
        videos = [
            replace(each, field_gain=gain(gain_db))
            for each, gain_db in zip(
                find_inputs([fake.write(tmp_path / f"kqAZkf5Odyw-{s}.mp4", 10) for s in (0, 10)])
                .videos, (-3.0, -5.0), strict=True,
            )
        ]  # fmt: skip
        data = tmp_path / "data"
        staging = StagingFolder(data)
        staging.folder.mkdir(parents=True)
        staging.prepare(fake.options.to_json())
        analyses = {
            item.key: analyze_input(AnalysisTask(item, fake.options, data)).analysis
            for item in videos
        }
        first = correction_of_video(videos[:1], analyses, data, {}, "broadband")
        assert first["kqAZkf5Odyw"].xyz_gains_db == (-3.0,)
        scratch = staging.scratch()
        sound = {"field_correction": asdict(first["kqAZkf5Odyw"])}
        facts = {
            "video_id": "kqAZkf5Odyw", "start_s": 0, "duration_s": 10.0,
            "source": {"file_start_s": 0}, "conversion": {"clip": {"sound": sound}},
        }  # fmt: skip
        member_file(scratch, "json").write_text(json.dumps(facts))
        staging.publish(videos[0].key, scratch)
        assert correction_of_video(videos, analyses, data, {}, "broadband") == first
