"""Laws of decisions and of what they come to."""

import random

import pytest

from yt360.errors import UserError
from yt360.review.decisions import Decision, in_order, outcomes, parse_request


def decision(number: int, action: str = "keep", **more) -> Decision:
    """Return decision `number` in order of time."""
    when = f"2026-11-30T01:00:{number:02d}.000000Z"
    return Decision(**{"id": f"{number:04x}", "key": "a-00000", "when": when} | more, action=action)


def test_a_line_is_the_decision():
    each = decision(1, "orientation", value=-90.5, note="café\nleft", who="Ann", key="v-00010")
    assert Decision.parse(each.to_line()) == each
    assert each.to_line().count(b"\n") == 1


def test_the_last_standing_decision_of_a_kind_counts():
    log = [
        decision(1, "reject"),
        decision(2, "keep"),
        decision(3, "undo", undoes="0002"),
        decision(4, "layout", value="fuma"),
        decision(5, "layout", value="n3d"),
        decision(6, "orientation", value=30.0),
        decision(7, "undo", undoes="0006"),
        decision(8, "note", note="wind", key="b-00000"),
    ]
    found = outcomes(log)
    assert set(found) == {"a-00000"}
    outcome = found["a-00000"]
    assert outcome.verdict == log[0] and outcome.layout == log[4] and outcome.orientation is None


def test_order_and_copies_do_not_matter():
    log = [decision(n, action) for n, action in enumerate(["keep", "reject", "keep", "reject"])]
    mixed = [*log, *log[1:3]]
    random.Random(0).shuffle(mixed)
    assert in_order(mixed) == log
    assert outcomes(mixed) == outcomes(log)


def test_a_rejection_says_who_when_and_why():
    log = [decision(1, "reject", who="Ann", note="voice-over\nall along")]
    assert outcomes(log)["a-00000"].rejection == (
        "rejected by Ann on 2026-11-30: voice-over all along"
    )
    assert outcomes([*log, decision(2, "keep")])["a-00000"].rejection is None


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "delete"},
        {"key": "../a"},
        {"key": ""},
        {"action": "layout", "value": "5.1"},
        {"action": "layout"},
        {"action": "orientation", "value": 181},
        {"action": "orientation", "value": True},
        {"action": "orientation", "value": "left"},
        {"action": "keep", "value": 1},
        {"action": "note", "note": " "},
        {"action": "note", "note": "x" * 2001},
        {"action": "keep", "note": "\x00"},
        {"action": "keep", "who": "\x1b[2J"},
        {"action": "keep", "who": ["Ann"]},
        {"action": "undo"},
        {"action": "keep", "value": float("nan")},
        {"action": "keep", "note": object()},
    ],
)
def test_what_is_no_decision_is_refused(fault):
    with pytest.raises(UserError) as caught:
        parse_request(
            {"key": "a-00000", "action": "keep"} | fault,
            id="1", when="2026-11-30T01:00:00.000000Z",
        )  # fmt: skip
    assert caught.value.code == "invalid"


def test_a_page_does_not_choose_time_or_id():
    body = {"key": "a", "action": "undo", "id": "12", "when": "x", "undoes": "34"}
    made = parse_request(body, id="1", when="2026-11-30T01:00:00.000000Z")
    assert (made.id, made.undoes) == ("1", "12")
