"""Timeline, quantiles, alignment, turning, levels, and the map of directions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quality.sound_fields import plane_wave
from quality.videos import make_video, panorama
from scipy.ndimage import zoom

from yt360.media.layout.sound_field import FieldAnalyzer
from yt360.media.video.frame_triplets import SMALL_HEIGHT, SMALL_WIDTH
from yt360.quality.signal.alignment import align, match_light
from yt360.quality.signal.blocks import changed_blocks
from yt360.quality.signal.levels import LevelMeter
from yt360.quality.signal.series import DirectionSeries
from yt360.quality.signal.statistics import weighted_quantile
from yt360.quality.signal.timeline import Timeline
from yt360.quality.signal.turning import azimuth_shift
from yt360.randomness import keyed_generator

RATE_HZ = 8_000


def small(image: np.ndarray) -> np.ndarray:
    factors = (SMALL_HEIGHT / image.shape[0], SMALL_WIDTH / image.shape[1])
    return np.asarray(zoom(image, factors, order=1), dtype=np.float32)


@given(st.integers(0, 500), st.integers(2, 40))
def test_a_timeline_covers_everything_evenly_in_bounded_space(count: int, most: int) -> None:
    timeline = Timeline(most, 1)
    for value in range(count):
        timeline.add((value,))
    kept = timeline.rows[:, 0]
    assert len(kept) <= most
    assert list(kept) == list(range(0, count, timeline.stride))


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 5)), min_size=1, max_size=30),
    st.floats(0.01, 1),
)
def test_a_weighted_quantile_is_that_of_repeated_values(
    pairs: list[tuple[int, int]], quantile: float
) -> None:
    values, weights = zip(*pairs, strict=True)
    repeated = np.sort(np.repeat(values, weights))
    expected = repeated[int(np.ceil(quantile * len(repeated) - 1e-9)) - 1]
    assert weighted_quantile(values, weights, quantile) == expected


def test_alignment_undoes_zoom_and_light_but_not_motion_of_a_part() -> None:
    film = make_video("photo-zoom", keyed_generator(2, "zoom"), 5.0).film
    first, last = small(film(0.0)), small(film(2.0))
    aligned = align(first, 0.7 * last + 20)
    inside = np.abs(aligned.image - (0.7 * last + 20))[aligned.known]
    assert aligned.known.mean() > 0.8
    assert inside.mean() < 0.3 * np.abs(first - last).mean()
    walk = make_video("walk", keyed_generator(2, "walk"), 5.0).film
    first, last = small(walk(0.0)), small(walk(1.0))
    moved = align(first, last).image
    assert changed_blocks(moved, last, 2.5, 0.25)[4:-4, 4:-4].mean() > 0.05


def test_alignment_measures_the_displacement_of_each_face() -> None:
    image = small(panorama(keyed_generator(5, "shift")))
    moved = np.concatenate([image[:48], np.roll(image[48:], 1, axis=0)])
    displacement = align(image, moved, (2, 1)).displacement
    assert displacement[:48].max() < 0.05
    assert np.median(displacement[48:]) == pytest.approx(1, abs=0.1)


def test_light_is_matched_on_what_stays_not_on_what_changes() -> None:
    image = small(panorama(keyed_generator(3, "light")))
    logo = image.copy()
    logo[10:30, 20:60] = 255
    assert match_light(logo, image) is logo
    relit = match_light(logo, 0.5 * image)
    assert np.median(np.abs(relit - 0.5 * image)) < 0.5


@pytest.mark.parametrize("columns", [-60, -7, 0, 12, 90])
def test_a_shift_of_the_image_is_a_change_of_azimuth(columns: int) -> None:
    image = small(panorama(keyed_generator(4, "shift")))
    angle, correlation = azimuth_shift(image, np.roll(image, columns, axis=1))
    assert angle == pytest.approx(-2 * np.pi * columns / SMALL_WIDTH, abs=0.01)
    assert correlation > 0.95


def test_images_of_different_worlds_do_not_correlate() -> None:
    one, other = (small(panorama(keyed_generator(seed, "worlds"))) for seed in (1, 2))
    assert azimuth_shift(one, other)[1] < 0.5


def test_the_level_of_a_sine_is_its_mean_square() -> None:
    meter = LevelMeter(1000)
    time_s = np.arange(20_000) / 1000
    meter.feed((0.1 * np.sin(2 * np.pi * 50 * time_s)).astype(np.float32))
    assert meter.clip_levels_dbfs([0, 10], 10) == pytest.approx([-23.01, -23.01], abs=0.01)


def test_levels_do_not_depend_on_how_the_stream_is_cut() -> None:
    sound = np.random.default_rng(0).standard_normal(25_300).astype(np.float32)
    whole, cut = LevelMeter(1000), LevelMeter(1000)
    whole.feed(sound)
    for piece in np.array_split(sound, 19):
        cut.feed(piece)
    assert cut.clip_levels_dbfs([0, 10, 20], 10) == pytest.approx(
        whole.clip_levels_dbfs([0, 10, 20], 10), abs=1e-5
    )


def test_time_after_the_end_is_silent() -> None:
    meter = LevelMeter(1000)
    meter.feed(np.ones(5000, np.float32))
    inside, half, outside = meter.clip_levels_dbfs([0, 0, 60], 10)
    assert inside == half == pytest.approx(-3.01, abs=0.01)
    assert outside == -150


@given(st.integers(-250, 350), st.integers(1, 900))
def test_levels_are_those_of_the_same_audio_with_silence_before_it(first: int, count: int) -> None:
    sound = np.random.default_rng(count).standard_normal(count).astype(np.float32)
    late, padded = LevelMeter(100, first), LevelMeter(100)
    for piece in np.array_split(sound, 3):
        late.feed(piece)
    padded.feed(np.concatenate([np.zeros(max(first, 0), np.float32), sound[max(-first, 0) :]]))
    np.testing.assert_allclose(late.levels_dbfs, padded.levels_dbfs, atol=1e-4)


def test_clips_end_to_end_start_with_the_audio() -> None:
    meter = LevelMeter(100, 600)
    meter.feed(np.concatenate([np.full(1000, 0.1), np.zeros(1000)]).astype(np.float32))
    assert meter.default_clips_dbfs() == pytest.approx([-20, -150], abs=0.01)
    short = LevelMeter(100, 600)
    short.feed(np.full(500, 0.1, np.float32))
    assert short.default_clips_dbfs() == pytest.approx([-20], abs=0.01)


def test_the_map_shows_a_source_where_it_is() -> None:
    azimuth = np.radians(70)
    signal = np.random.default_rng(0).standard_normal(4 * RATE_HZ)
    sound = plane_wave(signal, np.array([np.cos(azimuth), np.sin(azimuth), 0.0]))
    series = DirectionSeries()
    for segment in FieldAnalyzer(RATE_HZ, start_s=10.0).feed(sound.astype(np.float32)):
        series.feed(segment)
    times, power = series.energy_map(72, 5)
    assert len(times) <= 5
    assert times[0] == pytest.approx(10.0)
    rows = 180 - (np.argmax(power, axis=0) + 0.5) * 5
    assert np.abs(rows - 70).max() <= 5


def test_the_map_shows_the_gap_between_sections() -> None:
    series = DirectionSeries()
    sound = keyed_generator(0, "map").standard_normal((4, 12 * RATE_HZ)).astype(np.float32)
    for start_s in (0.0, 60.0):
        for segment in FieldAnalyzer(RATE_HZ, start_s).feed(sound):
            series.feed(segment)
    times, power = series.energy_map(8, 60)
    assert len(times) <= 60
    assert np.allclose(np.diff(times), times[1] - times[0])
    heard = np.isfinite(power).all(axis=0)
    inside = (times % 60 > 2) & (times % 60 < 9)
    gap = (times > 14) & (times < 58)
    assert heard[inside].all() and not heard[gap].any()
    assert inside.sum() > 10 and gap.sum() > 20
