"""Write labelled video and audio to files, as a video site serves them."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
import numpy as np
from numpy.typing import NDArray

from quality.videos import HEIGHT, WIDTH, VideoExample

if TYPE_CHECKING:
    from av.video.stream import VideoStream


@dataclass(frozen=True)
class VideoCoding:
    """An encoder of PyAV, and its options."""

    codec: str
    options: dict[str, str]
    bit_rate: int | None = None


def h264(crf: int) -> VideoCoding:
    """H.264; 18 is nearly transparent, 34 is poor."""
    return VideoCoding("libx264", {"crf": str(crf), "preset": "veryfast"})


def vp9(bits_per_pixel: float) -> VideoCoding:
    """VP9 at a bit rate, as video sites use it: 0.03 bits per pixel are 1.7 Mb/s for 1920x960."""
    options = {"deadline": "good", "cpu-used": "5", "lag-in-frames": "25", "auto-alt-ref": "1"}
    return VideoCoding("libvpx-vp9", options, int(bits_per_pixel * WIDTH * HEIGHT * 10))


def av1(crf: int) -> VideoCoding:
    """AV1; 30 is good, 50 is poor."""
    options = {"crf": str(crf), "preset": "10", "svtav1-params": "lp=1"}
    return VideoCoding("libsvtav1", options)


def write_video_example(
    path: Path,
    example: VideoExample,
    frame_rate: int = 10,
    crf: int = 23,
    gop: int = 50,
    coding: VideoCoding | None = None,
) -> None:
    """Write a labelled video in Matroska, 480x240.

    Args:
        path: The file.
        example: The video.
        frame_rate: Frames per second.
        crf: Quality of H.264.
        gop: Frames between key frames.
        coding: Encoder instead of H.264.
    """
    coding = coding or h264(crf)
    with av.open(str(path), "w", format="matroska") as container:
        stream = cast("VideoStream", container.add_stream(coding.codec, rate=frame_rate))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.options = {**coding.options, "threads": "1"}
        if coding.bit_rate is not None:
            stream.bit_rate = coding.bit_rate
        stream.codec_context.gop_size = gop
        for number in range(int(example.duration_s * frame_rate)):
            luma = np.round(example.film(number / frame_rate) * (219 / 255) + 16)
            planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
            planes[:HEIGHT] = luma.astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, frame_rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_wav(path: Path, audio: NDArray[np.floating], rate_hz: int) -> None:
    """Write audio (C, S) in [-1, 1] as 16-bit WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(audio.shape[0])
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((32767 * audio.T).astype("<i2").tobytes())
