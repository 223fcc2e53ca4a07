"""Photos made into videos are told from recordings; black and frozen video is found."""

import numpy as np
import pytest
import torch
from helpers.quality_checks import make_check
from quality.videos import KINDS, make_video, panorama
from torch.nn.functional import interpolate

from yt360.media.video.frame_triplets import (
    FRAME_STEP_S,
    HEIGHT,
    WIDTH,
    FrameTriplet,
)
from yt360.media.video.projection import ResolvedProjection
from yt360.quality.checks.base import Part
from yt360.quality.verdict import Outcome, Verdict, judge
from yt360.randomness import keyed_generator

BLACK = np.full((HEIGHT, WIDTH), 16, np.float32)
UNDECIDED = ("photo-logo", "photo-bars", "photo-grain")


def seen(check_name: str, kind: str, seconds: int, seed: int = 0) -> Verdict:
    """Return the verdict of a check on a made video."""
    film = make_video(kind, keyed_generator(seed, kind), float(seconds)).film
    check = make_check(check_name)
    for start in range(seconds):
        frames = [small(film(start + step * FRAME_STEP_S)) for step in range(3)]
        check.add_frames(FrameTriplet(float(start), np.stack(frames)))
    return check.verdict({})


def small(image: np.ndarray) -> np.ndarray:
    pixels = torch.from_numpy(image.astype(np.float32))[None, None]
    return interpolate(pixels, (HEIGHT, WIDTH), mode="bilinear", align_corners=True)[0, 0].numpy()


@pytest.mark.parametrize("kind", [kind for kind, (_, still, _) in KINDS.items() if still])
def test_photos_are_still_however_they_are_shown(kind: str) -> None:
    verdict = seen("still-image", kind, 12)
    assert verdict.outcome is (Outcome.UNSURE if kind in UNDECIDED else Outcome.NOT_OK)


@pytest.mark.parametrize("kind", [kind for kind, (_, still, _) in KINDS.items() if still is False])
def test_recordings_are_not_still(kind: str) -> None:
    expected = Outcome.UNSURE if kind == "empty-room" else Outcome.OK
    assert seen("still-image", kind, 12, seed=1).outcome is expected


@pytest.mark.parametrize("kind", [kind for kind, (_, _, found) in KINDS.items() if found])
def test_black_and_frozen_video_is_found(kind: str) -> None:
    assert seen("picture", kind, 20).reason == KINDS[kind][2]


def test_a_photo_in_a_cubemap_may_move_face_by_face() -> None:
    world = small(panorama(keyed_generator(0, "cubemap")))

    def film(time_s: float) -> np.ndarray:
        moved = world.copy()
        for row in range(2):
            for column in range(3):
                face = np.s_[row * 144 : row * 144 + 144, column * 192 : column * 192 + 192]
                shift = 6.0 * time_s * (1 if (row + column) % 2 else -1)
                spectrum = np.fft.rfft(np.pad(world[face], ((0, 0), (96, 96)), "edge"), axis=1)
                waves = np.arange(spectrum.shape[1]) / 384
                turned = np.fft.irfft(spectrum * np.exp(-2j * np.pi * waves * shift), n=384)
                moved[face] = turned[:, 96:288]
        return np.asarray(np.clip(moved, 0, 255), dtype=np.float32)

    outcomes = {}
    for projection in ("equirectangular", "eac"):
        check = make_check("still-image")
        check.begin_part(Part(projection=ResolvedProjection(projection, "mono", 192, 96)))
        for start in range(8):
            frames = [film(0.5 + 0.3 * start + step * FRAME_STEP_S) for step in range(3)]
            check.add_frames(FrameTriplet(float(start), np.stack(frames)))
        outcomes[projection] = check.verdict({}).outcome
    assert outcomes == {"equirectangular": Outcome.OK, "eac": Outcome.NOT_OK}


def test_a_black_beginning_does_not_count() -> None:
    film = make_video("movers", keyed_generator(2, "movers"), 60.0).film
    check = make_check("still-image")
    for start in range(24):
        times = start + FRAME_STEP_S * np.arange(3)
        frames = [
            small(film(time_s)) if start >= 12 else np.zeros((HEIGHT, WIDTH)) for time_s in times
        ]
        check.add_frames(FrameTriplet(float(start), np.stack(frames).astype(np.float32)))
    verdict = check.verdict({})
    assert verdict.outcome is Outcome.OK
    assert verdict.numbers["probes"] == 12


@pytest.mark.parametrize(("flies", "expected"), [(True, Outcome.OK), (False, Outcome.UNSURE)])
def test_without_any_noise_a_thing_that_travels_is_motion_and_a_sign_may_be_an_overlay(
    flies: bool, expected: Outcome
) -> None:
    world = small(panorama(keyed_generator(0, "ball")))
    check = make_check("still-image")
    for number in range(16):
        frames = np.stack([world] * 3)
        for step in range(3):
            left = 30 * number if flies else 60
            left += 8 * step if flies or number % 2 else 8 * (2 - step)
            frames[step, 140:158, left : left + 18] = 255 - frames[step, 140:158, left : left + 18]
        check.add_frames(FrameTriplet(float(number), frames))
    verdict = check.verdict({})
    assert verdict.outcome is expected, verdict


def test_steps_of_an_encoder_are_no_motion() -> None:
    rng = keyed_generator(3, "steps")
    image = small(panorama(rng))
    check = make_check("still-image")
    for start in range(12):
        coarse = image + 8 * rng.standard_normal(image.shape, dtype=np.float32)
        frames = [coarse, image, image] if start % 2 else [image, image, coarse]
        check.add_frames(FrameTriplet(float(start), np.stack(frames)))
    numbers = check.verdict({}).numbers
    assert numbers["motion"] == 0
    assert numbers["moving_share"] == 0


@pytest.mark.parametrize(
    ("silent_share", "outcome"), [(0.0, Outcome.NOT_OK), (0.75, Outcome.OK), (1.0, Outcome.NOT_OK)]
)
def test_a_black_beginning_does_no_harm_if_it_is_silent(
    silent_share: float, outcome: Outcome
) -> None:
    film = make_video("movers", keyed_generator(0, "movers"), 5.0).film
    check = make_check("picture")
    for start in range(20):
        moments = (start - 15 + step * FRAME_STEP_S for step in range(3))
        frames = [small(film(time_s)) if start >= 15 else BLACK for time_s in moments]
        check.add_frames(FrameTriplet(float(start), np.stack(frames)))
    silence = judge("silence", 0.01, ("sounding", "silent"), "", {"silent_share": silent_share})
    assert check.verdict({"silence": silence}).outcome is outcome
