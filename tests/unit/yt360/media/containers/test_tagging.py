import subprocess

import av
import pytest
from helpers.errors import bad_item

from yt360.media.containers.matroska import read_matroska_tags
from yt360.media.containers.spherical import Projection, read_mp4_tags
from yt360.media.containers.tagging import tag_spherical
from yt360.media.ffmpeg import ffmpeg_binary
from yt360.media.probe import probe

TURNED = Projection("equirectangular", "top-bottom", yaw_deg=30, pitch_deg=-10, roll_deg=5)


def packets(path) -> list[tuple]:
    with av.open(str(path)) as container:
        return [(p.stream_index, p.pts, bytes(p)) for p in container.demux() if p.size]


@pytest.mark.parametrize("movflags", ["", "faststart"], ids=["index last", "index first"])
def test_tagging_leaves_every_packet_as_it_was(media, field, tmp_path, movflags):
    path = tmp_path / "clip.mp4"
    media.write(path, sound=field, options={"movflags": movflags} if movflags else None)
    before = packets(path)
    tag_spherical(path, TURNED, ambix_channels=4)
    assert packets(path) == before
    with path.open("rb") as file:
        video, audio = read_mp4_tags(file)
    assert video.projection.stereo_mode == "top-bottom"
    assert audio.sa3d.channel_map == (0, 1, 2, 3)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "projection",
    [
        TURNED,
        Projection("cubemap", "left-right", padding_px=3),
        Projection("equirectangular", horizontal_part=0.5),
    ],
    ids=["turned", "cubemap", "180"],
)
def test_ffmpeg_reads_the_tags_alike_and_writes_them_to_matroska(media, tmp_path, projection):
    path, copy = media.write(tmp_path / "clip.mp4", seconds=0.5), tmp_path / "clip.mkv"
    tag_spherical(path, projection)
    subprocess.run(
        [ffmpeg_binary(), "-loglevel", "error", "-i", path, "-c", "copy", copy], check=True
    )
    with copy.open("rb") as file:
        (tags,) = read_matroska_tags(file)
    found = tags.projection
    assert (tags.handler, tags.codec) == ("video", "V_MPEG4/ISO/AVC")
    for name in (
        "kind", "stereo_mode", "yaw_deg", "pitch_deg", "roll_deg", "horizontal_part", "padding_px",
    ):  # fmt: skip
        assert getattr(found, name) == pytest.approx(getattr(projection, name)), name
    assert probe(copy).video[0].projection == found


def test_a_file_without_an_index_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "text.mp4"
    path.write_text("no boxes here")
    with bad_item("not-mp4"):
        tag_spherical(path)
    assert path.read_text() == "no boxes here"
