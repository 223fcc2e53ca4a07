"""Write labelled video and audio to files, as a video site serves them."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from quality.videos import HEIGHT, WIDTH, VideoExample


def write_video_example(
    path: Path, example: VideoExample, frame_rate: int = 10, crf: int = 23, gop: int = 50
) -> None:
    """Write a labelled video as H.264 in Matroska, 480x240.

    Args:
        path: The file.
        example: The video.
        frame_rate: Frames per second.
        crf: Quality of the coder; 18 is nearly transparent, 34 is poor.
        gop: Frames between key frames.
    """
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=frame_rate)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.options = {"crf": str(crf), "preset": "veryfast", "threads": "1"}
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
