"""Videos of a catalog are inspected once each, and end accepted, rejected or failed."""

from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner
from helpers.quality_checks import inspect_inline, states, write_catalog

from yt360.catalog import Catalog, Clip
from yt360.catalog import Verdict as StoredVerdict
from yt360.commands.inspect import command
from yt360.errors import UserError
from yt360.quality.catalog_run import inspect_again
from yt360.quality.checks import CHECKS
from yt360.quality.configs import configure_checks, rejecting_by_default

GOOD, PHOTO, BROKEN = "good-------", "-photo_____", "broken_____"


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory, recordings: Path) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for file in recordings.iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "broken.mkv").write_bytes(b"no film")
    return folder


@pytest.fixture
def path(tmp_path: Path, media: Path) -> Path:
    files: dict[str, tuple[str, str | None]] = {
        GOOD: ("good.mkv", "good.wav"),
        PHOTO: ("photo.mkv", "photo.wav"),
        BROKEN: ("broken.mkv", None),
    }
    return write_catalog(tmp_path / "my.catalog", media, files)


def test_each_video_ends_with_its_reason_and_its_numbers(path: Path) -> None:
    lines = [line.strip() for line in inspect_inline(path).lines()]
    assert "1  accepted" in lines
    assert states(path) == {
        GOOD: ("accepted", None),
        PHOTO: ("rejected", "photo"),
        BROKEN: ("failed", "not-media"),
    }
    with Catalog(path) as catalog:
        verdicts = catalog.verdicts.of(GOOD)
        assert verdicts["spatial-audio"].verdict == "ok"
        assert verdicts["spatial-audio"].numbers["ratio"] == pytest.approx(1, abs=0.3)
        (clip,) = catalog.clips.of(GOOD)
        assert (clip.start_s, clip.kept, clip.origin) == (0, True, "inspect")
        assert -60 < clip.numbers["level_dbfs"] < 0
        assert all(len(catalog.claims.history(name)) == 1 for name in (GOOD, PHOTO, BROKEN))
    assert not inspect_inline(path).counts


def test_an_interrupted_video_is_released(path: Path) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inspect_inline(path, interrupt, workers=2)
    with Catalog(path) as catalog:
        assert catalog.claims.waiting("inspect") == 3
        assert not catalog.verdicts.of(GOOD)


def test_only_the_chosen_checks_reject(path: Path) -> None:
    report = inspect_inline(path, rejecting=("spatial-audio",))
    assert report.counts["accepted", ""] == 2
    assert next(iter(report.lines())).split() == ["2", "accepted"]


def test_videos_are_inspected_again_by_other_rules(path: Path) -> None:
    with Catalog(path) as catalog:
        catalog.videos.add("no-media---")
        catalog.claims.finish(
            catalog.claims.take("download", "w"),  # type: ignore[arg-type]
            "rejected",
            "too-short",
            "1 s",
        )
    inspect_inline(path)
    with Catalog(path) as catalog:
        catalog.verdicts.put(PHOTO, StoredVerdict(kind="of-old", verdict="ok"))
        inspected = len(catalog.claims.history(GOOD))
        assert [inspect_again(catalog, state) for state in ("rejected", "failed")] == [1, 1]
    inspect_inline(path, rejecting=("spatial-audio",))
    assert states(path) == {
        GOOD: ("accepted", None),
        PHOTO: ("accepted", None),
        BROKEN: ("failed", "not-media"),
        "no-media---": ("rejected", "too-short"),
    }
    with Catalog(path) as catalog:
        assert len(catalog.claims.history(GOOD)) == inspected
        assert "of-old" not in catalog.verdicts.of(PHOTO)


def test_a_bad_request_queues_nothing_again_and_a_good_one_does(path: Path) -> None:
    inspect_inline(path, limit=1)
    arguments = [str(path), "--again", "accepted", "--limit", "1"]
    for bad in (
        ["--tagger", "no.such:thing"],
        ["--audio-layout", "fumma"],
        ["--reject", "stil"],
        ["--set", "silence.open=1"],
    ):
        assert isinstance(CliRunner().invoke(command, [*arguments, *bad]).exception, UserError)
    assert states(path)[GOOD] == ("accepted", None)
    result = CliRunner().invoke(command, [*arguments, "--projection", "c3x2"])
    assert result.exit_code == 0, result.output
    assert "1 accepted videos are queued again" in result.output
    with Catalog(path) as catalog:
        assert catalog.verdicts.of(GOOD)["projection"].numbers["reason"] == "c3x2"


@pytest.mark.parametrize(
    ("arguments", "code", "key"),
    [
        (["--json"], "conflict", "--json"),
        (["--report", "x.png"], "invalid", "x.png"),
        (["--audio", "x.wav"], "conflict", "--audio"),
        (["--lease-s", "0"], "out-of-range", "lease_s"),
        (["--lease-s", "nan"], "out-of-range", "lease_s"),
        (["--timeout-s", "0"], "out-of-range", "timeout_s"),
        (["--timeout-s", "inf"], "out-of-range", "timeout_s"),
        (["--reject", "stil-image"], "unknown-name", "stil-image"),
        (["--audio-layout", "fumma"], "unknown-name", "audio_layout"),
        (["--executor", "rai"], "unknown-name", "--executor"),
        (["--rejudge", "--executor", "ray"], "conflict", "--executor"),
        (["a.mp4"], "conflict", None),
    ],
)
def test_bad_requests_on_a_catalog_are_refused(
    path: Path, arguments: list[str], code: str, key: str | None
) -> None:
    error = CliRunner().invoke(command, [str(path), *arguments]).exception
    assert isinstance(error, UserError)
    assert (error.code, error.key) == (code, key)
    assert "\n" not in str(error)


def test_the_help_names_the_checks_and_those_that_reject() -> None:
    text = " ".join(CliRunner().invoke(command, ["--help"], terminal_width=10_000).output.split())
    rejecting = rejecting_by_default(configure_checks())
    assert f"[default: {', '.join(rejecting)}, and checks of plugins" in text
    assert all(f"{entry.name}: {entry.line}" in text for entry in CHECKS.entries())


def test_clips_of_our_own_are_cut_anew_and_released_ones_are_kept(path: Path) -> None:
    with Catalog(path) as catalog:
        mine = Clip(start_s=1, kept=False, reason="silent", numbers={"level_dbfs": -70})
        catalog.clips.put(GOOD, mine, Clip(start_s=500))
        catalog.clips.put(PHOTO, mine, Clip(start_s=500, origin="released"))
    inspect_inline(path, rejecting=("silence",))
    with Catalog(path) as catalog:
        (clip,) = catalog.clips.of(GOOD)
        assert (clip.start_s, clip.kept, clip.origin) == (0, True, "inspect")
        (clip,) = catalog.clips.of(PHOTO)
        assert (clip.start_s, clip.reason, clip.origin) == (500, "not-covered", "released")
        photo = catalog.videos.get(PHOTO)
    assert (photo.state, photo.reason) == ("rejected", "no-clips")
    assert photo.detail == "its clips: 1 not covered by video and audio"
