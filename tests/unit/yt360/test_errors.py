"""A bad request and a bad item are two things, and neither is what a parser catches."""

from __future__ import annotations

import pickle

import pytest

from yt360.catalog.tables.claims import ClaimLost
from yt360.crawl.rate_limit import SiteRefuses
from yt360.errors import BadItem, UserError
from yt360.media.ffmpeg import FfmpegDied


def test_user_error_and_bad_item_are_siblings_and_no_value_errors():
    assert not issubclass(BadItem, UserError) and not issubclass(UserError, BadItem)
    assert not issubclass(BadItem, ValueError) and not issubclass(UserError, ValueError)


@pytest.mark.parametrize(
    "error",
    [
        UserError("no such folder"),
        SiteRefuses("asks for an hour"),
        BadItem("silent", "below -60 dBFS"),
        ClaimLost("AAAAAAAAAAA"),
        FfmpegDied("crash", "a.mp4: FFmpeg was stopped", -11),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_travel_whole_between_processes(error):
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is type(error)
    assert str(arrived) == str(error) and vars(arrived) == vars(error)
