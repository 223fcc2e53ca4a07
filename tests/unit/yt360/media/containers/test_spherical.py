import io
import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yt360.media.containers.boxes import MAX_BOXES, BoxReader
from yt360.media.containers.matroska import read_matroska_tags
from yt360.media.containers.spherical import (
    SPHERICAL_UUID,
    Projection,
    parse_sa3d,
    parse_v1,
    read_mp4_tags,
)
from yt360.media.containers.tagging import sa3d_box, st3d_box, sv3d_box


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", len(body) + 8) + kind + body


def track(handler: bytes, entry: bytes, *more: bytes) -> bytes:
    stbl = box(b"stbl", box(b"stsd", bytes(8), entry))
    hdlr = box(b"hdlr", bytes(8), handler, bytes(12))
    return box(b"trak", box(b"mdia", hdlr, box(b"minf", stbl)), *more)


def video_entry(*boxes: bytes) -> bytes:
    return box(b"avc1", bytes(78), *boxes)


def audio_entry(*boxes: bytes, version: int = 0) -> bytes:
    fields = {0: 28, 1: 44, 2: 64}[version]
    return box(b"mp4a", bytes(8), struct.pack(">H", version), bytes(fields - 10), *boxes)


def movie(*tracks: bytes) -> io.BytesIO:
    return io.BytesIO(box(b"ftyp", b"isom") + box(b"mdat", bytes(99)) + box(b"moov", *tracks))


def v1_xml(**values: object) -> str:
    inside = "".join(f"<GSpherical:{k}>{v}</GSpherical:{k}>" for k, v in values.items())
    return f"<rdf:SphericalVideo>{inside}</rdf:SphericalVideo>"


PROJECTIONS = st.builds(
    Projection,
    kind=st.just("equirectangular"),
    stereo_mode=st.sampled_from(["mono", "top-bottom", "left-right", "right-left"]),
    yaw_deg=st.integers(-180, 180).map(float),
    pitch_deg=st.integers(-90, 90).map(float),
    roll_deg=st.integers(-180, 180).map(float),
)


@given(PROJECTIONS)
def test_what_is_written_is_read(projection):
    entry = video_entry(st3d_box(projection), sv3d_box(projection))
    (tags,) = read_mp4_tags(movie(track(b"vide", entry)))
    assert tags.projection is not None
    for name in ("kind", "stereo_mode", "yaw_deg", "pitch_deg", "roll_deg"):
        assert getattr(tags.projection, name) == getattr(projection, name)
    assert tags.projection.is_whole_sphere


def test_the_padding_of_a_cubemap_is_read():
    entry = video_entry(sv3d_box(Projection("cubemap", padding_px=7)))
    (tags,) = read_mp4_tags(movie(track(b"vide", entry)))
    assert (tags.projection.kind, tags.projection.padding_px) == ("cubemap", 7)


@pytest.mark.parametrize(("kind", "profile"), [(b"dvcC", 5), (b"dvvC", 8)])
def test_the_profile_of_dolby_vision_is_read(kind, profile):
    content = struct.pack(">BBH", 1, 0, profile << 9 | 0x5D)
    (tags,) = read_mp4_tags(movie(track(b"vide", video_entry(box(kind, content, bytes(20))))))
    assert tags.dolby_vision_profile == profile
    (cut,) = read_mp4_tags(movie(track(b"vide", video_entry(box(kind, content[:2])))))
    assert cut.dolby_vision_profile is None


def test_half_a_sphere_is_told_from_a_whole_and_from_a_part():
    for part, half, whole in ((0.5, True, False), (1.0, False, True), (0.8, False, False)):
        entry = video_entry(sv3d_box(Projection("equirectangular", horizontal_part=part)))
        (tags,) = read_mp4_tags(movie(track(b"vide", entry)))
        assert tags.projection.horizontal_part == pytest.approx(part)
        assert (tags.projection.is_half_sphere, tags.projection.is_whole_sphere) == (half, whole)


def test_a_mesh_is_named():
    projection = box(b"proj", box(b"prhd", bytes(16)), box(b"mshp", bytes(12)))
    entry = video_entry(box(b"sv3d", projection))
    (tags,) = read_mp4_tags(movie(track(b"vide", entry)))
    assert tags.projection.kind == "mesh"


def test_v1_metadata_are_read_from_the_track():
    xml = v1_xml(Spherical="true", ProjectionType="equirectangular", StereoMode="top-bottom")
    uuid = box(b"uuid", SPHERICAL_UUID, xml.encode())
    (tags,) = read_mp4_tags(movie(track(b"vide", video_entry(), uuid)))
    assert (tags.projection.kind, tags.projection.stereo_mode) == ("equirectangular", "top-bottom")


def test_v2_wins_over_v1():
    uuid = box(b"uuid", SPHERICAL_UUID, v1_xml(Spherical="true", StereoMode="left-right").encode())
    v2 = Projection("equirectangular", "top-bottom")
    entry = video_entry(st3d_box(v2), sv3d_box(v2))
    (tags,) = read_mp4_tags(movie(track(b"vide", entry, uuid)))
    assert tags.projection.stereo_mode == "top-bottom"


