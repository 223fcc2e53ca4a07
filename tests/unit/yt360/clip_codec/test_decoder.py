from __future__ import annotations

import io
import struct

import av
import numpy as np
import pytest
import soundfile
from helpers.errors import bad_item
from hypothesis import given, settings
from hypothesis import strategies as st

from yt360.clip_codec.decoder import ClipDecoder, locate_audio, locate_frames
from yt360.clip_codec.flac import read_flac_index
from yt360.clip_codec.mp4_index import read_track
from yt360.errors import BadItem
from yt360.shards.format.reader import ShardReader


@pytest.fixture(scope="module")
def members(tiny_dataset):
    clips = ShardReader(tiny_dataset, "train")
    return bytes(clips.read(3, "mp4")), bytes(clips.read(3, "flac"))


def decode_frames(mp4, first, count=8):
    luma, chroma = np.zeros((count, 64, 128), np.uint8), np.zeros((2, count, 32, 64), np.uint8)
    ClipDecoder().decode_frames(
        *locate_frames(memoryview(mp4), first, count, 64, 128), luma, chroma
    )
    return luma, chroma


def decode_sound(flac, first, count=24000):
    samples = np.zeros((4, count), np.int16)
    ClipDecoder().decode_audio(*locate_audio(memoryview(flac), first, count, 4), samples)
    return samples


def test_frames_are_those_of_a_demuxer_from_every_start(members):
    with av.open(io.BytesIO(members[0])) as container:
        planes = np.stack([frame.to_ndarray() for frame in container.decode(video=0)])
    for first in range(0, 41):
        luma, chroma = decode_frames(members[0], first)
        expected = planes[first : first + 8]
        assert np.array_equal(luma, expected[:, :64])
        assert np.array_equal(chroma, expected[:, 64:].reshape(8, 2, 32, 64).swapaxes(0, 1))


def test_sound_is_that_of_libsndfile_from_every_block(members):
    expected, _ = soundfile.read(io.BytesIO(members[1]), dtype="int16")
    for first in (0, 1, 1023, 1024, 5000, 6143, 6144, 6145, 30000, 47999, 48000):
        assert np.array_equal(decode_sound(members[1], first), expected[first : first + 24000].T)


def test_sound_without_a_seek_table_decodes_too():
    sound = np.random.default_rng(0).normal(0, 3000, (30000, 4)).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, sound, 24000, format="FLAC", subtype="PCM_16")
    assert np.array_equal(decode_sound(file.getvalue(), 5000, 20000), sound[5000:25000].T)


def test_a_decoder_goes_from_clip_to_clip(tiny_dataset):
    clips, decoder = ShardReader(tiny_dataset, "train"), ClipDecoder()
    for clip in (0, 5, 0, 9):
        luma, chroma = np.zeros((8, 64, 128), np.uint8), np.zeros((2, 8, 32, 64), np.uint8)
        decoder.decode_frames(*locate_frames(clips.read(clip, "mp4"), 6, 8, 64, 128), luma, chroma)
        assert np.array_equal(luma, decode_frames(clips.read(clip, "mp4"), 6)[0])


@pytest.mark.parametrize("first", [41, 1000])
def test_frames_past_the_end_are_refused(members, first):
    with pytest.raises(BadItem, match=f"too-short: frames {first} to {first + 8} of 48"):
        decode_frames(members[0], first)


def test_sound_past_the_end_is_refused(members):
    with bad_item("too-short"):
        decode_sound(members[1], 48001)


def test_clips_of_another_size_are_refused(members):
    with bad_item("frame-size"):
        locate_frames(memoryview(members[0]), 0, 8, 32, 64)


def test_stereo_is_refused():
    file = io.BytesIO()
    soundfile.write(file, np.zeros((3000, 2), np.int16), 24000, format="FLAC", subtype="PCM_16")
    with bad_item("bad-flac"):
        decode_sound(file.getvalue(), 0, 100)


def test_reordered_frames_are_refused(reordered_mp4):
    with pytest.raises(BadItem, match=r"^bad-mp4: frames are reordered"):
        decode_frames(reordered_mp4, 0)


