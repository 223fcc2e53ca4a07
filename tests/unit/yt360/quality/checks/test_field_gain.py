"""The gain of W is reported and never rejects."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.quality_checks import hear, make_check

from yt360.quality.checks.base import Part
from yt360.quality.checks.field_gain import FieldGainConfig
from yt360.quality.verdict import Outcome

RATE = 16000


def check(is_spatial: bool = True):
    made = make_check("field-gain")
    layout = SimpleNamespace(is_spatial=is_spatial)
    made.begin_part(Part(audio=SimpleNamespace(layout=layout)))
    return made


def diffuse(gain_db: float = 0.0) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(4, 5 * RATE)) * 0.05
    return noise * np.array([[10 ** (gain_db / 20)], *3 * [[3**-0.5]]])


@pytest.mark.parametrize(
    ("gain_db", "outcome", "reason"),
    [
        (0.0, Outcome.OK, "as-ambix"),
        (-4.0, Outcome.OK, "w-low"),
        (4.0, Outcome.OK, "w-high"),
        (-14.0, Outcome.UNSURE, "no-single-gain"),
    ],
)
def test_a_gain_is_reported_and_judged_again_from_its_numbers(gain_db, outcome, reason):
    verdict = hear(check(), diffuse(gain_db), rate_hz=RATE)
    assert (verdict.outcome, verdict.reason) == (outcome, reason)
    assert verdict.numbers["gain_db"] == pytest.approx(gain_db, abs=0.3)
    again = FieldGainConfig().judge(verdict.as_json()["numbers"], {})
    assert (again.outcome, again.reason) == (outcome, reason)
    assert not FieldGainConfig.rejects


def test_silence_is_unsure_and_stereo_has_no_verdict():
    assert hear(check(), diffuse() * 0, rate_hz=RATE).reason == "too-little-sound"
    assert check(is_spatial=False).verdict({}) is None
