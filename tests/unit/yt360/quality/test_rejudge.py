"""Stored measurements give the verdicts that a new inspection with the same thresholds gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from helpers.errors import user_error
from helpers.quality_checks import inspect_inline, states, write_catalog

from yt360.catalog import Catalog, Clip
from yt360.catalog import Verdict as StoredVerdict
from yt360.commands.inspect import command
from yt360.quality.catalog_config import CatalogRunConfig
from yt360.quality.configs import configure_checks
from yt360.quality.findings import judge_again, to_records
from yt360.quality.inspect import InspectOptions, inspect_file
from yt360.quality.rejudge import RejudgeReport, rejudge_catalog

GOOD, PHOTO, OLD, FILTERED = "good-------", "-photo_____", "old--------", "filtered---"
SILENT = {"silence.open_dbfs": "0", "silence.close_dbfs": "-1"}
Content = dict[str, Any]


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory, recordings: Path) -> Path:
    """A catalog of a good video, a photo, one that an older version inspected, and a filtered one.

    The media of the catalog are gone.
    """
    folder = tmp_path_factory.mktemp("inspected")
    media = folder / "media"
    media.mkdir()
    for file in recordings.iterdir():
        (media / file.name).symlink_to(file)
    files: dict[str, tuple[str, str | None]] = {
        GOOD: ("good.mkv", "good.wav"),
        PHOTO: ("photo.mkv", "photo.wav"),
    }
    path = write_catalog(folder / "my.catalog", media, files)
    inspect_inline(path)
    with Catalog(path) as catalog:
        catalog.videos.add(OLD)
        catalog.videos.settle(OLD, "rejected", "quiet", "silence: quiet")
        numbers = {"reason": "quiet", "detail": "quiet", "defect_probability": 0.9, "level": -70.0}
        catalog.verdicts.put(OLD, StoredVerdict(kind="silence", verdict="not ok", numbers=numbers))
        catalog.videos.add(FILTERED)
        catalog.videos.reject(FILTERED, "too-short", "1 s")
    for file in media.iterdir():
        file.unlink()
    return path


@pytest.fixture
def path(inspected: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "my.catalog"
    copy.write_bytes(inspected.read_bytes())
    return copy


def content(path: Path) -> Content:
    """Return the states, verdicts and clips of a catalog."""
    with Catalog(path) as catalog:
        found = {video.video_id: video for video in catalog.videos.select()}
        return {
            name: (
                (video.state, video.reason, video.detail),
                catalog.verdicts.of(name),
                catalog.clips.of(name),
            )
            for name, video in found.items()
        }


def rejudge(path: Path, **options: Any) -> RejudgeReport:
    dry_run = options.pop("dry_run", False)
    with Catalog(path) as catalog:
        return rejudge_catalog(catalog, CatalogRunConfig(**options), dry_run=dry_run)


def other_thresholds() -> dict[str, float]:
    """Return every numeric option of a ``judge``, set to 0.9 times its default."""
    return {
        f"{name}.{option.name}": value * 0.9
        for name, config in configure_checks().items()
        for option in fields(config)  # type: ignore[arg-type]
        if option.name not in getattr(config, "measuring", ())
        and isinstance(value := getattr(config, option.name), float)
    }


@pytest.mark.parametrize("file", ["good.mkv", "photo.mkv", "fuma.wav"])
def test_judging_again_is_inspecting_with_other_thresholds(recordings: Path, file: str) -> None:
    first = inspect_file(recordings / file)
    changed = configure_checks({**other_thresholds(), **SILENT})
    second = inspect_file(recordings / file, options=InspectOptions(checks=changed))
    records = {record.kind: record for record in to_records(first)}
    again = list(to_records(judge_again("", records, changed)))
    assert again == list(to_records(second))
    assert records["silence"].verdict == "ok" and "silent" in {it.numbers["reason"] for it in again}


@pytest.mark.parametrize("name", configure_checks())
def test_every_check_judges_what_it_measured(name: str) -> None:
    assert callable(configure_checks()[name].judge)


def test_the_same_thresholds_change_nothing(path: Path) -> None:
    before = content(path)
    report = rejudge(path)
    assert content(path) == before
    assert (report.unchanged, sum(report.left.values()), not report.changes) == (2, 1, True)


def test_other_thresholds_change_states_clips_and_verdicts_as_a_new_inspection_does(
    path: Path,
) -> None:
    report = rejudge(path, settings=SILENT)
    assert report.changes["accepted", "rejected (silent)"] == 1
    assert states(path)[GOOD] == ("rejected", "silent")
    assert states(path)[FILTERED] == ("rejected", "too-short")
    assert states(path)[OLD] == ("rejected", "quiet")
    good = content(path)[GOOD]
    assert good[1]["silence"].numbers["reason"] == "silent"
    assert [(clip.kept, clip.reason) for clip in good[2]] == [(False, "silent")]
    rejudge(path)
    assert states(path)[GOOD] == ("accepted", None)


def test_the_rejecting_checks_are_those_that_are_given(path: Path) -> None:
    report = rejudge(path, rejecting=("spatial-audio",))
    assert report.changes == {("rejected (photo)", "accepted"): 1}
    assert states(path)[PHOTO] == ("accepted", None)


def test_a_dry_run_reports_the_same_and_changes_nothing(path: Path) -> None:
    before = content(path)
    report = rejudge(path, rejecting=("spatial-audio",), dry_run=True)
    assert content(path) == before
    assert report == rejudge(path, rejecting=("spatial-audio",))


def test_a_run_that_is_stopped_changes_whole_videos_and_can_be_repeated(path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    options = CatalogRunConfig(rejecting=("spatial-audio",))
    before = content(path)
    with pytest.raises(KeyboardInterrupt), Catalog(path) as catalog:
        rejudge_catalog(catalog, options, stop)
    assert content(path) == before
    rejudge(path, rejecting=("spatial-audio",))
    assert states(path)[PHOTO] == ("accepted", None)


def test_dropped_videos_and_clips_without_a_level_are_not_changed(path: Path) -> None:
    with Catalog(path) as catalog:
        catalog.videos.drop(PHOTO, "withdrawn")
        catalog.clips.put(GOOD, Clip(start_s=500, kept=False, reason="not-covered"))
    rejudge(path, rejecting=("spatial-audio",))
    assert states(path)[PHOTO] == ("rejected", "withdrawn")
    assert content(path)[GOOD][2][-1].reason == "not-covered"


def _without(number: str) -> Callable[[Content], None]:
    return lambda numbers: numbers.pop(number)


def _measured_with_another_option(numbers: Content) -> None:
    numbers["measured_with"]["top_from"] = 0.5


@pytest.mark.parametrize(
    "damage", [_without("pile"), _without("measured_with"), _measured_with_another_option]
)
def test_measurements_that_do_not_fit_are_left_as_they_are(
    path: Path, damage: Callable[[Content], None]
) -> None:
    with Catalog(path) as catalog:
        clipping = catalog.verdicts.of(GOOD)["clipping"]
        damage(clipping.numbers)
        catalog.verdicts.put(GOOD, clipping)
    before = content(path)
    report = rejudge(path, settings={"silence.silent_fraction": "0"})
    assert sum(report.left.values()) == 2
    assert content(path)[GOOD] == before[GOOD]


@pytest.mark.parametrize(
    ("arguments", "code", "key"),
    [
        (["--again", "accepted"], "conflict", "--again"),
        (["--workers", "2"], "conflict", "--workers"),
        (["--audio-layout", "fuma"], "conflict", "--audio-layout"),
    ],
)
def test_options_that_need_decoding_are_refused(
    path: Path, arguments: list[str], code: str, key: str
) -> None:
    with user_error(code, key):
        CliRunner().invoke(command, [str(path), "--rejudge", *arguments], catch_exceptions=False)


def test_videos_measured_with_other_options_are_not_judged(path: Path) -> None:
    before = content(path)
    report = rejudge(path, settings={"clipping.top_from": "0.9", **SILENT})
    assert sum(report.left.values()) == 3
    assert content(path) == before


def test_the_command_prints_what_changes(path: Path) -> None:
    arguments = [str(path), "--rejudge", "--dry-run", "--reject", "spatial-audio"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "rejected (photo) -> accepted" in result.output
    with user_error("conflict", "--dry-run"):
        CliRunner().invoke(command, [str(path), "--dry-run"], catch_exceptions=False)
