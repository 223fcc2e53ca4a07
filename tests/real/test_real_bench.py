"""The verdicts on labelled real recordings agree with their labels."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module")
def labelled(real_data):
    sys.path.insert(0, str(TOOLS))
    from quality.real_bench import inspect_labelled, read_labels

    folder = real_data / "real-bench"
    return [inspect_labelled(folder, label) for label in read_labels(folder)]


def test_verdicts_on_real_recordings_agree_with_their_labels(labelled):
    from quality.real_bench import claims

    found = list(claims(labelled))
    assert len(labelled) >= 35
    assert [claim for claim in found if not claim.holds] == []


def test_a_claim_fails_where_a_verdict_contradicts_the_label(labelled):
    """With all outcomes exchanged, no claim holds."""
    from quality.real_bench import Labelled, claims

    exchanged = {"ok": "not ok", "not ok": "ok", "unsure": "unsure"}
    wrong = [
        Labelled(
            one.label,
            {
                name: {**verdict, "outcome": exchanged[verdict["outcome"]]}
                for name, verdict in one.verdicts.items()
            },
        )
        for one in labelled
    ]
    assert not any(claim.holds for claim in claims(wrong) if claim.total)
