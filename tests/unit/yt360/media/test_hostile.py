"""Media files that were made to harm whoever reads them."""

from __future__ import annotations

import os
import struct
import subprocess
import wave
from contextlib import suppress

import av
import numpy as np
import pytest
from helpers.errors import bad_item

from yt360.clip_codec.decoder import decode_video
from yt360.errors import BadItem
from yt360.media.audio.reader import AudioReader
from yt360.media.containers.opening import MAX_STREAMS, open_media
from yt360.media.containers.tracks import main_video
from yt360.media.ffmpeg import ffmpeg_binary
from yt360.media.probe import probe

H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "0")


def wav(path, channels=4, rate_hz=24000, samples=2400):
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate_hz, samples, "NONE", ""))
        file.writeframes(bytes(2 * channels * samples))
    return path


def tiny_video(path, *options):
    source = ["-f", "lavfi", "-i", "testsrc2=size=32x16:rate=10:duration=0.5"]
    command = [str(ffmpeg_binary()), "-v", "error", "-y", *source, *options, str(path)]
    subprocess.run(command, check=True)
    return path


def test_a_fifo_a_device_and_a_folder_are_no_media(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    for path, kind in ((tmp_path / "a.mp4", "FIFO"), ("/dev/zero", "device"), (tmp_path, "folder")):
        with pytest.raises(BadItem, match=f"^missing-file: .* is a {kind}, not a regular file"):
            probe(path)


@pytest.mark.parametrize(
    "playlist",
    [
        "ffconcat version 1.0\nfile secret.wav\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    ],
    ids=["concat", "hls", "sdp"],
)
def test_playlists_open_nothing_else(tmp_path, playlist):
    wav(tmp_path / "secret.wav")
    (tmp_path / "a.mp4").write_text(playlist)
    with bad_item("not-media"):
        probe(tmp_path / "a.mp4")


def test_a_stored_clip_is_h264_in_an_mp4_and_nothing_else(tmp_path):
    clip = tiny_video(tmp_path / "a.mp4", *H264).read_bytes()
    assert len(list(decode_video(clip))) == 5
    others = [
        tiny_video(tmp_path / "b.mp4", "-c:v", "mpeg4").read_bytes(),
        tiny_video(tmp_path / "c.mkv", *H264).read_bytes(),
        wav(tmp_path / "d.wav").read_bytes(),
        clip[:100],
        b"",
    ]
    for content in others:
        with bad_item("bad-mp4"):
            list(decode_video(content))


def test_frames_that_grow_beyond_any_picture_are_not_decoded(tmp_path):
    small = tiny_video(tmp_path / "small.ts", "-c:v", "mpeg2video").read_bytes()
    large = bytearray(small)
    header = large.index(b"\0\0\1\xb3") + 4
    large[header : header + 3] = b"\xff\xff\xff"  # the lower 12 bits of width and height
    extension = large.index(b"\0\0\1\xb5") + 4
    large[extension + 1] |= 0x01  # and the upper two
    large[extension + 2] |= 0xE0
    (tmp_path / "a.ts").write_bytes(small + large)
    found = set()
    with open_media(tmp_path / "a.ts") as container:
        for packet in container.demux(main_video(container)):
            with suppress(av.error.FFmpegError):
                found |= {frame.width for frame in packet.decode()}
    assert found == {32}


@pytest.mark.parametrize(
    ("channels", "rate_hz", "told"),
    [(4, 1, "sample rate of 1 Hz"), (1, 10**9, "1000000000 Hz"), (200, 48000, "200 channels")],
)
def test_implausible_audio_is_not_decoded(tmp_path, channels, rate_hz, told):
    path = wav(tmp_path / "a.wav", channels, rate_hz, 240)
    (track,) = probe(path).undecodable
    assert told in track.detail
    with bad_item("no-audio"):
        AudioReader(path)


def test_files_of_thousands_of_streams_are_refused(tmp_path):
    mp4 = tiny_video(tmp_path / "a.mp4", "-c:v", "libx264").read_bytes()
    start = mp4.index(b"moov") - 4
    moov = mp4[start : start + struct.unpack(">I", mp4[start : start + 4])[0]]
    first = moov.index(b"trak") - 4
    track = moov[first : first + struct.unpack(">I", moov[first : first + 4])[0]]
    many = moov[8 : first + len(track)] + track * MAX_STREAMS
    content = mp4[:start] + struct.pack(">I4s", len(many) + 8, b"moov") + many
    (tmp_path / "b.mp4").write_bytes(content + mp4[start + len(moov) :])
    with pytest.raises(BadItem, match=f"^memory: .* more than {MAX_STREAMS} streams"):
        probe(tmp_path / "b.mp4")


def test_times_of_no_recording_are_refused(tmp_path):
    shift = ["-output_ts_offset", str(10**9)]
    path = tiny_video(tmp_path / "a.mkv", "-c:v", "libx264", *shift)
    with bad_item("implausible-times"):
        probe(path)


def test_samples_of_64_bits_are_read(tmp_path):
    values = (np.arange(-8, 8) << 60).astype(">i8").reshape(4, 4)
    description = struct.pack(">d4sIIIII", 24000.0, b"lpcm", 0, 32, 1, 4, 64)
    content = b"caff" + struct.pack(">HH", 1, 0)
    for kind, chunk in ((b"desc", description), (b"data", bytes(4) + values.tobytes())):
        content += kind + struct.pack(">q", len(chunk)) + chunk
    (tmp_path / "a.caf").write_bytes(content)
    with AudioReader(tmp_path / "a.caf") as reader:
        samples, recorded = reader.read(0, 4)
    assert recorded == 4
    assert np.array_equal(samples.T, values.astype(np.float64) / 2**63)


def test_tags_that_are_not_utf8_do_not_hide_a_file(tmp_path):
    path = tiny_video(tmp_path / "a.mkv", "-c:v", "libx264", "-metadata", "title=ABCDEFG")
    path.write_bytes(path.read_bytes().replace(b"ABCDEFG", b"AB\xff\xfeEFG"))
    assert probe(path).main_video is not None
