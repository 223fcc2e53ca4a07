"""Parts of a member are what HTTP says (RFC 9110, section 14)."""

import pytest
from helpers.explore import FakeSource, client
from hypothesis import given
from hypothesis import strategies as st

from yt360.explore.byte_ranges import requested_range

SIZE = len(FakeSource.video)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-99", range(100)),
        ("bytes=100-", range(100, SIZE)),
        ("bytes=-100", range(SIZE - 100, SIZE)),
        (f"bytes=0-{SIZE + 5}", range(SIZE)),
        (f"bytes=-{SIZE + 5}", range(SIZE)),
    ],
)
def test_a_part_is_answered_with_its_bytes(header, expected):
    answer = client().get("/clips/0/video.mp4", headers={"Range": header})
    assert answer.status_code == 206
    assert answer.content == FakeSource.video[expected.start : expected.stop]
    assert answer.headers["content-range"] == f"bytes {expected.start}-{expected.stop - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(len(expected))
    assert answer.headers["content-type"] == "video/mp4"


@pytest.mark.parametrize("header", [None, "bytes=5-2", "bytes=0-1,4-5", "lines=0-3", "bytes=-"])
def test_other_requests_are_answered_with_all_bytes(header):
    answer = client().get(
        "/clips/0/audio.flac", headers={} if header is None else {"Range": header}
    )
    assert (answer.status_code, answer.content) == (200, FakeSource.video)
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("header", [f"bytes={SIZE}-", "bytes=-0", "bytes=999999999-"])
def test_bytes_behind_the_end_cannot_be_had(header):
    answer = client().get("/clips/0/video.mp4", headers={"Range": header})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{SIZE}")


def test_content_that_the_browser_has_is_not_sent_again():
    tag = client().get("/clips/0/video.mp4").headers["etag"]
    assert client().get("/clips/0/video.mp4", headers={"If-None-Match": tag}).status_code == 304
    assert client().get("/clips/1/video.mp4", headers={"If-None-Match": tag}).status_code == 200


def test_a_part_of_other_content_is_not_joined():
    headers = {"Range": "bytes=0-9", "If-Range": '"other"'}
    assert client().get("/clips/0/video.mp4", headers=headers).status_code == 200


@given(st.text(), st.integers(0, 2000))
def test_no_header_asks_for_bytes_outside_of_the_file(text, size):
    for header in (text, f"bytes={text}"):
        part = requested_range(header, size)
        assert part is None or not part or 0 <= part.start < part.stop <= size
