"""Verdicts, and the decision that they lead to."""

from __future__ import annotations

from dataclasses import fields

import pytest
from helpers.errors import user_error
from hypothesis import given
from hypothesis import strategies as st

from yt360.quality.checks import CHECKS
from yt360.quality.configs import configure_checks, rejecting_by_default
from yt360.quality.decision import decide
from yt360.quality.findings import Findings
from yt360.quality.verdict import Outcome, Verdict, judge, probability_above

CONFIGS = configure_checks()
REJECTING = ("spatial-audio", "silence", "projection", "still-image", "picture", "duration")


def findings(layout: str = "ambix", **outcomes: Outcome) -> Findings:
    names = [name.replace("_", "-") for name in outcomes]
    verdicts = {
        name: Verdict(
            name, outcome, 0.5, "fuma-order" if name == "spatial-audio" else "why", "detail"
        )
        for name, outcome in zip(names, outcomes.values(), strict=True)
    }
    return Findings(name="a", verdicts=verdicts, layout=layout, checks=CONFIGS)


def test_the_checks_that_reject_by_default() -> None:
    assert rejecting_by_default(CONFIGS) == REJECTING


@pytest.mark.parametrize("name", CHECKS)
def test_only_a_no_of_a_rejecting_check_rejects(name):
    found = decide(findings(**{name.replace("-", "_"): Outcome.NOT_OK}))
    assert found.outcome is (Outcome.NOT_OK if name in REJECTING else Outcome.OK)
    unsure = decide(findings(**{name.replace("-", "_"): Outcome.UNSURE}))
    assert unsure.against == ()
    assert unsure.outcome is (Outcome.UNSURE if name in REJECTING else Outcome.OK)


def test_a_normalization_that_is_converted_does_not_reject():
    assert decide(findings("fuma", spatial_audio=Outcome.NOT_OK)).outcome is Outcome.OK
    assert decide(findings("ambix", spatial_audio=Outcome.NOT_OK)).outcome is Outcome.NOT_OK


def test_the_decision_is_one_line_that_names_what_decided():
    no, unsure, ok = Outcome.NOT_OK, Outcome.UNSURE, Outcome.OK
    assert decide(findings(silence=no, picture=unsure)).describe() == "rejected: silence (why)"
    assert decide(findings(silence=ok, picture=unsure)).describe() == "accepted, unsure: picture"
    assert decide(findings(silence=ok, clipping=no)).describe() == "accepted"


@given(st.floats(-100, 100), st.floats(-100, 100), st.floats(0.01, 10))
def test_probability_grows_with_the_value(value: float, threshold: float, soft: float) -> None:
    low, high = (probability_above(v, threshold, soft) for v in (value, value + soft))
    assert 0 <= low <= high <= 1
    assert probability_above(threshold, threshold, soft) == 0.5


def test_verdicts_as_json_are_plain_and_finite() -> None:
    verdict = judge("x", 0.9, ("good", "bad"), "why", {"a": float("nan"), "b": 1 / 3})
    assert verdict.as_json() == {
        "name": "x", "outcome": "not ok", "defect_probability": 0.9, "reason": "bad",
        "detail": "why", "numbers": {"b": 0.333333},
    }  # fmt: skip


DIVISORS = {
    f"{name}.{field.name}"
    for name, config in CONFIGS.items()
    for field in fields(config)
    if "softness" in field.name or field.name.startswith("most_")
} | {"clipping.pile", "clipping.clipped_fraction", "picture.frozen_s", "picture.frozen_fraction"}


@pytest.mark.parametrize("option", sorted(DIVISORS))
@pytest.mark.parametrize("value", ["0", "-1", "1e300"])
def test_an_option_that_would_divide_by_zero_or_hold_nothing_is_refused(option, value):
    with user_error("invalid"):
        configure_checks({option: value})