def test_v1_crops_make_it_180_degrees():
    xml = v1_xml(
        Spherical="true", CroppedAreaImageWidthPixels=1920, FullPanoWidthPixels=3840,
        CroppedAreaImageHeightPixels=1920, FullPanoHeightPixels=1920,
    )  # fmt: skip
    projection = parse_v1(xml)
    assert projection.is_half_sphere
    assert projection.vertical_part == 1.0


@pytest.mark.parametrize(
    "xml", ["", "<GSpherical:Spherical>false</GSpherical:Spherical>", "<not xml", "\0" * 50]
)
def test_other_xml_is_no_projection(xml):
    assert parse_v1(xml) is None


@pytest.mark.parametrize("version", [0, 1, 2])
def test_sa3d_is_read_from_every_version_of_sound_entry(version):
    entry = audio_entry(box(b"esds", bytes(9)), sa3d_box([0, 2, 3, 1]), version=version)
    (tags,) = read_mp4_tags(movie(track(b"soun", entry)))
    assert (tags.sa3d.order, tags.sa3d.channel_map) == (1, (0, 2, 3, 1))
    assert (tags.sa3d.ordering, tags.sa3d.normalization) == ("acn", "sn3d")


def test_sa3d_inside_quicktimes_wave_box_is_read():
    entry = audio_entry(box(b"wave", sa3d_box(range(16))), version=1)
    (tags,) = read_mp4_tags(movie(track(b"soun", entry)))
    assert tags.sa3d.order == 3


def test_a_truncated_or_lying_sa3d_box_is_none():
    payload = sa3d_box([0, 1, 2, 3])[8:]
    assert parse_sa3d(payload) is not None
    for end in range(len(payload)):
        assert parse_sa3d(payload[:end]) is None
    assert parse_sa3d(payload[:8] + b"\xff\xff\xff\xff" + payload[12:]) is None


def test_sv3d_writes_only_what_it_can():
    with pytest.raises(ValueError, match="cannot write a mesh projection"):
        sv3d_box(Projection("mesh"))
    with pytest.raises(ValueError, match="5 channels are not a complete ambisonic order"):
        sa3d_box(range(5))


HOSTILE = movie(
    track(b"vide", video_entry(st3d_box(Projection()), sv3d_box(Projection("equirectangular")))),
    track(b"soun", audio_entry(sa3d_box(range(4)))),
).getvalue()


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(HOSTILE) - 1), st.integers(0, 255)), max_size=6))
def test_any_damage_is_read_without_failing(changes):
    data = bytearray(HOSTILE)
    for position, value in changes:
        data[position] = value
    read_mp4_tags(io.BytesIO(bytes(data)))


def test_every_truncation_is_read_without_failing():
    for end in range(len(HOSTILE)):
        read_mp4_tags(io.BytesIO(HOSTILE[:end]))


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_garbage_is_read_as_absence(data):
    assert read_mp4_tags(io.BytesIO(data)) == [] or b"moov" in data
    read_matroska_tags(io.BytesIO(b"\x1a\x45\xdf\xa3\x80" + data))
    read_matroska_tags(io.BytesIO(b"\x18\x53\x80\x67\xff" + data))


def test_a_million_boxes_do_not_hold_it_up():
    reader = BoxReader(io.BytesIO(box(b"free") * 1_000_000))
    assert sum(1 for _ in reader.top()) == MAX_BOXES


@pytest.mark.parametrize("digits", ["²", "٣", "-1", "1e9", "", "9" * 10, "9" * 4000, "9" * 5000])
def test_numbers_that_are_none_tell_nothing_of_the_part_that_is_seen(digits):
    names = ("CroppedAreaImageWidthPixels", "FullPanoWidthPixels")
    for values in ((digits, 8), (8, digits), (digits, digits)):
        found = parse_v1(v1_xml(Spherical="true", **dict(zip(names, values, strict=True))))
        assert found is not None
        assert found.horizontal_part == 1.0


def element(identifier: int, content: bytes) -> bytes:
    head = identifier.to_bytes((identifier.bit_length() + 7) // 8, "big")
    return head + (1 << 56 | len(content)).to_bytes(8, "big") + content


@pytest.mark.parametrize("part", ["type", "stereo mode", "projection", "codec"])
def test_numbers_and_names_of_a_matroska_that_never_end_are_cut(part):
    endless = b"x" * 5000
    projection = element(0x7670, element(0x7671, endless if part == "projection" else b"\1"))
    stereo = element(0x53B8, endless if part == "stereo mode" else b"\1")
    entry = element(0x83, endless if part == "type" else b"\1")
    entry += element(0x86, endless if part == "codec" else b"V_VP9") + element(
        0xE0, stereo + projection
    )
    content = element(0x18538067, element(0x1654AE6B, element(0xAE, entry)))
    (track,) = read_matroska_tags(io.BytesIO(content))
    assert len(repr(track)) < 500


def test_xml_of_blanks_takes_no_longer_than_other_xml():
    started = time.process_time()
    for name in ("Spherical", "StereoMode"):
        xml = "<GSpherical:Spherical>true</GSpherical:Spherical>"
        assert parse_v1(xml + f"<GSpherical:{name}>" + " " * 100_000) is not None
    assert time.process_time() - started < 1


def test_blanks_around_words_of_xml_are_nothing():
    xml = "<GSpherical:Spherical> true\n</GSpherical:Spherical>"
    assert parse_v1(xml) == parse_v1(xml.replace(" true\n", "true"))
    assert parse_v1(xml) is not None
