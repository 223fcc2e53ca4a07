"""What fingerprints do not depend on: turns, levels, and when a recording starts."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.panoramas import film, place, recording, sound

from yt360.duplicates import audio, picture
from yt360.duplicates.fingerprint import (
    Skipped,
    load_fingerprint,
    load_words,
    save_fingerprints,
)


def equal_words(a: np.ndarray, b: np.ndarray) -> float:
    return float((a == b).mean())


@pytest.mark.parametrize("columns", [1, 13, 32, 50])
def test_a_turn_is_found_and_reverted(columns):
    frames = film(place(1), 1, 2)[:, picture.ROWS]
    turned = np.roll(frames, -columns, axis=2)  # to the left: a larger azimuth
    a, b = (picture.coefficients(each) for each in (frames, turned))
    score, yaw = picture.best_turn(picture.unit(a), picture.unit(b))
    np.testing.assert_allclose(score, 1, atol=1e-3)
    wanted = (columns / 64 * 360 + 180) % 360 - 180
    turn_error = (np.degrees(yaw) - wanted + 180) % 360 - 180
    assert np.abs(turn_error).max() < 0.5
    np.testing.assert_allclose(picture.turned(b, -float(np.radians(wanted))), a, atol=1)


def test_words_do_not_change_with_a_turn_or_with_brightness():
    frames = film(place(2), 2, 4)[:, picture.ROWS]
    words, at = picture.picture_words(frames)
    changed, also_at = picture.picture_words(
        (np.roll(frames, 20, axis=2) * 0.8 + 9).astype(np.uint8)
    )
    assert equal_words(words, changed) > 0.8
    np.testing.assert_array_equal(at, also_at)
    other, _ = picture.picture_words(film(place(3), 2, 4)[:, picture.ROWS])
    assert equal_words(words, other) == 0


def test_what_shows_or_sounds_nothing_has_no_words():
    black = 16 + np.random.default_rng(0).integers(0, 2, (8, 22, 64), dtype=np.uint8)
    assert not len(picture.picture_words(black)[0])
    assert not len(audio.audio_words(audio.audio_features([np.zeros(40_000, np.float32)]))[0])
    assert not len(audio.audio_words(audio.audio_features([np.zeros(99, np.float32)]))[0])


def test_a_still_picture_has_no_motion():
    still = np.repeat(place(4)[None, picture.ROWS], 8, 0).astype(np.uint8)
    assert np.abs(picture.motion(picture.coefficients(still))).max() < 1e-2


def test_audio_features_depend_neither_on_level_nor_on_blocks():
    samples = sound(1, 6)
    features = audio.audio_features([samples])
    np.testing.assert_array_equal(
        audio.audio_features(np.split(samples, [7, 9_000, 30_001])), features
    )
    quieter = audio.audio_features([samples * 0.05]).astype(int)
    assert np.abs(quieter - features).max() <= 2
    assert equal_words(audio.audio_words(features)[0], audio.audio_words(features)[0]) == 1


def test_audio_that_starts_later_shares_words():
    samples = sound(2, 8)
    late = audio.audio_words(audio.audio_features([samples[1_234:]]))[0]
    words = audio.audio_words(audio.audio_features([samples]))[0]
    other = audio.audio_words(audio.audio_features([sound(3, 8)]))[0]
    shared = [np.intersect1d(words[:, column], late[:, column]) for column in range(8)]
    assert sum(map(len, shared)) > 3
    assert not any(len(np.intersect1d(words[:, c], other[:, c])) for c in range(8))


def test_a_file_gives_back_what_was_saved(tmp_path):
    path = tmp_path / "file.npz"
    recordings = (
        recording("a", film(place(5), 5, 3), sound(5, 3)),
        recording("b", film(place(6), 6, 2), start_s=40.0),
    )
    skipped = Skipped(name="x", reason="y", detail="z")
    save_fingerprints(path, recordings, [skipped])
    for number, each in enumerate(recordings):
        loaded = load_fingerprint(path, number)
        assert (loaded.facts.video_id, loaded.facts.start_s) == ("ab"[number], 40.0 * number)
        np.testing.assert_array_equal(loaded.grids, each.grids)
        np.testing.assert_array_equal(loaded.features, each.features)
    words = load_words(path)
    assert words.skipped == (skipped,)
    wanted = [picture.picture_words(each.grids) for each in recordings]
    assert [each.picture_words for each in words.recordings] == [len(w) for w, _ in wanted]
    np.testing.assert_array_equal(words.picture_words, np.concatenate([w for w, _ in wanted]))
    np.testing.assert_array_equal(words.picture_at, np.concatenate([at for _, at in wanted]))
    assert len(words.audio_words) == words.recordings[0].audio_words > 0


def test_a_file_without_recordings_is_a_file(tmp_path):
    save_fingerprints(tmp_path / "file.npz", [])
    assert load_words(tmp_path / "file.npz").recordings == ()


@pytest.mark.parametrize("name", ["grids-0", "picture_words", "audio_at", "facts"])
def test_a_damaged_file_is_refused(tmp_path, name):
    save_fingerprints(tmp_path / "good.npz", [recording("a", film(place(7), 7, 2), sound(7, 2))])
    with np.load(tmp_path / "good.npz") as stored:
        arrays = dict(stored)
    arrays[name] = arrays[name][1:, ..., None]
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=r"bad\.npz|JSON"):
        load_words(tmp_path / "bad.npz")
        load_fingerprint(tmp_path / "bad.npz", 0)
