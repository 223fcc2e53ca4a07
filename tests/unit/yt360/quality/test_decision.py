"""What the verdicts on a recording come to."""

from __future__ import annotations

import numpy as np
import pytest

from yt360.quality.decision import REJECTING, decide
from yt360.quality.inspect import Inspection
from yt360.quality.signal.series import DirectionSeries
from yt360.quality.verdict import Outcome, Verdict


def inspection(layout: str = "ambix", **outcomes: Outcome) -> Inspection:
    names = [name.replace("_", "-") for name in outcomes]
    verdicts = {
        name: Verdict(name, outcome, 0.5, "fuma" if name == "spatial-audio" else "why", "detail")
        for name, outcome in zip(names, outcomes.values(), strict=True)
    }
    return Inspection("a", verdicts, [], DirectionSeries(), np.zeros((0, 2), np.float32), layout)


@pytest.mark.parametrize("name", [*REJECTING, "clipping", "post-production"])
def test_only_a_no_of_a_rejecting_test_rejects(name):
    found = decide(inspection(**{name.replace("-", "_"): Outcome.NOT_OK}))
    assert found.outcome is (Outcome.NOT_OK if name in REJECTING else Outcome.OK)
    unsure = decide(inspection(**{name.replace("-", "_"): Outcome.UNSURE}))
    assert unsure.against == ()
    assert unsure.outcome is (Outcome.UNSURE if name in REJECTING else Outcome.OK)


def test_a_normalization_that_is_converted_is_no_reason():
    assert decide(inspection("fuma", spatial_audio=Outcome.NOT_OK)).outcome is Outcome.OK
    assert decide(inspection("ambix", spatial_audio=Outcome.NOT_OK)).outcome is Outcome.NOT_OK


def test_the_answer_is_one_line_that_names_what_decided():
    no, unsure, ok = Outcome.NOT_OK, Outcome.UNSURE, Outcome.OK
    assert decide(inspection(silence=no, picture=unsure)).describe() == "rejected: silence (why)"
    assert decide(inspection(silence=ok, picture=unsure)).describe() == "accepted, unsure: picture"
    assert decide(inspection(silence=ok, clipping=no)).describe() == "accepted"
