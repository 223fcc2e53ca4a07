"""The spatial-audio check follows the physics of plane waves, whatever sounds."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.quality_checks import hear, make_check
from numpy.typing import NDArray
from quality.audio import KINDS, make_audio
from quality.sound_fields import Room, any_direction, diffuse, plane_wave, scene
from quality.sound_sources import noise

from yt360.media.layout.audio_layout import STATED_LAYOUTS, AudioLayout
from yt360.media.names import AudioLayoutName
from yt360.quality.checks.base import Part
from yt360.quality.verdict import Outcome, Verdict
from yt360.randomness import keyed_generator

RATE_HZ = 24_000


def judge(*pieces: NDArray) -> Verdict:
    return hear(make_check("spatial-audio"), *pieces, rate_hz=RATE_HZ)


def a_field(seed: int = 0, sources: int = 3, reverberation_s: float = 0.3) -> NDArray:
    rng = keyed_generator(seed, "test field")
    return scene(rng, sources, 4 * RATE_HZ, RATE_HZ, Room(reverberation_s), -30.0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_sound_gets_its_answer(kind: str) -> None:
    example = make_audio(kind, keyed_generator(3, kind), 4.0, RATE_HZ)
    verdict = judge(example.audio)
    if example.spatial == "ok":
        assert verdict.outcome is Outcome.OK
    else:
        assert verdict.outcome is Outcome.NOT_OK
        # What sounds from few loudspeakers may also be a permuted field.
        loudspeakers = {"channel-order"} if kind in ("quad", "film-5.1") else set()
        assert verdict.reason in {example.spatial} | loudspeakers


@pytest.mark.parametrize("direction", [(1, 0, 0), (0.28, 0.576, 0.768), (0.577, -0.577, 0.577)])
def test_one_plane_wave_from_anywhere_has_ratio_one(direction: tuple[float, ...]) -> None:
    signal = noise(keyed_generator(1, "wave"), 4 * RATE_HZ, RATE_HZ)
    verdict = judge(plane_wave(signal, np.array(direction)))
    assert verdict.numbers["ratio"] == pytest.approx(1, abs=0.01)
    assert verdict.outcome is not Outcome.NOT_OK


def test_a_diffuse_field_has_ratio_one_as_one_wave_has() -> None:
    verdict = judge(diffuse(keyed_generator(2, "diffuse"), 8 * RATE_HZ, RATE_HZ))
    assert verdict.numbers["ratio"] == pytest.approx(1, abs=0.05)
    assert verdict.outcome is Outcome.OK


@pytest.mark.parametrize(
    ("gain_db", "reason"),
    [(-6.5, "w-low"), (-4.77, "n3d"), (-3.01, "w-low"), (0.0, "ambix"), (3.5, "w-high")],
)
def test_a_gain_of_w_is_measured_and_does_not_reject(gain_db: float, reason: str) -> None:
    sound = a_field(sources=6, reverberation_s=0)
    sound[0] *= 10 ** (gain_db / 20)
    verdict = judge(sound)
    assert (verdict.outcome, verdict.reason) == (Outcome.OK, reason)
    assert verdict.numbers["w_gain_db"] == pytest.approx(gain_db, abs=0.3)
    assert verdict.numbers["w_gain_600_1200_hz_db"] == pytest.approx(gain_db, abs=0.5)


@pytest.mark.parametrize("gain_db", [-14.0, 14.0])
def test_no_microphone_has_such_a_gain_of_w(gain_db: float) -> None:
    sound = a_field()
    sound[0] *= 10 ** (gain_db / 20)
    assert judge(sound).outcome is Outcome.NOT_OK


def test_a_gain_that_differs_between_octaves_is_a_microphone() -> None:
    sound = a_field(3)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(sound.shape[1], 1 / RATE_HZ), 100) / 600)
    gain = 10 ** ((-3 - 1.5 * octaves) / 20)
    sound[0] = np.fft.irfft(np.fft.rfft(sound[0]) * gain, sound.shape[1])
    verdict = judge(sound)
    assert verdict.outcome is Outcome.OK
    assert verdict.numbers["w_gain_tilt_db"] == pytest.approx(3, abs=1)


@pytest.mark.parametrize("gain", [1.0, 2**0.5, 2.0])
def test_feeds_of_four_loudspeakers_are_linearly_dependent(gain: float) -> None:
    """Of a steady field: its ratio is as constant as that of a field."""
    w, y, _, x = diffuse(keyed_generator(2, "diffuse"), 4 * RATE_HZ, RATE_HZ)
    corners = np.radians([45, -45, 135, -135])
    feeds = np.stack([w + gain * (np.cos(a) * x + np.sin(a) * y) for a in corners])
    verdict = judge(feeds)
    assert (verdict.outcome, verdict.reason) == (Outcome.NOT_OK, "loudspeaker-feeds")


@pytest.mark.parametrize("first", [1, 2, 3])
def test_another_channel_in_the_place_of_w_is_named(first: int) -> None:
    sound = a_field(11, sources=5)
    order = [first, *(channel for channel in range(4) if channel != first)]
    verdict = judge(sound[order])
    assert (verdict.outcome, verdict.reason) == (Outcome.NOT_OK, "channel-order")


@pytest.mark.parametrize("leak_db", [-200.0, -30.0])
def test_a_silent_last_channel_is_the_z_of_the_order_w_x_y_z(leak_db: float) -> None:
    w, y, _, x = plane_scene(2)
    leak = 10 ** (leak_db / 20) * y
    verdict = judge(np.stack([w, x, y, leak]))
    assert (verdict.outcome, verdict.reason) == (Outcome.NOT_OK, "fuma-order")


def test_verdict_does_not_depend_on_orientation_level_or_order_of_directions() -> None:
    sound = a_field(5)
    first = judge(sound)
    turned = judge(sound[[0, 3, 1, 2]] * np.array([1, -1, 1, 1])[:, None])
    quiet = judge(0.01 * sound)
    for other in (turned, quiet):
        assert other.reason == first.reason
        assert other.numbers["ratio_db"] == pytest.approx(first.numbers["ratio_db"], abs=0.05)


def plane_scene(silent: int) -> NDArray:
    """Four sources in one plane, so that channel `silent` is zero."""
    rng = keyed_generator(silent, "plane")
    sound = np.zeros((4, 4 * RATE_HZ))
    for way in any_direction(rng, 4):
        ways = np.insert(way[:2] / np.linalg.norm(way[:2]), silent - 1, 0.0)
        signal = noise(rng, sound.shape[1], RATE_HZ)
        sound += signal * np.array([1, *ways])[:, None]
    return sound


@pytest.mark.parametrize("silent", [1, 2])
def test_a_silent_y_or_z_is_no_proof(silent: int) -> None:
    assert judge(plane_scene(silent)).outcome is Outcome.OK


@pytest.mark.parametrize(
    ("layout", "outcome"), [("youtube-5.1", Outcome.OK), ("ambix", Outcome.UNSURE)]
)
def test_a_stated_order_is_not_contradicted_by_a_silent_x_alone(
    layout: AudioLayoutName, outcome: Outcome
) -> None:
    """Silent channels of YouTube's 5.1 fix the order of the others."""
    check = make_check("spatial-audio")
    stream = SimpleNamespace(layout=AudioLayout(layout, STATED_LAYOUTS[layout], ()))
    check.begin_part(Part(audio=stream, audio_format=stream.layout.format, is_stated=True))
    assert hear(check, plane_scene(3), rate_hz=RATE_HZ).outcome is outcome


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
