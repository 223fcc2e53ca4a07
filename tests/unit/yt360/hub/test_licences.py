import pytest

from yt360.hub.licences import allows_sharing, forbidding


@pytest.mark.parametrize(
    "licence",
    [
        "Creative Commons Attribution license (reuse allowed)", "CC BY 4.0", "CC-BY-4.0",
        "cc-by-sa-3.0", "CC BY-SA 4.0", "CC0", "CC0 1.0 Universal", "Public domain",
        "Creative Commons Attribution-ShareAlike 4.0 International",
    ],
)  # fmt: skip
def test_free_licences_allow_to_share_clips(licence):
    assert allows_sharing(licence)


@pytest.mark.parametrize(
    "licence",
    [
        None, "", "unknown", "Standard YouTube License", "All rights reserved", "CC BY-NC 4.0",
        "CC BY-ND 4.0", "Creative Commons Attribution-NonCommercial", "CC BYE", "CC BY, but ask me",
        "not public domain", "public domain?",
    ],
)  # fmt: skip
def test_other_licences_and_none_do_not(licence):
    assert not allows_sharing(licence)


def test_forbidding_licences_keep_their_numbers_of_videos():
    assert forbidding({"CC BY 4.0": 3, "unknown": 2}) == {"unknown": 2}
