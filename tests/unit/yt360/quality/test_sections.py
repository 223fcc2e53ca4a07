"""Sections of a video, and audio that starts late, are judged by the clock of the video."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.quality_checks import make_check
from quality.writing import write_wav
from scipy.ndimage import gaussian_filter

from yt360.catalog import Clip
from yt360.media.ffmpeg import run_ffmpeg
from yt360.media.layout.sound_field import NUM_BANDS, FieldSegment
from yt360.media.source import open_source, w_levels_dbfs
from yt360.media.video.frame_triplets import SMALL_HEIGHT, SMALL_WIDTH, FrameTriplet
from yt360.quality.checks.base import Check, Part
from yt360.quality.clips import clips_of
from yt360.quality.inspect import InspectOptions, Inspector
from yt360.quality.report.card import draw_card
from yt360.quality.verdict import Outcome, Verdict
from yt360.randomness import keyed_generator
from yt360.shards.builder.clip_selection import clip_level

RATE_HZ = 8_000
LATE_S, SOUND_S = 6, 11
AMBIX = InspectOptions(audio_layout="ambix")


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory, recordings: Path) -> Path:
    """17 s of video; audio from 6 s on, loud for 5 s and then silent."""
    folder = tmp_path_factory.mktemp("section")
    twice = ["-v", "error", "-stream_loop", "1", "-i", str(recordings / "good.mkv"), "-t", "17"]
    run_ffmpeg([*twice, "-c", "copy", str(folder / "film.mkv")], recordings / "good.mkv")
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


@dataclass(frozen=True)
class RecorderConfig:
    recorder: Check
    kind: str = "recorder"

    def build(self) -> Check:
        return self.recorder


@dataclass
class Recorder(Check):
    """Keeps the times of all that a check is given."""

    parts: list[float] = field(default_factory=list)
    tiles: list[float] = field(default_factory=list)
    frames: list[float] = field(default_factory=list)

    def begin_part(self, part: Part) -> None:
        self.parts.append(part.start_s)

    def add_field(self, ambix: FieldSegment, stored: FieldSegment) -> None:
        assert ambix.start_s == stored.start_s
        self.tiles.append(ambix.start_s)

    def add_frames(self, frames: FrameTriplet) -> None:
        self.frames.append(frames.time_s)

    def verdict(self, earlier: Mapping[str, Verdict]) -> None:
        assert "still-image" in earlier


def test_checks_get_the_times_of_the_video_and_the_report_is_drawn(section: Path) -> None:
    recorder = Recorder()
    checks: dict[str, Any] = {**AMBIX.checks, "recorder": RecorderConfig(recorder)}
    inspector = Inspector("two sections", InspectOptions(audio_layout="ambix", checks=checks))
    for start_s in (0.0, 100.0):
        inspector.add(section, start_s=start_s, is_section=True)
    inspection = inspector.finish()
    assert "in 2 files" in draw_card("two", inspection, (), inspection.parts).html
    motion_s = inspection.motion[:, 0]
    assert recorder.parts == [0, 100]
    tiles, frames = recorder.tiles, recorder.frames
    assert tiles[0] == pytest.approx(LATE_S, abs=0.05)
    assert tiles[len(tiles) // 2] == pytest.approx(100 + LATE_S, abs=0.05)
    assert frames == pytest.approx(motion_s)
    assert frames[0] == pytest.approx(0, abs=0.2)
    assert frames[len(frames) // 2] == pytest.approx(100, abs=0.2)


def add_frames(check: Check, start_s: float, frames: np.ndarray) -> None:
    """Add a part of a recording, an image a second (N, 96, 192)."""
    frames = frames.repeat(3, axis=1).repeat(3, axis=2)
    check.begin_part(Part())
    for second, frame in enumerate(frames):
        triplet = np.stack([frame] * 3).astype(np.float32)
        check.add_frames(FrameTriplet(start_s + second, triplet))


def noise_frames(count: int, frozen: int, seed: int) -> np.ndarray:
    """Return images (count, 96, 192) of noise, of which the first `frozen` are the same."""
    frames = keyed_generator(seed, "noise").uniform(0, 255, (count, SMALL_HEIGHT, SMALL_WIDTH))
    frames[:frozen] = frames[0]
    return frames


@pytest.mark.parametrize("gap_s", [0.0, 300.0])
def test_a_title_in_one_of_many_sections_is_no_frozen_video(gap_s: float) -> None:
    check = make_check("picture")
    for number in range(5):
        add_frames(check, number * gap_s, noise_frames(12, 9 if number == 0 else 1, number))
    verdict = check.verdict({})
    assert verdict.outcome is Outcome.OK
    assert verdict.numbers["longest_frozen_s"] == 8
    assert verdict.numbers["frozen_share"] == pytest.approx(8 / (5 * 11), abs=1e-5)


def test_a_video_that_is_frozen_is_so_in_sections_too() -> None:
    check = make_check("picture")
    for number in range(3):
        add_frames(check, 300.0 * number, noise_frames(12, 12, 0))
    verdict = check.verdict({})
    assert verdict.reason == "frozen"
    assert verdict.numbers["longest_frozen_s"] == 11
    assert verdict.numbers["frozen_share"] == 1


def test_frames_of_different_sections_are_not_compared() -> None:
    check = make_check("still-image")
    for number in range(5):
        world = gaussian_filter(noise_frames(1, 1, number)[0], 3, mode="wrap") * 4
        add_frames(check, 60.0 * number, np.stack([world] * 2))
    verdict = check.verdict({})
    assert verdict.reason == "photo"
    assert verdict.numbers["resting_share"] == 1
    assert verdict.numbers["probes"] == 10


def turning_sections(check: Check, count: int, gap_s: float) -> None:
    """Feed sections of 15 s in which the camera turns every 3 s, and the one source with it."""
    rng = keyed_generator(5, "turning")
    world = gaussian_filter(rng.uniform(0, 255, (SMALL_HEIGHT, SMALL_WIDTH)), 2, mode="wrap") * 4
    for section_s in np.arange(count) * gap_s:
        check.begin_part(Part())
        heading, step = rng.uniform(-np.pi, np.pi), rng.choice([-1.0, 1.0]) * rng.uniform(0.6, 2)
        azimuths = heading + step * np.arange(5)
        for second, azimuth in zip(np.arange(0, 15, 0.25), np.repeat(azimuths, 12), strict=True):
            way = np.array([1, np.sin(azimuth), 0, np.cos(azimuth)])
            outer = np.repeat(1e-3 * np.outer(way, way)[None], NUM_BANDS, 0)
            covariance = outer.astype(np.complex64)
            width = np.full(NUM_BANDS, 9, np.float32)
            segment = FieldSegment(section_s + second, 0.25, covariance, width)
            check.add_field(segment, segment)
        for number, azimuth in enumerate(azimuths):
            shift = -round(azimuth / (2 * np.pi) * SMALL_WIDTH)
            frame = np.roll(world, shift, axis=1).astype(np.float32)
            check.add_frames(FrameTriplet(section_s + 3 * number + 1.4, np.stack([frame] * 3)))


def test_sound_that_turns_with_the_camera_does_so_in_sections_too() -> None:
    check = make_check("post-production")
    turning_sections(check, 10, gap_s=300.0)
    verdict = check.verdict({})
    assert verdict.numbers["turns"] == 10 * 4
    assert verdict.numbers["follows_picture"] == pytest.approx(1, abs=0.05)
    assert verdict.reason != "fixed-direction"


def test_turns_between_two_sections_do_not_count() -> None:
    check = make_check("post-production")
    turning_sections(check, 1, gap_s=0.0)
    turning_sections(check, 1, gap_s=0.0)
    assert check.verdict({}).numbers["turns"] == 2 * 4
