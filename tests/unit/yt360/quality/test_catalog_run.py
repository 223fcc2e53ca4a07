"""Videos of a catalog are inspected once each, and end accepted, rejected or failed."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from quality.audio import make_audio
from quality.videos import make_video
from quality.writing import write_video_example, write_wav

from yt360.catalog import Catalog, Clip, MediaFile
from yt360.catalog import Verdict as StoredVerdict
from yt360.catalog.claim_renewal import ClaimRenewal
from yt360.commands.inspect import command
from yt360.errors import UserError
from yt360.quality.catalog_config import REJECTING, CatalogRunConfig
from yt360.quality.catalog_run import inspect_catalog, inspect_next
from yt360.quality.checks.silence import SilenceTest
from yt360.quality.clips import clips_of, why_no_clips
from yt360.quality.inspect import Inspection, Part
from yt360.quality.signal.series import DirectionSeries
from yt360.randomness import keyed_generator

GOOD, PHOTO, BROKEN = "good-------", "-photo_____", "broken_____"
RATE_HZ = 16_000


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    sound = make_audio("ambix", keyed_generator(2, "sound"), 11.0, RATE_HZ).sound
    for name, kind in ((GOOD, "movers"), (PHOTO, "photo")):
        example = make_video(kind, keyed_generator(2, kind), 11.0)
        write_video_example(folder / f"{name}.mkv", example, frame_rate=5)
        write_wav(folder / f"{name}.wav", sound, RATE_HZ)
    (folder / f"{BROKEN}.mkv").write_bytes(b"no film")
    return folder


@pytest.fixture
def path(tmp_path: Path, media: Path) -> Path:
    path = tmp_path / "my.catalog"
    with Catalog(path, create=True) as catalog:
        catalog.set_media(media)
        for name in (GOOD, PHOTO, BROKEN):
            catalog.videos.add(name)
            catalog.videos.requeue([name], "downloaded")
            catalog.files.put(name, MediaFile(role="video", path=f"{name}.mkv", bytes=1))
            if name != BROKEN:
                catalog.files.put(name, MediaFile(role="sound", path=f"{name}.wav", bytes=1))
    return path


def states(path: Path) -> dict[str, tuple[str, str | None]]:
    with Catalog(path) as catalog:
        return {v.video_id: (v.state, v.reason) for v in catalog.videos.select()}


def test_each_video_ends_with_its_reason_and_its_numbers(path: Path) -> None:
    result = CliRunner().invoke(command, [str(path), "--workers", "2"])
    assert result.exit_code == 0, result.output
    assert "1  accepted" in result.output
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
    again = CliRunner().invoke(command, [str(path)])
    assert "nothing to inspect" in again.output


def test_an_interrupted_video_is_given_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("yt360.quality.catalog_run._inspect", interrupt)
    with (
        Catalog(path) as catalog,
        ClaimRenewal(path, 60) as renewal,
        pytest.raises(KeyboardInterrupt),
    ):
        inspect_next(catalog, renewal, "me", CatalogRunConfig())
    with Catalog(path) as catalog:
        assert catalog.claims.waiting("inspect") == 3
        assert not catalog.verdicts.of(GOOD)


def test_only_the_tests_that_are_asked_for_reject(path: Path) -> None:
    config = CatalogRunConfig(rejecting=("spatial-audio",))
    report = inspect_catalog(path, config, lambda _: None)
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
    assert CliRunner().invoke(command, [str(path)]).exit_code == 0
    with Catalog(path) as catalog:
        catalog.verdicts.put(PHOTO, StoredVerdict(kind="of-old", verdict="ok"))
        inspected = len(catalog.claims.history(GOOD))
    arguments = [str(path), "--again", "rejected", "--again", "failed", "--reject", "spatial-audio"]
    result = CliRunner().invoke(command, arguments)
    assert "1 rejected videos are queued again" in result.output
    assert "1 failed videos are queued again" in result.output
    assert states(path) == {
        GOOD: ("accepted", None),
        PHOTO: ("accepted", None),
        BROKEN: ("failed", "not-media"),
        "no-media---": ("rejected", "too-short"),
    }
    with Catalog(path) as catalog:
        assert len(catalog.claims.history(GOOD)) == inspected
        assert "of-old" not in catalog.verdicts.of(PHOTO)


def test_nothing_is_queued_again_for_a_bad_request(path: Path) -> None:
    assert CliRunner().invoke(command, [str(path), "--limit", "1"]).exit_code == 0
    for bad in (["--tagger", "no.such:thing"], ["--audio-layout", "fumma"], ["--reject", "stil"]):
        result = CliRunner().invoke(command, [str(path), "--again", "accepted", *bad])
        assert isinstance(result.exception, UserError)
    assert states(path)[GOOD] == ("accepted", None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json"], "--json goes with files"),
        (["--report", "x.png"], "--report goes with files"),
        (["--sound", "x.wav"], "--sound goes with files"),
        (["--lease-s", "0"], "a lease of 0.0 s"),
        (["--lease-s", "nan"], "a lease of nan s"),
        (["--timeout-s", "0"], "a timeout of 0.0 s"),
        (["--timeout-s", "inf"], "a timeout of inf s"),
        (["--reject", "stil-image"], "did you mean 'still-image'"),
        (["--audio-layout", "fumma"], "did you mean 'fuma'"),
    ],
)
def test_bad_requests_on_a_catalog_are_one_line(
    path: Path, arguments: list[str], message: str
) -> None:
    result = CliRunner().invoke(command, [str(path), *arguments])
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)


def test_the_projection_is_stated_to_the_inspection_of_a_catalog(path: Path) -> None:
    result = CliRunner().invoke(command, [str(path), "--projection", "c3x2", "--limit", "1"])
    assert result.exit_code == 0, result.output
    with Catalog(path) as catalog:
        assert catalog.verdicts.of(GOOD)["projection"].numbers["reason"] == "c3x2"


def test_the_help_names_the_tests_that_reject() -> None:
    text = " ".join(CliRunner().invoke(command, ["--help"], terminal_width=10_000).output.split())
    assert f"[default: {', '.join(REJECTING)}]" in text


def test_clips_of_our_own_are_cut_anew_and_released_ones_are_kept(path: Path) -> None:
    with Catalog(path) as catalog:
        mine = Clip(start_s=1, kept=False, reason="silent", numbers={"level_dbfs": -70})
        catalog.clips.put(GOOD, mine, Clip(start_s=500))
        catalog.clips.put(PHOTO, mine, Clip(start_s=500, origin="released"))
    assert CliRunner().invoke(command, [str(path), "--reject", "silence"]).exit_code == 0
    with Catalog(path) as catalog:
        (clip,) = catalog.clips.of(GOOD)
        assert (clip.start_s, clip.kept, clip.origin) == (0, True, "inspect")
        (clip,) = catalog.clips.of(PHOTO)
        assert (clip.start_s, clip.reason, clip.origin) == (500, "not-covered", "released")
        photo = catalog.videos.get(PHOTO)
    assert (photo.state, photo.reason) == ("rejected", "no-clips")
    assert photo.detail == "its clips: 1 not covered by picture and sound"


def a_part(levels_dbfs: list[float], start_s: float = 0.0) -> Part:
    """Return ten seconds of each level."""
    silence = SilenceTest(100)
    for level in levels_dbfs:
        silence.feed(np.full(1000, 10 ** (level / 20), np.float32))
    return Part(start_s, (0.0, 10.0 * len(levels_dbfs)), silence)


def inspection_of(*parts: Part) -> Inspection:
    nothing = np.zeros((0, 2), np.float32)
    return Inspection("x", {}, list(parts), DirectionSeries(), nothing, "ambix")


def an_inspection(levels_dbfs: list[float], start_s: float = 0.0) -> Inspection:
    return inspection_of(a_part(levels_dbfs, start_s))


def test_clips_lie_end_to_end_and_silent_ones_are_dropped() -> None:
    clips = clips_of(an_inspection([-20, -58, -90, -58, -30], start_s=100))
    assert [clip.start_s for clip in clips] == [100, 110, 120, 130, 140]
    assert [clip.kept for clip in clips] == [True, True, False, False, True]
    assert [clip.reason for clip in clips] == [None, None, "silent", "silent", None]


def test_known_clips_keep_their_times_and_origin() -> None:
    known = [Clip(start_s=start, origin="released") for start in (3, 15, 95)]
    clips = clips_of(an_inspection([-20, -90, -90]), known)
    assert [(clip.start_s, clip.origin) for clip in clips] == [
        (3, "released"), (15, "released"), (95, "released"),
    ]  # fmt: skip
    assert [clip.reason for clip in clips] == [None, "silent", "not-covered"]


def test_a_clip_in_two_overlapping_sections_is_taken_from_the_one_that_holds_it_whole() -> None:
    sections = inspection_of(a_part([-20, -20, -20], 0.0), a_part([-40, -40], 19.5))
    known = [Clip(start_s=start, origin="released") for start in (19, 20, 25)]
    levels = [(c.start_s, c.numbers["level_dbfs"]) for c in clips_of(sections, known)]
    assert levels == [(19, -20), (20, -20), (25, -40)]
    own = [clip.start_s for clip in clips_of(sections)]
    assert own == sorted(set(own))
    assert all(after - before >= 10 for before, after in pairwise(own))


def test_why_no_clip_is_kept_is_said_as_it_is() -> None:
    known = [Clip(start_s=start, origin="released") for start in (0, 10, 95)]
    for inspection, given, told in (
        (an_inspection([-90, -90]), known, "its clips: 2 silent, 1 not covered"),
        (an_inspection([-90, -90]), [], "its clips: 2 silent"),
        (an_inspection([-20]), known[2:], "its clips: 1 not covered"),
        (inspection_of(Part(0.0, (0.5, 9.0), SilenceTest(100))), [], "cover at most 8.5 s"),
        (inspection_of(Part(0.0, (0.0, 60.0))), [], "there is no sound"),
    ):
        why = why_no_clips(inspection, clips_of(inspection, given))
        assert told in why and "loud" not in why
