"""Two recordings have in common what they were made to have in common."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.panoramas import RATE_HZ, film, place, recording, sound

from yt360.duplicates import picture
from yt360.duplicates.alignment import Overlap, best_lag, correlation, longest_run
from yt360.duplicates.compare import Comparable, Match, compare
from yt360.duplicates.config import DedupConfig

CONFIG = DedupConfig()
FILM, SOUND = film(place(1), 1, 20), sound(1, 20)


def matched(a, b, moments=((0, 0),)) -> Match | None:
    return compare(Comparable(a), Comparable(b), np.array(moments).reshape(-1, 2), CONFIG)


def turned(frames: np.ndarray, columns: int) -> np.ndarray:
    return np.roll(frames, -columns, axis=2)


def noisy(frames: np.ndarray, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 2, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("with_audio", [True, False])
def test_a_trimmed_and_turned_copy_is_the_same_footage(with_audio):
    samples = SOUND if with_audio else None
    cut = None if samples is None else samples[3 * RATE_HZ :]
    copy = recording("b", turned(noisy(FILM[12:]), 16), cut)
    match = matched(recording("a", FILM, samples, start_s=100.0), copy)
    assert match.kind == "same-footage"
    assert match.yaw_deg == pytest.approx(90, abs=1)
    assert match.start_a_s - match.start_b_s == pytest.approx(103, abs=0.3)
    assert match.duration_s == pytest.approx(17, abs=0.5)
    assert match.place > 0.9 and match.motion > 0.8
    assert match.audio is None if not with_audio else match.audio > 0.9


def test_the_order_of_two_recordings_only_reverts_the_turn():
    a, b = recording("a", FILM, SOUND), recording("b", turned(FILM[8:60], 10), SOUND[16000:120000])
    one, other = matched(a, b), matched(b, a)
    assert one.yaw_deg == -other.yaw_deg
    assert (one.start_a_s, one.start_b_s) == (other.start_b_s, other.start_a_s)
    assert (one.kind, one.place) == (other.kind, pytest.approx(other.place, abs=1e-3))


def test_a_part_of_a_longer_recording_is_found():
    other = film(place(2), 2, 30)
    mixed = np.concatenate([other[:60], FILM[20:50], other[60:]])
    match = matched(recording("a", FILM), recording("b", mixed), [(30, 70)])
    assert match.kind == "same-footage"
    assert match.start_a_s == pytest.approx(5, abs=1) and match.start_b_s == pytest.approx(
        15, abs=1
    )
    assert match.duration_s == pytest.approx(7.5, abs=1)


def test_another_moment_of_a_place_is_not_the_same_footage():
    later = film(place(1), 9, 20)
    match = matched(recording("a", FILM, SOUND), recording("b", turned(later, 5), sound(9, 20)))
    assert match.kind == "same-place"
    assert match.place > 0.7 and match.yaw_deg == pytest.approx(5 / 64 * 360, abs=1)


def test_the_audio_tells_the_moment_where_nothing_moves():
    still = np.repeat(FILM[:1], 60, 0)
    a = recording("a", noisy(still, 1), SOUND[: 15 * RATE_HZ])
    assert matched(a, recording("b", noisy(still, 2), SOUND[16000:])).kind == "same-footage"
    assert matched(a, recording("b", noisy(still, 2), sound(5, 15))).kind == "same-place"


def test_the_same_audio_over_another_picture_is_said():
    match = matched(
        recording("a", FILM, SOUND), recording("b", film(place(3), 3, 20), SOUND[24000:])
    )
    assert match.kind == "same-audio"
    assert match.start_a_s - match.start_b_s == pytest.approx(3, abs=0.1)


def test_other_recordings_have_nothing_in_common():
    a, b = recording("a", FILM, SOUND), recording("b", film(place(3), 3, 20), sound(3, 20))
    assert matched(a, b) is None
    assert matched(a, b, ()) is None


def test_a_common_part_that_is_too_short_is_no_proof():
    a, b = recording("a", FILM[:40]), recording("b", FILM[28:])
    assert matched(a, b, [(30, 2)]).kind == "same-place"


def literal_lag(a: np.ndarray, b: np.ndarray, least: int) -> int:
    def significance(lag: int) -> float:
        overlap = Overlap.at(lag, len(a), len(b))
        return correlation(*overlap.of(a, b)) * np.sqrt(overlap.length)

    return max(range(least - len(b), len(a) - least + 1), key=significance)


@pytest.mark.parametrize("seed", range(4))
def test_the_best_lag_is_that_of_a_literal_search(seed):
    draws = np.random.default_rng(seed)
    a = draws.standard_normal((40, 3)).astype(np.float32)
    b = np.concatenate([draws.standard_normal((5, 3)), a[10:30]]).astype(np.float32)
    assert best_lag(a, b, 8) == literal_lag(a, b, 8) == 5
    assert best_lag(a, b[:5], 8) is None


def test_runs():
    assert longest_run(np.array([], bool)) == (0, 0)
    assert longest_run(np.array([1, 0, 1, 1, 0, 1], bool)) == (2, 2)


def test_moments_of_the_fingerprint_are_four_a_second():
    assert picture.FPS == 4 and len(FILM) == 80
