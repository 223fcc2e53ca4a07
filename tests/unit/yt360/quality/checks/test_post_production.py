"""Audio mixed over a field has too little direction, or ignores turns of the camera."""

from collections.abc import Callable

import numpy as np
import pytest
from helpers.quality_checks import hear, make_check
from quality.audio import make_audio
from quality.narration import mixed_over, narration
from quality.sound_fields import Room, impulse_response, plane_wave, scene
from quality.turning import make_turning
from scipy.signal import oaconvolve

from yt360.quality.checks.post_production import PostProductionCheck
from yt360.quality.speech import weights_path
from yt360.quality.verdict import Outcome, Verdict, judge
from yt360.randomness import keyed_generator

RATE_HZ = 24_000


def heard(sound: np.ndarray, **options: object) -> tuple[PostProductionCheck, Verdict]:
    check = make_check("post-production", **options)
    return check, hear(check, sound, rate_hz=RATE_HZ)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("ambix", "recorded"), ("voice-over", "w-overlay"), ("stereo-bed", "stereo-overlay")],
)
def test_audio_mixed_over_a_recording_is_found(kind: str, reason: str) -> None:
    _, verdict = heard(make_audio(kind, keyed_generator(0, kind), 5.0, RATE_HZ).audio)
    assert verdict.reason == reason


@pytest.mark.parametrize("fixed", [True, False])
def test_sound_that_ignores_turns_of_the_camera_is_suspected(fixed: bool) -> None:
    example = make_turning(keyed_generator(1, "turn"), fixed, 20.0, RATE_HZ)
    check, verdict = heard(example.audio)
    assert verdict.outcome is Outcome.OK
    for frames in example.frames:
        check.add_frames(frames)
    verdict = check.verdict({})
    if fixed:
        assert verdict.reason == "fixed-direction"
        # The person who holds the camera sounds the same: never certain.
        assert 0.65 < verdict.defect_probability < 0.8
    else:
        assert verdict.outcome is Outcome.OK
        assert verdict.numbers["follows_picture"] > 0.5


def require_speech() -> None:
    if weights_path() is None:
        pytest.skip("silero-vad is not installed")
    pytest.importorskip("espeakng_loader")


@pytest.fixture(scope="module")
def narrated() -> Callable[[str, float], Verdict]:
    """Return a function that judges a narration over a field, mixed in one way at a level."""
    require_speech()
    rng = np.random.default_rng(5)
    field = scene(rng, 3, 6 * RATE_HZ, RATE_HZ, Room(0.4), ambience_db=-5.0)
    speech = narration(rng, field.shape[1], RATE_HZ)

    def judged(way: str, level_db: float) -> Verdict:
        if way != "person":
            return heard(0.1 * mixed_over(rng, field, speech, level_db, way))[1]
        direction = np.array([0.8, 0.6, 0.0])
        person = oaconvolve(speech[None], impulse_response(rng, direction, Room(0.5), RATE_HZ))
        gain = 10 ** (level_db / 20) * field[0].std()
        return heard(0.1 * (field + gain * person[:, : field.shape[1]]))[1]

    return judged


@pytest.mark.parametrize(
    ("way", "reason"),
    [("w", "voice-over"), ("middle-side", "voice-over"), ("left-right", "stereo-voice-over")],
)
def test_a_narration_as_loud_as_the_field_is_found(
    narrated: Callable[[str, float], Verdict], way: str, reason: str
) -> None:
    verdict = narrated(way, 0.0)
    assert (verdict.outcome, verdict.reason) == (Outcome.NOT_OK, reason)
    assert verdict.numbers["speech_share"] > 0.5


def test_a_person_at_the_recording_is_no_narration(
    narrated: Callable[[str, float], Verdict],
) -> None:
    for level_db in (-6.0, 6.0):
        assert narrated("person", level_db).outcome is Outcome.OK


def test_speech_that_ignores_turns_is_suspected_though_the_rest_follows_them() -> None:
    require_speech()
    example = make_turning(keyed_generator(1, "turn"), False, 20.0, RATE_HZ)
    speech = narration(np.random.default_rng(1), example.audio.shape[1], RATE_HZ, 0.7)
    voice = plane_wave(speech, np.array([0.9, 0.3, -0.3])) * 2 * example.audio[0].std()
    check, _ = heard((example.audio + voice) / 10)
    for frames in example.frames:
        check.add_frames(frames)
    verdict = check.verdict({})
    assert verdict.reason == "fixed-direction"
    assert verdict.numbers["follows_picture"] > 0 > verdict.numbers["speech_follows_picture"]


def test_without_the_network_there_is_no_speech() -> None:
    sound = make_audio("ambix", keyed_generator(0, "ambix"), 5.0, RATE_HZ).audio
    _, verdict = heard(sound, speech="off")
    assert "speech_share" not in verdict.numbers
    assert verdict.outcome is Outcome.OK


class Radio:
    """A tagger that hears music, and some speech."""

    sample_rate_hz = RATE_HZ

    def __call__(self, _: np.ndarray) -> dict[str, float]:
        return {"Background music": 1.0, "Speech": 0.2}


def test_a_tagger_adds_to_the_probability_and_its_numbers_are_kept() -> None:
    sound = make_audio("ambix", keyed_generator(0, "ambix"), 5.0, RATE_HZ).audio
    _, plain = heard(sound)
    _, verdict = heard(sound, tagger=f"{__name__}:Radio")
    assert verdict.reason == "tagged"
    assert verdict.numbers["tag Speech"] == 0.2
    assert verdict.defect_probability > plain.defect_probability


def test_silence_is_not_decided() -> None:
    assert heard(np.zeros((4, 4 * RATE_HZ)))[1].reason == "too-little-sound"


@pytest.mark.parametrize("samples", [1, 100, 5_000])
def test_a_very_short_recording_is_not_decided(samples: int) -> None:
    assert heard(np.ones((4, samples)))[1].reason == "too-little-sound"


@pytest.mark.parametrize(("reason", "judged"), [("not-ambisonic", False), ("fuma-order", True)])
def test_only_a_sound_field_is_judged(reason: str, judged: bool) -> None:
    check, _ = heard(np.zeros((4, RATE_HZ)))
    spatial = judge("spatial-audio", 0.99, (reason, reason), "why")
    assert (check.verdict({"spatial-audio": spatial}).reason != "no-sound-field") is judged
