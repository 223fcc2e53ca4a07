"""Photos made into videos are told from recordings; black and frozen pictures are found."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from quality.videos import KINDS, make_video, panorama
from quality.writing import write_video_example
from scipy.ndimage import zoom

from yt360.errors import BadItem
from yt360.media.video.frame_triplets import (
    FRAME_STEP_S,
    HEIGHT,
    WIDTH,
    FrameTriplet,
    read_frame_triplets,
    triplet_interval_s,
)  # fmt: skip
from yt360.quality.checks.still_image import StillImageTest
from yt360.quality.checks.video import PictureTest
from yt360.quality.signal.alignment import align, match_light
from yt360.quality.signal.blocks import changed_blocks
from yt360.quality.signal.turning import azimuth_shift
from yt360.quality.verdict import Outcome
from yt360.randomness import keyed_generator

UNDECIDED = ("photo-logo", "performer")


def probes_of(kind: str, seconds: int, seed: int = 0) -> Iterator[FrameTriplet]:
    film = make_video(kind, keyed_generator(seed, kind), float(seconds)).film
    for start in range(seconds):
        frames = [small(film(start + step * FRAME_STEP_S)) for step in range(3)]
        yield FrameTriplet(float(start), np.stack(frames))


def small(image: np.ndarray) -> np.ndarray:
    factors = (HEIGHT / image.shape[0], WIDTH / image.shape[1])
    return np.asarray(zoom(image, factors, order=1), dtype=np.float32)


@pytest.mark.parametrize("kind", [kind for kind, (_, still, _) in KINDS.items() if still])
def test_photos_are_still_however_they_are_shown(kind: str) -> None:
    test = StillImageTest()
    for probe in probes_of(kind, 12):
        test.feed(probe)
    verdict = test.verdict()
    assert verdict.reason.startswith("photo")
    assert verdict.outcome is Outcome.NOT_OK or kind in UNDECIDED


@pytest.mark.parametrize("kind", [kind for kind, (_, still, _) in KINDS.items() if still is False])
def test_recordings_are_not_still(kind: str) -> None:
    test = StillImageTest()
    for probe in probes_of(kind, 12, seed=1):
        test.feed(probe)
    assert test.verdict().outcome is Outcome.OK


@pytest.mark.parametrize("kind", [kind for kind, (_, _, found) in KINDS.items() if found])
def test_black_and_frozen_pictures_are_found(kind: str) -> None:
    test = PictureTest()
    for probe in probes_of(kind, 20):
        test.feed(probe)
    assert test.verdict().reason == KINDS[kind][2]


def test_a_photo_in_a_cubemap_may_move_face_by_face() -> None:
    world = small(panorama(keyed_generator(0, "cubemap")))

    def film(time_s: float) -> np.ndarray:
        moved = world.copy()
        for row in range(2):
            for column in range(3):
                face = np.s_[row * 48 : row * 48 + 48, column * 64 : column * 64 + 64]
                shift = 2.0 * time_s * (1 if (row + column) % 2 else -1)
                spectrum = np.fft.rfft(np.pad(world[face], ((0, 0), (32, 32)), "edge"), axis=1)
                waves = np.arange(spectrum.shape[1]) / 128
                turned = np.fft.irfft(spectrum * np.exp(-2j * np.pi * waves * shift), n=128)
                moved[face] = turned[:, 32:96]
        return np.asarray(np.clip(moved, 0, 255), dtype=np.float32)

    outcomes = {}
    for projection in ("equirectangular", "eac"):
        test = StillImageTest(projection)
        for start in range(8):
            frames = [film(0.5 + 0.3 * start + step * FRAME_STEP_S) for step in range(3)]
            test.feed(FrameTriplet(float(start), np.stack(frames)))
        outcomes[projection] = test.verdict().outcome
    assert outcomes == {"equirectangular": Outcome.OK, "eac": Outcome.NOT_OK}


def test_alignment_undoes_zoom_and_light_but_not_motion_of_a_part() -> None:
    film = make_video("photo-zoom", keyed_generator(2, "zoom"), 5.0).film
    first, last = small(film(0.0)), small(film(2.0))
    moved, known = align(first, 0.7 * last + 20)
    inside = np.abs(moved - (0.7 * last + 20))[known]
    assert known.mean() > 0.8
    assert inside.mean() < 0.3 * np.abs(first - last).mean()
    walk = make_video("walk", keyed_generator(2, "walk"), 5.0).film
    first, last = small(walk(0.0)), small(walk(1.0))
    moved, known = align(first, last)
    assert changed_blocks(moved, last, 2.5, 0.25)[4:-4, 4:-4].mean() > 0.05


def test_light_is_matched_on_what_stays_not_on_what_changes() -> None:
    picture = small(panorama(keyed_generator(3, "light")))
    sign = picture.copy()
    sign[10:30, 20:60] = 255
    assert match_light(sign, picture) is sign
    relit = match_light(sign, 0.5 * picture)
    assert np.median(np.abs(relit - 0.5 * picture)) < 0.5


@pytest.mark.parametrize("columns", [-60, -7, 0, 12, 90])
def test_a_shift_of_the_picture_is_a_change_of_azimuth(columns: int) -> None:
    picture = small(panorama(keyed_generator(4, "shift")))
    angle, correlation = azimuth_shift(picture, np.roll(picture, columns, axis=1))
    assert angle == pytest.approx(-2 * np.pi * columns / WIDTH, abs=0.01)
    assert correlation > 0.95


def test_pictures_of_different_worlds_do_not_correlate() -> None:
    one, other = (small(panorama(keyed_generator(seed, "worlds"))) for seed in (1, 2))
    assert azimuth_shift(one, other)[1] < 0.5


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("films") / "film.mkv"
    example = make_video("movers", keyed_generator(5, "film"), 16.0)
    write_video_example(path, example, frame_rate=10, gop=40)
    return path


def test_probes_are_regular_and_true_to_the_film(film: Path) -> None:
    example = make_video("movers", keyed_generator(5, "film"), 16.0)
    probes = list(read_frame_triplets(film))
    times = np.array([probe.time_s for probe in probes])
    assert len(probes) >= 7
    assert (np.diff(times) < 2.6).all()
    for probe in probes[::3]:
        expected = small(example.film(probe.time_s))
        error = np.abs(probe.frames[0] - expected).mean()
        # Range and scaling differ a little; another time differs by far more in the moving parts.
        assert error < 12
        changed = changed_blocks(probe.frames[0], probe.frames[2], 1.5, 0.25).mean()
        assert changed > 0


def test_rare_probes_begin_at_key_frames(film: Path) -> None:
    times = [probe.time_s for probe in read_frame_triplets(film, interval_s=6.0)]
    assert times == pytest.approx([0.0, 8.0], abs=0.05)


def test_large_pictures_are_probed_less_often() -> None:
    small_s, large_s = triplet_interval_s(640, 320, 30), triplet_interval_s(3840, 1920, 30)
    assert 1.0 <= small_s < 2.0
    assert 1.0 < triplet_interval_s(1920, 960, 30) < large_s <= 20.0
    assert triplet_interval_s(3840, 1920, 30, duration_s=16.0) == 2.0


def test_a_file_without_a_picture_is_a_bad_item(tmp_path: Path) -> None:
    path = tmp_path / "empty.mkv"
    path.write_bytes(b"")
    with pytest.raises(BadItem, match="empty-file"):
        next(read_frame_triplets(path))
