"""Audio mixed over a field has too little direction, or ignores turns of the camera."""

import numpy as np
import pytest
from helpers.quality_checks import hear, make_check
from quality.audio import make_audio
from quality.turning import make_turning

from yt360.quality.checks.base import AudioBlock
from yt360.quality.checks.post_production import PostProductionCheck
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


class Radio:
    """A tagger that hears music, and some speech."""

    sample_rate_hz = RATE_HZ

    def __call__(self, _: np.ndarray) -> dict[str, float]:
        return {"Background music": 1.0, "Speech": 0.2}


def test_a_tagger_adds_to_the_probability_and_its_numbers_are_kept() -> None:
    sound = make_audio("ambix", keyed_generator(0, "ambix"), 5.0, RATE_HZ).audio
    _, plain = heard(sound)
    check, _ = heard(sound, tagger=f"{__name__}:Radio")
    check.add_audio(AudioBlock(sound.astype(np.float32), sound[0].astype(np.float32), RATE_HZ))
    verdict = check.verdict({})
    assert verdict.reason == "tagged"
    assert verdict.numbers["tag Speech"] == 0.2
    assert verdict.defect_probability > plain.defect_probability


def test_silence_is_not_decided() -> None:
    assert heard(np.zeros((4, 4 * RATE_HZ)))[1].reason == "too-little-sound"


@pytest.mark.parametrize(("reason", "judged"), [("not-ambisonic", False), ("fuma-order", True)])
def test_only_a_sound_field_is_judged(reason: str, judged: bool) -> None:
    check, _ = heard(np.zeros((4, RATE_HZ)))
    spatial = judge("spatial-audio", 0.99, (reason, reason), "why")
    assert (check.verdict({"spatial-audio": spatial}) is not None) is judged
