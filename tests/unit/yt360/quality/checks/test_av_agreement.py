"""Sound and picture of one moving source agree, unless channels are exchanged or inverted."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from helpers.quality_checks import hear, make_check
from quality.sound_fields import diffuse, plane_wave
from quality.sound_sources import noise

from yt360.media.video.frame_triplets import FrameTriplet
from yt360.media.video.projection import ResolvedProjection
from yt360.quality.checks.base import Part
from yt360.quality.signal.channel_changes import AS_READ, CHANGES, FUMA_ORDER, ChannelChange
from yt360.quality.verdict import Outcome, Verdict
from yt360.randomness import keyed_generator
from yt360.sphere import equirect_grid

RATE_HZ = 12_000
DURATION_S = 10
Array = np.ndarray


def direction_at(time_s: Array) -> Array:
    """Return the direction (3, ...) of a source that passes from the right to the left, rising."""
    part = np.asarray(time_s) / DURATION_S
    azimuth, elevation = np.radians(-110 + 170 * part), np.radians(-25 + 60 * part)
    flat = np.cos(elevation)
    return np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])


@cache
def moving_source() -> Array:
    samples = RATE_HZ * DURATION_S
    signal = noise(keyed_generator(1, "moving source"), samples, RATE_HZ)
    return plane_wave(signal, direction_at(np.arange(samples) / RATE_HZ))


def film(height: int = 96, start_s: float = 0.0) -> Iterator[FrameTriplet]:
    """Yield triplets of a textured disc on a plain ground, at the direction of the source."""
    grid = equirect_grid(height, 2 * height).numpy()
    for time_s in np.arange(0, DURATION_S - 0.5, 1.25):
        frames = []
        for moment_s in time_s + 0.2 * np.arange(3):
            away = np.arccos(np.clip(grid @ direction_at(moment_s), -1, 1))
            frames.append(np.where(away < 0.12, 200.0, 80.0))
        yield FrameTriplet(start_s + float(time_s), np.stack(frames).astype(np.float32))


def stored(audio: Array, change: ChannelChange) -> Array:
    """Return the channels (4, S) of a field that are stored with a change."""
    axes = [3, 1, 2]
    changed = audio.copy()
    changed[axes] = change.matrix.T @ audio[axes]
    return changed


def compare(audio: Array, height: int = 96) -> Verdict:
    check = make_check("av-agreement")
    for frames in film(height):
        check.add_frames(frames)
    return hear(check, audio, rate_hz=RATE_HZ)


def test_a_stored_order_is_read_back() -> None:
    channels = stored(np.array([[1.0], [20], [30], [10]]), FUMA_ORDER)  # W, Y, Z, X
    assert channels[:, 0].tolist() == [1, 10, 20, 30]
    for change in CHANGES:
        assert np.array_equal(change.matrix @ change.matrix.T, np.eye(3))


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_change_of_channels_is_found(change: ChannelChange) -> None:
    verdict = compare(stored(moving_source(), change))
    assert verdict.reason == change.reason
    assert verdict.outcome is (Outcome.OK if change is AS_READ else Outcome.NOT_OK)
    if change is not AS_READ:
        assert verdict.numbers[f"probability_{change.name}"] > 0.65


def test_source_and_picture_have_the_same_direction() -> None:
    numbers = compare(moving_source()).numbers
    assert abs(numbers["offset_deg"]) < 6
    assert numbers["offset_confidence"] > 0.9
    turned = moving_source()[[0, 3, 2, 1]] * np.array([1, -1, 1, 1])[:, None]  # to the right
    assert compare(turned).numbers["offset_deg"] == pytest.approx(90, abs=6)


@pytest.mark.parametrize("height", [80, 144])
def test_neither_gains_nor_the_size_of_frames_matter(height: int) -> None:
    gains = np.array([0.6, 1, 1, 1])[:, None]
    first, second = compare(moving_source()), compare(gains * moving_source(), height)
    assert second.numbers["directness"] == pytest.approx(first.numbers["directness"], rel=1e-4)
    assert second.numbers["offset_deg"] == pytest.approx(first.numbers["offset_deg"], abs=5)
    assert second.numbers["fit_as_read"] > 2
    assert second.reason == "agrees"


def test_a_horizontal_recording_is_compared_by_azimuth() -> None:
    horizontal = moving_source().copy()
    horizontal[2] = 0
    verdict = compare(horizontal)
    assert (verdict.reason, verdict.numbers["silent_axis"]) == ("agrees", 3)
    assert "sound_elevation_deg" not in verdict.numbers
    assert compare(stored(horizontal, FUMA_ORDER)).reason == "channel-order"


def test_without_a_direction_nothing_is_said() -> None:
    audio = diffuse(keyed_generator(2, "diffuse"), RATE_HZ * 4, RATE_HZ)
    verdict = compare(audio)
    assert (verdict.outcome, verdict.reason) == (Outcome.UNSURE, "no-clear-source")


@pytest.mark.parametrize("moves", [False, True], ids=["a still picture", "a moving camera"])
def test_a_picture_that_tells_nothing_contradicts_nothing(moves: bool) -> None:
    rng = np.random.default_rng(3)
    mirrored = stored(moving_source(), CHANGES[-1])
    check = make_check("av-agreement")
    for time_s in range(DURATION_S):
        frames = np.repeat(rng.uniform(0, 255, (1, 96, 192)).astype(np.float32), 3, axis=0)
        frames += moves * rng.normal(0, 20, (3, 96, 192)).astype(np.float32)
        check.add_frames(FrameTriplet(float(time_s), frames))
    verdict = hear(check, mirrored, rate_hz=RATE_HZ)
    assert verdict.defect_probability < 0.1


def test_one_source_at_rest_never_decides() -> None:
    signal = noise(keyed_generator(1, "resting source"), RATE_HZ * 8, RATE_HZ)
    where = np.array([0.0, 1.0, 0.0])
    check = make_check("av-agreement")
    grid = equirect_grid(96, 192).numpy()
    disc = np.arccos(np.clip(grid @ np.array([1.0, 0, 0]), -1, 1)) < 0.12
    for time_s in range(8):
        frames = np.stack([disc * level for level in (50.0, 80.0, 50.0)]).astype(np.float32)
        check.add_frames(FrameTriplet(float(time_s), frames))
    verdict = hear(check, plane_wave(signal, where), rate_hz=RATE_HZ)
    assert verdict.outcome is not Outcome.NOT_OK
    assert verdict.numbers["independent_moments"] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("where", [(0.2, 0.3, 0.93), (0.0, 0.2, 0.98)], ids=["", "X is silent"])
def test_a_source_high_above_a_still_picture_is_nothing_wrong(where: tuple[float, ...]) -> None:
    signal = noise(keyed_generator(1, "high source"), RATE_HZ * 4, RATE_HZ)
    check = make_check("av-agreement")
    for time_s in range(4):
        check.add_frames(FrameTriplet(float(time_s), np.full((3, 96, 192), 80.0, np.float32)))
    verdict = hear(check, plane_wave(signal, np.array(where)), rate_hz=RATE_HZ)
    assert (verdict.outcome, verdict.reason) == (Outcome.OK, "not-confirmed")


def test_the_pose_of_the_projection_is_reverted() -> None:
    check = make_check("av-agreement")
    turned = ResolvedProjection("equirectangular", "mono", 192, 96, pose_deg=(90.0, 0.0, 0.0))
    check.begin_part(Part(projection=turned))
    for frames in film():
        check.add_frames(frames)
    plain = make_check("av-agreement")
    for frames in film():
        plain.add_frames(frames)
    offsets = [
        hear(each, moving_source(), rate_hz=RATE_HZ).numbers["offset_deg"]
        for each in (check, plain)
    ]
    assert abs(offsets[0] - offsets[1]) == pytest.approx(90, abs=6)


def test_memory_does_not_grow_with_the_duration() -> None:
    check = make_check("av-agreement", most_triplets=8)
    for part in range(4):
        check.begin_part(Part())
        for frames in film(start_s=part * DURATION_S):
            check.add_frames(frames)
    assert len(check._motion.rows) <= 8
    numbers = hear(check, np.tile(moving_source(), 4), rate_hz=RATE_HZ).numbers
    assert 2 < numbers["moments"] <= 8
