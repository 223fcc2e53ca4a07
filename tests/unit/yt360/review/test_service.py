"""Laws of the answers to the page."""

import json

import pytest

from yt360.errors import UserError
from yt360.review.log import ReviewLog
from yt360.review.service import ReviewService


@pytest.fixture
def service(tmp_path) -> ReviewService:
    return ReviewService(ReviewLog.of_folder(tmp_path), clock=lambda: 1_800_000_000.0)


def test_a_decision_is_answered_and_listed(service):
    status, made = service.decide(
        {"key": "a-00000", "action": "reject", "note": "wind", "who": "Ann", "seen": None}
    )
    assert status == 200
    state = service.state()
    assert state["decisions"] == [made] and state["version"] == service.version()
    assert made["when"].startswith("2027-01-15T08:00:00") and not made["undone"]
    assert [json.loads(line)["id"] for line in service.lines()] == [made["id"]]


def test_an_undo_takes_a_decision_back_once(service):
    made = service.decide({"key": "a", "action": "reject"})[1]
    undo = {"key": "a", "action": "undo", "id": made["id"]}
    assert service.decide(undo)[0] == 200
    assert [each["undone"] for each in service.state()["decisions"]] == [True, False]
    assert service.decide(undo)[0] == 409
    assert service.decide({"key": "a", "action": "undo", "id": "abc"})[0] == 409


def test_what_others_decided_meanwhile_is_told(service):
    first = service.decide({"key": "a", "action": "keep", "who": "Ann", "seen": None})[1]
    service.decide({"key": "b", "action": "keep", "seen": None})
    status, answer = service.decide({"key": "a", "action": "reject", "who": "Bob", "seen": None})
    assert status == 409 and answer["decisions"] == [first]
    assert service.decide({"key": "a", "action": "reject", "seen": first["id"]})[0] == 200


def test_decisions_stay_in_order_when_the_clock_stands_still(service):
    for action in ("keep", "reject", "keep", "reject"):
        service.decide({"key": "a", "action": action})
    assert [each["action"] for each in service.state()["decisions"]] == [
        "keep", "reject", "keep", "reject",
    ]  # fmt: skip


def test_nonsense_is_refused(service):
    with pytest.raises(UserError) as caught:
        service.decide({"key": "<b>", "action": "keep"})
    assert caught.value.code == "invalid"
    assert not service.state()["decisions"]
