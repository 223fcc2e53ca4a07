"""Clipped audio is told from loud audio, and streams of different durations are found."""

import numpy as np
import pytest
from helpers.quality_checks import make_check
from numpy.typing import NDArray
from quality.hot import make_hot

from yt360.quality.checks.base import AudioBlock
from yt360.quality.checks.duration import DurationConfig, TimeSpan, compare
from yt360.quality.verdict import Outcome, Verdict
from yt360.randomness import keyed_generator


def clipping_of(sound: NDArray, pieces: int = 1) -> Verdict:
    check = make_check("clipping")
    for piece in np.array_split(sound.astype(np.float32), pieces, axis=1):
        check.add_audio(AudioBlock(piece, piece[0], 24_000))
    return check.verdict({})


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("clipped", [True, False])
def test_clipping_is_told_from_loudness(seed: int, clipped: bool) -> None:
    sound = make_hot(keyed_generator(seed, "hot"), clipped, 2.0, 24_000)
    assert clipping_of(sound, 5).outcome is (Outcome.NOT_OK if clipped else Outcome.OK)


def test_the_worst_channel_counts() -> None:
    sound = 0.05 * np.random.default_rng(0).standard_normal((4, 48_000))
    sound[2] = np.clip(40 * sound[2], -1, 1)
    verdict = clipping_of(sound)
    assert (verdict.reason, verdict.numbers["worst_channel"]) == ("clipped", 2)


@pytest.mark.parametrize(
    ("video", "audio", "reason", "outcome"),
    [
        (TimeSpan(0, 60), TimeSpan(0, 60.1), "equal", Outcome.OK),
        (TimeSpan(0, 60), TimeSpan(0, 40), "sound-shorter", Outcome.NOT_OK),
        (TimeSpan(0, 60), TimeSpan(0, 75), "sound-longer", Outcome.NOT_OK),
        (TimeSpan(0, 60), TimeSpan(5, 60), "starts-differ", Outcome.NOT_OK),
        (TimeSpan(0, 60, 120), TimeSpan(0, 60, 120), "truncated", Outcome.NOT_OK),
        (TimeSpan(0, 1), None, "no-sound", Outcome.UNSURE),
    ],
)
def test_durations_are_compared_at_both_ends(
    video: TimeSpan, audio: TimeSpan | None, reason: str, outcome: Outcome
) -> None:
    verdict = DurationConfig().judge(compare(video, audio), {})
    assert (verdict.reason, verdict.outcome) == (reason, outcome)
