"""The spatial-audio check follows the physics of plane waves, whatever sounds."""

import numpy as np
import pytest
from helpers.quality_checks import hear, make_check
from numpy.typing import NDArray
from quality.audio import KINDS, make_audio
from quality.sound_fields import Room, any_direction, diffuse, plane_wave, scene
from quality.sound_sources import noise

from yt360.quality.verdict import Outcome, Verdict
from yt360.randomness import keyed_generator

RATE_HZ = 24_000


def judge(*pieces: NDArray) -> Verdict:
    return hear(make_check("spatial-audio"), *pieces, rate_hz=RATE_HZ)


def a_field(seed: int = 0, sources: int = 3) -> NDArray:
    rng = keyed_generator(seed, "test field")
    return scene(rng, sources, 4 * RATE_HZ, RATE_HZ, Room(0.3), -30.0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_sound_gets_its_answer(kind: str) -> None:
    example = make_audio(kind, keyed_generator(3, kind), 4.0, RATE_HZ)
    verdict = judge(example.audio)
    if example.spatial == "ok":
        assert (verdict.outcome, verdict.reason) == (Outcome.OK, "ambix")
    else:
        assert (verdict.outcome, verdict.reason) == (Outcome.NOT_OK, example.spatial)


@pytest.mark.parametrize("direction", [(1, 0, 0), (0, 0.6, 0.8), (0.577, -0.577, 0.577)])
def test_one_plane_wave_from_anywhere_has_ratio_one(direction: tuple[float, ...]) -> None:
    signal = noise(keyed_generator(1, "wave"), 4 * RATE_HZ, RATE_HZ)
    verdict = judge(plane_wave(signal, np.array(direction)))
    assert verdict.numbers["ratio"] == pytest.approx(1, abs=0.01)
    assert verdict.outcome is not Outcome.NOT_OK


def test_a_diffuse_field_has_ratio_one_as_one_wave_has() -> None:
    verdict = judge(diffuse(keyed_generator(2, "diffuse"), 8 * RATE_HZ, RATE_HZ))
    assert verdict.numbers["ratio"] == pytest.approx(1, abs=0.05)
    assert verdict.outcome is Outcome.OK


@pytest.mark.parametrize(("gain", "reason"), [(2**-0.5, "fuma"), (3**-0.5, "n3d")])
def test_scaling_w_by_a_normalization_names_it(gain: float, reason: str) -> None:
    sound = a_field()
    sound[0] *= gain
    assert judge(sound).reason == reason


def test_verdict_does_not_depend_on_orientation_level_or_order_of_directions() -> None:
    sound = a_field(5)
    first = judge(sound)
    turned = judge(sound[[0, 3, 1, 2]] * np.array([1, -1, 1, 1])[:, None])
    quiet = judge(0.01 * sound)
    for other in (turned, quiet):
        assert other.reason == first.reason
        assert other.numbers["ratio_db"] == pytest.approx(first.numbers["ratio_db"], abs=0.05)


@pytest.mark.parametrize("silent", [1, 2, 3])
def test_a_silent_direction_channel_is_no_proof(silent: int) -> None:
    rng = keyed_generator(silent, "plane")
    sound = np.zeros((4, 4 * RATE_HZ))
    for way in any_direction(rng, 4):
        ways = np.insert(way[:2] / np.linalg.norm(way[:2]), silent - 1, 0.0)
        signal = noise(rng, sound.shape[1], RATE_HZ)
        sound += signal * np.array([1, *ways])[:, None]
    assert judge(sound).outcome is Outcome.OK


def test_sound_in_w_alone_is_not_spatial() -> None:
    sound = a_field()
    sound[1:] *= 0.01
    assert judge(sound).reason == "w-only"


def test_a_lone_source_on_an_axis_is_not_decided() -> None:
    signal = noise(keyed_generator(4, "axis"), 4 * RATE_HZ, RATE_HZ)
    verdict = judge(plane_wave(signal, np.array([0.0, 1.0, 0.0])))
    assert (verdict.outcome, verdict.reason) == (Outcome.UNSURE, "one-axis")


def test_silence_is_not_decided() -> None:
    verdict = judge(np.zeros((4, 4 * RATE_HZ)))
    assert (verdict.outcome, verdict.reason) == (Outcome.UNSURE, "too-little-sound")


def test_the_answer_does_not_depend_on_how_the_stream_is_cut() -> None:
    sound = a_field(7)
    assert judge(*np.array_split(sound, 37, axis=1)) == judge(sound)


def test_a_voice_over_a_field_leaves_the_field_valid() -> None:
    sound = a_field(8)
    sound[0, : 2 * RATE_HZ] += 3 * noise(keyed_generator(8, "over"), 2 * RATE_HZ, RATE_HZ)
    assert judge(sound).outcome is Outcome.OK
