"""Pictures of clips."""

import io

import pytest
from helpers.errors import bad_item
from helpers.paths import REPOSITORY
from PIL import Image

from yt360.explore.thumbnails import HEIGHT, WIDTH, thumbnail_of_video
from yt360.shards.format.reader import ShardReader


@pytest.fixture(scope="module")
def video():
    return bytes(ShardReader(REPOSITORY / "shards", "test").read(0, "mp4"))


def test_a_thumbnail_is_a_small_picture_of_the_clip(video):
    with Image.open(io.BytesIO(thumbnail_of_video(video))) as picture:
        assert (picture.format, picture.size) == ("JPEG", (WIDTH, HEIGHT))
        assert len(picture.convert("L").getcolors()) > 20


@pytest.mark.parametrize("part", [0, 10, 3000])
def test_a_broken_video_has_none(video, part):
    with bad_item("no-picture"):
        thumbnail_of_video(video[:part])
