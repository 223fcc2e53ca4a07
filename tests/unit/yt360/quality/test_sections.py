"""Sections of a video, and sound that begins late, are judged by the video's own clock."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quality.videos import make_video
from quality.writing import write_video_example, write_wav
from scipy.ndimage import gaussian_filter

from yt360.catalog import Clip
from yt360.media.ffmpeg import run_ffmpeg
from yt360.media.layout.sound_field import NUM_BANDS, FieldAnalyzer, FieldSegment
from yt360.media.source import open_source, w_levels_dbfs
from yt360.media.video.frame_triplets import HEIGHT, WIDTH, FrameTriplet
from yt360.quality.checks.post_production import PostProductionTest
from yt360.quality.checks.silence import SilenceTest, silence_verdict
from yt360.quality.checks.still_image import StillImageTest
from yt360.quality.checks.video import PictureTest
from yt360.quality.clips import clips_of
from yt360.quality.inspect import InspectOptions, Inspector
from yt360.quality.report import write_report
from yt360.quality.signal.series import DirectionSeries
from yt360.quality.verdict import Outcome
from yt360.randomness import keyed_generator
from yt360.shards.builder.clip_selection import clip_level

RATE_HZ = 8_000
LATE_S, SOUND_S = 6, 11
AMBIX = InspectOptions(audio_layout="ambix")


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """17 s of picture; sound from 6 s on, loud for 5 s and then silent."""
    folder = tmp_path_factory.mktemp("section")
    write_video_example(folder / "film.mkv", make_video("movers", keyed_generator(3, "m"), 17.0), 5)
    noise = keyed_generator(3, "sound").uniform(-0.1, 0.1, (4, SOUND_S * RATE_HZ))
    noise[:, 5 * RATE_HZ :] = 0
    write_wav(folder / "sound.wav", noise, RATE_HZ)
    path = folder / "section.mkv"
    inputs = ["-i", str(folder / "film.mkv"), "-itsoffset", str(LATE_S)]
    inputs += ["-i", str(folder / "sound.wav")]
    arguments = ["-v", "error", *inputs, "-map", "0", "-map", "1", "-c", "copy", str(path)]
    run_ffmpeg(arguments, folder / "film.mkv")
    return path


def test_levels_of_clips_are_those_that_the_build_measures(section: Path) -> None:
    inspector = Inspector("late", AMBIX)
    inspector.add(section, start_s=30.0, is_section=True)
    inspection = inspector.finish()
    wanted = [Clip(start_s=start, origin="released") for start in (36, 37)]
    levels = w_levels_dbfs(open_source(section, audio_layout="ambix"))
    for clip in clips_of(inspection, wanted):
        assert clip.kept
        built = clip_level(levels, clip.start_s - 30, 10)
        assert clip.numbers["level_dbfs"] == pytest.approx(built, abs=0.05)
    (own,) = clips_of(inspection)
    assert (own.start_s, own.kept) == (36, True)
    assert inspection.verdicts["silence"].numbers["silent_share"] == 0


def test_the_tests_of_a_section_are_told_the_times_of_the_video(
    section: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles: list[float] = []
    pictures: list[float] = []
    monkeypatch.setattr(PostProductionTest, "feed", lambda _, tile: tiles.append(tile.start_s))
    monkeypatch.setattr(
        PostProductionTest, "feed_picture", lambda _, probe: pictures.append(probe.time_s)
    )
    options = InspectOptions(audio_layout="ambix", projection="equirectangular")
    inspector = Inspector("two sections", options)
    inspector.add(section, start_s=0.0, is_section=True)
    inspector.add(section, start_s=100.0, is_section=True)
    motion_s = inspector.finish().motion[:, 0]
    assert tiles[0] == pytest.approx(LATE_S, abs=0.05)
    assert tiles[len(tiles) // 2] == pytest.approx(100 + LATE_S, abs=0.05)
    assert pictures == pytest.approx(motion_s)
    assert pictures[0] == pytest.approx(0, abs=0.2)
    assert pictures[len(pictures) // 2] == pytest.approx(100, abs=0.2)


@pytest.mark.parametrize("kind", [PictureTest, StillImageTest, PostProductionTest])
def test_every_test_that_compares_pictures_is_told_where_a_section_begins(
    section: Path, monkeypatch: pytest.MonkeyPatch, kind: type
) -> None:
    begun: list[object] = []
    inspector = Inspector("two sections", AMBIX)
    monkeypatch.setattr(kind, "begin_part", lambda test: begun.append(test))
    for start_s in (0.0, 100.0):
        inspector.add(section, start_s=start_s, is_section=True)
    assert len(begun) == 2


def test_a_report_of_sections_is_drawn(section: Path, tmp_path: Path) -> None:
    inspector = Inspector("two sections", AMBIX)
    for start_s in (0.0, 100.0):
        inspector.add(section, start_s=start_s, is_section=True)
    write_report(inspector.finish(), tmp_path / "report.png")
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


@given(st.integers(-250, 350), st.integers(1, 900))
def test_levels_are_those_of_the_same_sound_with_silence_before_it(first: int, count: int) -> None:
    sound = np.random.default_rng(count).standard_normal(count).astype(np.float32)
    late, padded = SilenceTest(100, first_sample=first), SilenceTest(100)
    for piece in np.array_split(sound, 3):
        late.feed(piece)
    padded.feed(np.concatenate([np.zeros(max(first, 0), np.float32), sound[max(-first, 0) :]]))
    np.testing.assert_allclose(late.levels_dbfs, padded.levels_dbfs, atol=1e-4)


def test_clips_end_to_end_begin_with_the_sound() -> None:
    test = SilenceTest(100, first_sample=600)
    test.feed(np.concatenate([np.full(1000, 0.1), np.zeros(1000)]).astype(np.float32))
    assert test.default_clips_dbfs() == pytest.approx([-20, -150], abs=0.01)
    short = SilenceTest(100, first_sample=600)
    short.feed(np.full(500, 0.1, np.float32))
    assert short.default_clips_dbfs() == pytest.approx([-20], abs=0.01)


def test_a_stretch_does_not_do_what_the_one_before_a_gap_did() -> None:
    assert silence_verdict([-20, -58]).numbers["silent_share"] == 0
    assert silence_verdict([-20], [-58]).numbers["silent_share"] == 0.5


def feed_frames(test: PictureTest | StillImageTest, start_s: float, frames: np.ndarray) -> None:
    """Feed a part of a recording, a picture a second (N, 96, 192)."""
    test.begin_part()
    for second, frame in enumerate(frames):
        probe = FrameTriplet(start_s + second, np.stack([frame] * 3).astype(np.float32))
        test.feed(probe)


def noise_frames(count: int, frozen: int, seed: int) -> np.ndarray:
    """Return pictures (count, 96, 192) of noise, of which the first `frozen` are the same."""
    frames = keyed_generator(seed, "noise").uniform(0, 255, (count, HEIGHT, WIDTH))
    frames[:frozen] = frames[0]
    return frames


@pytest.mark.parametrize("gap_s", [0.0, 300.0])
def test_a_title_in_one_of_many_sections_is_no_frozen_video(gap_s: float) -> None:
    test = PictureTest()
    for number in range(20):
        feed_frames(test, number * gap_s, noise_frames(16, 9 if number == 0 else 1, number))
    verdict = test.verdict()
    assert verdict.outcome is Outcome.OK
    assert verdict.numbers["longest_frozen_s"] == 8
    assert verdict.numbers["frozen_share"] == pytest.approx(8 / (20 * 15))


def test_a_video_that_is_frozen_is_so_in_sections_too() -> None:
    test = PictureTest()
    for number in range(20):
        feed_frames(test, 300.0 * number, noise_frames(12, 12, 0))
    verdict = test.verdict()
    assert verdict.reason == "frozen"
    assert verdict.numbers["longest_frozen_s"] == 11
    assert verdict.numbers["frozen_share"] == 1


def test_pictures_of_different_sections_are_not_compared() -> None:
    test = StillImageTest()
    for number in range(5):
        world = gaussian_filter(noise_frames(1, 1, number)[0], 3, mode="wrap") * 4
        feed_frames(test, 60.0 * number, np.stack([world] * 2))
    verdict = test.verdict()
    assert verdict.reason == "photo"
    assert verdict.numbers["skipped_share"] == 0
    assert verdict.numbers["probes"] == 10


def turning_sections(test: PostProductionTest, count: int, gap_s: float) -> None:
    """Feed sections of 15 s in which the camera turns every 3 s, and the one source with it."""
    rng = keyed_generator(5, "turning")
    world = gaussian_filter(rng.uniform(0, 255, (HEIGHT, WIDTH)), 2, mode="wrap") * 4
    for section_s in np.arange(count) * gap_s:
        test.begin_part()
        heading, step = rng.uniform(-np.pi, np.pi), rng.choice([-1.0, 1.0]) * rng.uniform(0.6, 2)
        azimuths = heading + step * np.arange(5)
        for second, azimuth in zip(np.arange(0, 15, 0.25), np.repeat(azimuths, 12), strict=True):
            way = np.array([1, np.sin(azimuth), 0, np.cos(azimuth)])
            outer = np.repeat(1e-3 * np.outer(way, way)[None], NUM_BANDS, 0)
            covariance = outer.astype(np.complex64)
            width = np.full(NUM_BANDS, 9, np.float32)
            test.feed(FieldSegment(section_s + second, 0.25, covariance, width))
        for number, azimuth in enumerate(azimuths):
            shift = -round(azimuth / (2 * np.pi) * WIDTH)
            frame = np.roll(world, shift, axis=1).astype(np.float32)
            test.feed_picture(FrameTriplet(section_s + 3 * number + 1.4, np.stack([frame] * 3)))


def test_sound_that_turns_with_the_picture_does_so_in_sections_too() -> None:
    test = PostProductionTest()
    turning_sections(test, 10, gap_s=300.0)
    numbers = test.verdict().numbers
    assert numbers["turns"] == 10 * 4
    assert numbers["follows_picture"] == pytest.approx(1, abs=0.05)
    assert numbers["fixed_probability"] < 0.01


def test_what_turned_between_two_sections_is_not_looked_at() -> None:
    test = PostProductionTest()
    turning_sections(test, 1, gap_s=0.0)
    turning_sections(test, 1, gap_s=0.0)
    assert test.verdict().numbers["turns"] == 2 * 4


def test_the_map_shows_the_gap_between_sections() -> None:
    series = DirectionSeries()
    sound = keyed_generator(0, "map").standard_normal((4, 12 * RATE_HZ)).astype(np.float32)
    for start_s in (0.0, 60.0):
        for tile in FieldAnalyzer(RATE_HZ, start_s).feed(sound):
            series.feed(tile)
    times, power = series.energy_map(8, 60)
    assert len(times) <= 60
    assert np.allclose(np.diff(times), times[1] - times[0])
    heard = np.isfinite(power).all(axis=0)
    inside = (times % 60 > 2) & (times % 60 < 9)
    gap = (times > 14) & (times < 58)
    assert heard[inside].all() and not heard[gap].any()
    assert inside.sum() > 10 and gap.sum() > 20
