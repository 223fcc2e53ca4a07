"""Every channel of audio with many channels, or in an unusual order, comes out as it went in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from yt360.media.audio.reader import AmbixReader, AudioReader
from yt360.media.containers.tagging import add_to_sample_entries, sa3d_box
from yt360.media.ffmpeg import ffmpeg_binary
from yt360.media.probe import probe

RATE = 48_000
SECONDS = 0.5
# A third of an octave apart in the middle of the band: no coder mixes or drops these tones.
LOWEST_HZ, LFE_HZ = 300.0, 60.0


def tones(channels: int, lfe: int | None) -> np.ndarray:
    """Return a tone of its own in each channel (C, S), a low one in that of low frequencies."""
    hz = LOWEST_HZ * (8000 / LOWEST_HZ) ** (np.arange(channels) / channels)
    if lfe is not None:
        hz[lfe] = LFE_HZ
    time_s = np.arange(round(SECONDS * RATE)) / RATE
    return (0.25 * np.sin(2 * np.pi * hz[:, None] * time_s)).astype(np.float32)


def encode(path: Path, sound: np.ndarray, *options: str, layout: str | None = None) -> Path:
    """Write audio with FFmpeg's program (PyAV cannot: it has the same fault when it encodes)."""
    channels = ["-channel_layout", layout] if layout else ["-ac", str(len(sound))]
    command = [
        ffmpeg_binary(), "-loglevel", "error", "-y", "-f", "f32le", "-ar", str(RATE), *channels,
        "-i", "pipe:", *options, path,
    ]  # fmt: skip
    subprocess.run(command, input=sound.T.astype("<f4").tobytes(), check=True)
    return path


def read(path: Path, count: int) -> np.ndarray:
    with AudioReader(path) as reader:
        return reader.read(0, count)[0]


LOSSY = {
    "7.1.m4a": ("7.1", "aac", "-b:a", "768k"),
    "7.1.mkv": ("7.1", "libvorbis", "-q:a", "8"),
    "7.1.webm": ("7.1", "libopus", "-b:a", "768k"),
    "8.webm": ("8C", "libopus", "-mapping_family", "255", "-b:a", "768k"),
    "11.mkv": ("ambisonic 2+stereo", "libopus", "-mapping_family", "2", "-b:a", "1024k"),
    "16.opus": ("ambisonic 3", "libopus", "-mapping_family", "2", "-b:a", "1500k"),
    "16.mkv": ("16C", "libopus", "-mapping_family", "255", "-b:a", "1500k"),
    "36.mkv": ("ambisonic 5", "libopus", "-mapping_family", "2", "-b:a", "3000k"),
}
CHANNELS = {"7.1": 8, "8C": 8, "ambisonic 2+stereo": 11, "ambisonic 3": 16, "16C": 16,
            "ambisonic 5": 36}  # fmt: skip


@pytest.mark.parametrize("name", LOSSY)
def test_each_channel_of_lossy_audio_comes_out_at_its_place(tmp_path, name):
    layout, codec, *options = LOSSY[name]
    sound = tones(CHANNELS[layout], lfe=3 if layout == "7.1" and codec == "aac" else None)
    path = encode(tmp_path / name, sound, "-c:a", codec, *options, layout=layout)
    got = read(path, sound.shape[1])
    window = slice(RATE // 10, -RATE // 10)
    error = (got[:, window] - sound[:, window]).std(axis=1) / sound[:, window].std(axis=1)
    assert error.max() < 0.2, error.round(2)


LOSSLESS = {
    "8.flac": (8, "flac"),
    "9.wav": (9, "pcm_s16le"),
    "16.wav": (16, "pcm_s24le"),
    "16.mka": (16, "pcm_f64le"),
    "25.caf": (25, "pcm_s16be"),
    "36.mov": (36, "pcm_s16le"),
    "64.wav": (64, "pcm_s32le"),
    "64.caf": (64, "pcm_f32be"),
    "64.w64": (64, "pcm_u8"),
    "12.mka": (12, "wavpack"),
    "17.wav": (17, "pcm_s64le"),
}
_STEPS = {"pcm_u8": 2.0**7, "pcm_s16le": 2.0**15, "pcm_s16be": 2.0**15, "flac": 2.0**15,
          "pcm_s24le": 2.0**23}  # fmt: skip


@pytest.mark.parametrize("name", LOSSLESS)
def test_each_channel_of_lossless_audio_comes_out_whole(tmp_path, name):
    channels, codec = LOSSLESS[name]
    steps = _STEPS.get(codec, 2.0**23)
    sound = np.random.default_rng(channels).uniform(-0.9, 0.9, (channels, 2000))
    sound = (np.round(sound * steps) / steps).astype(np.float32)
    path = encode(tmp_path / name, sound, "-c:a", codec)
    np.testing.assert_array_equal(read(path, 2000), sound)


@pytest.mark.parametrize("order", ["speakers", "SA3D"])
def test_a_custom_order_changes_no_channel(tmp_path, order):
    sound = np.round(np.random.default_rng(0).uniform(-0.9, 0.9, (4, 4000)) * 2**15) / 2**15
    layout = "FL+BR+FC+BL" if order == "speakers" else None
    path = encode(tmp_path / "a.mov", sound.astype(np.float32), "-c:a", "pcm_s16le", layout=layout)
    if order == "SA3D":
        add_to_sample_entries(path, b"", sa3d_box([0, 3, 1, 2]))
    (stream,) = probe(path).audio
    assert stream.layout_declared.startswith("4 channels (")
    np.testing.assert_array_equal(read(path, 4000), sound)
    w, y, z, x = (0, 2, 3, 1) if order == "SA3D" else (0, 1, 2, 3)
    assert stream.layout.format.channels == (w, y, z, x)


def test_third_order_comes_out_as_its_first_order(tmp_path):
    sound = tones(16, lfe=None)
    path = encode(tmp_path / "a.mkv", sound, "-c:a", "libopus", "-mapping_family", "2",
                  "-b:a", "1500k", layout="ambisonic 3")  # fmt: skip
    layout = probe(path).spatial_audio.layout
    assert layout.name == "ambix"
    with AudioReader(path) as reader:
        ambix, _ = AmbixReader(reader, layout.format, RATE).read(0, sound.shape[1])
    inside = slice(RATE // 10, -RATE // 10)
    np.testing.assert_allclose(ambix[:, inside], sound[:4, inside], atol=0.02)