@pytest.mark.parametrize("content", [b"", b"text renamed to .mp4" * 20, bytes(5000)])
def test_what_is_neither_is_refused(content):
    with bad_item("bad-mp4"):
        read_track(memoryview(content))
    with bad_item("bad-flac"):
        read_flac_index(memoryview(content))


@settings(max_examples=150)
@given(data=st.data())
def test_damage_anywhere_is_a_bad_item_and_nothing_else(members, data):
    content = bytearray(members[data.draw(st.integers(0, 1))])
    is_mp4 = bytes(content[4:8]) == b"ftyp"
    cut = data.draw(st.integers(0, len(content)))
    del content[cut:]
    for _ in range(data.draw(st.integers(0, 6))):
        # Most of the damage goes where the tables are.
        place = data.draw(st.integers(0, min(len(content), 2500)))
        content[place : place + 4] = data.draw(st.binary(min_size=4, max_size=4))
    try:
        if is_mp4:
            decode_frames(bytes(content), 20)
        else:
            decode_sound(bytes(content), 20000)
    except BadItem:
        pass


@pytest.mark.parametrize("codec", ["h264", "flac"])
def test_damage_of_what_sets_a_decoder_up_is_a_bad_item_and_nothing_else(members, codec):
    mp4, flac = (bytes(member) for member in members)
    if codec == "h264":
        content, places = mp4, range(mp4.index(b"avcC") + 4, mp4.index(b"avcC") + 60)
    else:
        content, places = flac, range(4, 42)
    refused = 0
    for place in places:
        for flipped in (0x01, 0x10, 0x80, 0xFF):
            damaged = bytearray(content)
            damaged[place] ^= flipped
            try:
                if codec == "h264":
                    decode_frames(bytes(damaged), 20)
                else:
                    decode_sound(bytes(damaged), 20000)
            except BadItem:
                refused += 1
    assert refused > 20


def test_a_box_that_is_missing_is_named():
    with pytest.raises(BadItem, match=r"^bad-mp4: it has no box stsd$"):
        read_track(memoryview(b""))


def test_boxes_in_boxes_without_end_are_refused():
    content = b""
    for _ in range(3000):
        content = struct.pack(">I4s", len(content) + 8, b"moov") + content
    with bad_item("bad-mp4"):
        read_track(memoryview(content))


def test_more_boxes_than_any_clip_has_are_not_read(members):
    many = struct.pack(">I4s", 8, b"free") * 10_000
    with bad_item("bad-mp4"):
        read_track(memoryview(many + members[0]))


@pytest.mark.parametrize("number", [0, 1, 5])
def test_keyframes_out_of_order_are_refused(members, number):
    content = bytearray(members[0])
    second = content.index(b"stss") + 4 + 4 + 4 + 4
    content[second : second + 4] = struct.pack(">I", number)
    content[second + 4 : second + 8] = struct.pack(">I", 2)
    with bad_item("bad-mp4"):
        decode_frames(bytes(content), 3)


def test_offsets_that_overflow_are_outside_the_file(members):
    content = bytearray(members[0])
    start = content.index(b"stco") - 4
    size, count = struct.unpack(">I8xI", content[start : start + 16])
    table = struct.pack(">I4sII", 16 + 8 * count, b"co64", 0, count)
    table += struct.pack(">Q", 2**63 - 1) * count
    grown = len(table) - size
    content[start : start + size] = table
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        place = content.index(kind) - 4
        (old,) = struct.unpack(">I", content[place : place + 4])
        content[place : place + 4] = struct.pack(">I", old + grown)
    with bad_item("bad-mp4"):
        read_track(memoryview(content))


def test_blocks_with_other_channels_than_the_header_says_are_refused():
    file = io.BytesIO()
    sound = np.random.default_rng(0).normal(0, 3000, (3001, 3)).astype(np.int16)
    soundfile.write(file, sound, 24000, format="FLAC", subtype="PCM_16")
    content = bytearray(file.getvalue())
    content[20] |= 0b10  # STREAMINFO's channels less 1: 2 becomes 3
    with bad_item("bad-flac"):
        decode_sound(bytes(content), 0, 100)
