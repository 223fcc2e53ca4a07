"""``build-shards --inspect``: files of one's own take the tests that a catalog's videos take."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.fake_media import FakeMedia, InlinePool
from quality.audio import make_audio
from quality.videos import make_video
from quality.writing import write_video_example, write_wav

from yt360.clip_codec.format import ClipFormat
from yt360.clips import SILENT_BELOW_DBFS, TimeRange
from yt360.quality.decision import decide
from yt360.quality.inspect import inspect_file
from yt360.quality.verdict import Outcome
from yt360.randomness import keyed_generator
from yt360.shards.builder.build import BuildReport, build_shards
from yt360.shards.builder.inputs.search import find_inputs
from yt360.shards.builder.options import BuildOptions

OPTIONS = BuildOptions(
    clip_s=2, inspect=True, test_fraction=0.0, form=ClipFormat(width=64, height=32)
)


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good recording, and one picture and one sound that are none."""
    folder = tmp_path_factory.mktemp("footage")
    for name, picture, kind in (
        ("good", "movers", "ambix"),
        ("photo", "photo", "ambix"),
        ("w-only", "movers", "mono-in-w"),
    ):
        film = make_video(picture, keyed_generator(1, picture), 4.0)
        write_video_example(folder / f"{name}.mkv", film)
        sound = make_audio(kind, keyed_generator(1, kind), 4.0, 16_000).audio
        write_wav(folder / f"{name}.wav", sound, 16_000)
    return folder


def build(footage: Path, out: Path, options: BuildOptions = OPTIONS) -> BuildReport:
    return build_shards(find_inputs([footage]), out, options, make_pool=InlinePool)


@pytest.mark.slow
def test_what_the_inspection_rejects_is_left_out_with_its_reason_and_numbers(footage, tmp_path):
    report = build(footage, tmp_path / "data")
    rejected = {item.file: item for item in report.rejected}
    assert set(rejected) == {"photo.mkv", "w-only.mkv"}
    for file, item in rejected.items():
        inspection = inspect_file(footage / file)
        decision = decide(inspection)
        verdict = decision.against[0]
        assert (decision.outcome, item.reason) == (Outcome.NOT_OK, verdict.reason)
        assert item.detail == f"{verdict.name}: {verdict.detail}"
        numbers = {name: it.as_json()["numbers"] for name, it in inspection.verdicts.items()}
        assert item.measurements == numbers
    assert decide(inspect_file(footage / "good.mkv")).outcome is not Outcome.NOT_OK
    before = FakeMedia().tree(tmp_path / "data")
    assert build(footage, tmp_path / "data").new_clips == 0
    build(footage, tmp_path / "again")
    assert FakeMedia().tree(tmp_path / "again") == FakeMedia().tree(tmp_path / "data") == before


def test_without_the_option_only_what_cannot_be_converted_is_left_out(footage, tmp_path):
    report = build(footage, tmp_path / "data", replace(OPTIONS, inspect=False))
    assert report.rejected == ()


def test_videos_that_a_catalog_accepted_are_not_inspected_again(footage, tmp_path):
    found = find_inputs([footage / "photo.mkv"])
    accepted = replace(found, videos=tuple(replace(it, inspected=True) for it in found.videos))
    report = build_shards(accepted, tmp_path / "data", OPTIONS, make_pool=InlinePool)
    assert report.rejected == () and report.new_clips > 0


@pytest.mark.parametrize(
    ("from_catalog", "min_level_dbfs", "clips"),
    [(True, SILENT_BELOW_DBFS, 1), (True, -50.0, 0), (False, SILENT_BELOW_DBFS, 0)],
)
def test_the_catalog_has_judged_the_silence_of_its_clips(
    fake, tmp_path, from_catalog, min_level_dbfs, clips
):
    fake.write(tmp_path / "media" / "a.mp4", 10, silent=list(range(10)))
    found = find_inputs([tmp_path / "media"])
    listed = (replace(found.videos[0], inspected=from_catalog, segments=(TimeRange(0, 10),)),)
    options = replace(fake.options, min_level_dbfs=min_level_dbfs)
    out = tmp_path / "data"
    report = build_shards(replace(found, videos=listed), out, options, make_pool=InlinePool)
    assert report.new_clips == clips


def test_a_dataset_from_before_the_option_can_be_added_to(fake, tmp_path):
    fake.write(tmp_path / "media" / "a.mp4", 10)
    fake.build(tmp_path / "media", tmp_path / "data")
    description = tmp_path / "data" / "dataset.json"
    content = json.loads(description.read_text())
    del content["options"]["inspect"]
    description.write_text(json.dumps(content))
    fake.write(tmp_path / "media" / "b.mp4", 10)
    assert fake.build(tmp_path / "media", tmp_path / "data").new_clips == 1
