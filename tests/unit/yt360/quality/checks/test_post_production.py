"""Sound laid over a field has too little direction, or one that ignores the picture."""

import numpy as np
import pytest
from quality.audio import make_audio
from quality.turning import make_turning

from yt360.media.layout.sound_field import FieldAnalyzer
from yt360.quality.checks.post_production import PostProductionTest
from yt360.quality.verdict import Outcome
from yt360.randomness import keyed_generator

RATE_HZ = 24_000


def heard(sound: np.ndarray) -> PostProductionTest:
    test, analyzer = PostProductionTest(), FieldAnalyzer(RATE_HZ)
    for tile in analyzer.feed(sound.astype(np.float32)):
        test.feed(tile)
    return test


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("ambix", "recorded"), ("voice-over", "w-overlay"), ("stereo-bed", "stereo-overlay")],
)
def test_sound_laid_over_a_recording_is_found(kind: str, reason: str) -> None:
    verdict = heard(make_audio(kind, keyed_generator(0, kind), 5.0, RATE_HZ).sound).verdict()
    assert verdict.reason == reason


@pytest.mark.parametrize("fixed", [True, False])
def test_sound_that_ignores_turns_of_the_picture_is_suspected(fixed: bool) -> None:
    example = make_turning(keyed_generator(1, "turn"), fixed, 20.0, RATE_HZ)
    test = heard(example.sound)
    assert test.verdict().outcome is Outcome.OK
    for probe in example.probes:
        test.feed_picture(probe)
    verdict = test.verdict()
    if fixed:
        assert verdict.reason == "fixed-direction"
        # The one who holds the camera sounds just so: never certain.
        assert 0.65 < verdict.defect_probability < 0.8
    else:
        assert verdict.outcome is Outcome.OK
        assert verdict.numbers["follows_picture"] > 0.5


def test_a_tagger_adds_to_the_probability_and_its_numbers_are_kept() -> None:
    test = heard(make_audio("ambix", keyed_generator(0, "ambix"), 5.0, RATE_HZ).sound)
    verdict = test.verdict({"Background music": 1.0, "Speech": 0.2})
    assert verdict.reason == "tagged"
    assert verdict.numbers["tag Speech"] == 0.2
    assert verdict.defect_probability > test.verdict({"Speech": 1.0}).defect_probability


def test_silence_is_not_decided() -> None:
    assert heard(np.zeros((4, 4 * RATE_HZ))).verdict().reason == "too-little-sound"
