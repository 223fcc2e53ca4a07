from __future__ import annotations

import io

import av
import numpy as np
import pytest
from helpers.errors import bad_item

from avsa.data import clip_reader
from avsa.data.clip_reader import ClipReader
from avsa.data.decoder_process import BatchArrays, ClipTask
from yt360.clip_codec.decoder import ClipDecoder, locate_audio, locate_frames
from yt360.errors import BadItem
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.shard_file import ClipLocation

FRAMES, SAMPLES, BEFORE = 8, 24000, 512


class Shard:
    """A shard in memory that notes which bytes are read, and which are announced."""

    def __init__(self, content, version="first"):
        self.content, self.version = bytes(content), version
        self.was_read, self.announced = [], []

    def read(self, offset, size, memory=None):
        content = self.content[offset : offset + size]
        if len(content) < size:
            raise BadItem("shard-truncated", "it ends before")
        self.was_read.append((offset, size))
        if memory is None:
            return memoryview(content)
        memory[:size] = content
        return memory[:size].toreadonly()

    def will_read(self, offset, size):
        self.announced.append((offset, size))


@pytest.fixture(scope="module")
def members(tiny_dataset, tmp_path_factory):
    """The files of a clip; the index of the video is at its beginning, as in stored clips."""
    clips = ShardReader(tiny_dataset, "train")
    fast = tmp_path_factory.mktemp("fast") / "clip.mp4"
    options = {"movflags": "+faststart"}
    with (
        av.open(io.BytesIO(clips.read(0, "mp4"))) as source,
        av.open(str(fast), "w", options=options) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    return fast.read_bytes(), bytes(clips.read(0, "flac"))


@pytest.fixture
def location(members):
    mp4, flac = members
    return ClipLocation("shard", BEFORE, len(mp4), BEFORE + len(mp4), len(flac))


@pytest.fixture
def shard(members):
    return Shard(bytes(BEFORE) + members[0] + members[1])


def read(reader, shard, task, batch):
    reader.will_read(shard, task)
    reader.read(shard, reader.locate(shard, task, batch), batch)


def empty_batch(count=2):
    return BatchArrays(
        np.zeros((count, FRAMES, 64, 128), np.uint8),
        np.zeros((count, 2, FRAMES, 32, 64), np.uint8),
        np.zeros((count, 4, SAMPLES), np.int16),
    )


@pytest.mark.parametrize("kept_bytes", [0, clip_reader.KEPT_BYTES])
def test_windows_are_those_of_the_whole_files(members, location, shard, monkeypatch, kept_bytes):
    monkeypatch.setattr(clip_reader, "KEPT_BYTES", kept_bytes)
    batch = empty_batch(3)
    read(ClipReader(), shard, ClipTask(location, 1, (5, 31), (777, 40000)), batch)
    decoder, expected = ClipDecoder(), empty_batch(3)
    for row, frame, sample in ((1, 5, 777), (2, 31, 40000)):
        luma, chroma, audio = (array[row] for array in expected)
        decoder.decode_frames(
            *locate_frames(memoryview(members[0]), frame, *luma.shape), luma, chroma
        )
        decoder.decode_audio(*locate_audio(memoryview(members[1]), sample, SAMPLES, 4), audio)
    for ours, theirs in zip(batch, expected, strict=True):
        assert theirs.any() and np.array_equal(ours, theirs)


@pytest.mark.parametrize("index_bytes", [clip_reader.INDEX_BYTES, 2000, 100])
def test_only_indexes_and_windows_are_read(location, shard, monkeypatch, index_bytes):
    monkeypatch.setattr(clip_reader, "INDEX_BYTES", index_bytes)
    reader, task, batch = ClipReader(), ClipTask(location, 0, (20,), (30000,)), empty_batch()
    read(reader, shard, task, batch)
    first = [array.copy() for array in batch]
    num_read = sum(size for _, size in shard.was_read)
    # If the index is longer than what is read first, the whole file is read for it.
    assert (num_read < location.flac_bytes) == (index_bytes > 1000)
    # Windows are announced before they are read.
    assert set(shard.was_read[-2:]) <= set(shard.announced)
    shard.was_read.clear()
    shard.announced.clear()
    reader.will_read(shard, task)
    assert not shard.announced
    read(reader, shard, task, batch)
    assert len(shard.was_read) == 2  # the indexes are known
    assert all(map(np.array_equal, first, batch))


def test_indexes_of_a_file_that_was_replaced_are_not_used(location, shard):
    reader, task, batch = ClipReader(), ClipTask(location, 0, (20,), (30000,)), empty_batch()
    read(reader, shard, task, batch)
    other = Shard(bytes(len(shard.content)), version="second")
    with bad_item("bad-mp4"):
        read(reader, other, task, batch)


def test_the_number_of_kept_indexes_is_bounded(location, shard, monkeypatch):
    monkeypatch.setattr(clip_reader, "MAX_INDEXES", 3)
    reader, task, batch = ClipReader(), ClipTask(location, 0, (20,), (30000,)), empty_batch()
    for number in range(5):
        read(reader, Shard(shard.content, version=str(number)), task, batch)
    assert len(reader._indexes) == 3


def test_video_or_audio_can_be_left_out(location, shard):
    for frames, samples in (((20,), ()), ((), (30000,))):
        batch = empty_batch()
        read(ClipReader(), shard, ClipTask(location, 0, frames, samples), batch)
        assert batch.luma.any() == batch.chroma.any() == bool(frames)
        assert batch.audio.any() == bool(samples)


@pytest.mark.parametrize("kept", [100, 900, -1])
def test_a_shard_that_ends_early_is_a_bad_item(location, shard, kept):
    short = Shard(shard.content[:kept])
    with bad_item("shard-truncated"):
        read(ClipReader(), short, ClipTask(location, 0, (20,), (48000,)), empty_batch())
