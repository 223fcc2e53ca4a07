"""Measure speed and memory of the inspection on a generated video of a given length.

    PYTHONPATH=tools python -m bench.inspect                       # 10 minutes of 1080p
    PYTHONPATH=tools python -m bench.inspect --minutes 120 --size 1920x1080
    PYTHONPATH=tools python -m bench.inspect --file my-video.mp4

The generated video is a minute of moving texture in H.264 (30 fps, 8 Mbit/s, a key frame every 5 s)
with six-channel AAC, repeated without encoding it again. Times are of one thread; the load of other
processes shows in wall time, not in processor time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from fractions import Fraction
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import av
import numpy as np
from quality.audio import make_audio
from quality.coding import AMBIX_TO_5_1
from scipy.ndimage import gaussian_filter, zoom

from yt360.quality.inspect import inspect_file
from yt360.randomness import keyed_generator

FPS, RATE_HZ, PIECE_S = 30, 48_000, 60
# Coders begin before time 0; the pause keeps repeated packets in order.
PAUSE_S = 0.2


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--file", type=Path, help="inspect this file instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or Path(folder) / "made.mkv"
        if options.file is None:
            width, height = (int(side) for side in options.size.split("x"))
            write_long_video(path, width, height, options.minutes)
        duration_s = _duration_s(path)
        # A separate process, so that generating the video does not count.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            processor_s, wall_s, peak_mb, verdicts = pool.apply(measure, (path,))
    for line in verdicts:
        print(line)
    print(
        f"{duration_s:.0f} s of media in {processor_s:.1f} s of one processor "
        f"({wall_s:.1f} s by the clock): {duration_s / processor_s:.0f} times real time "
        f"({duration_s / wall_s:.0f} by the clock); peak memory {peak_mb:.0f} MB"
    )


def measure(path: Path) -> tuple[float, float, float, list[str]]:
    """Inspect a file; return processor and wall seconds, peak memory in MB, and the verdicts."""
    before, started = time.process_time(), time.monotonic()
    verdicts = inspect_file(path).verdicts.values()
    processor_s, wall_s = time.process_time() - before, time.monotonic() - started
    peak_mb = _peak_mb()
    lines = [f"{v.name:16} {v.outcome.value:7} {v.reason}" for v in verdicts]
    return processor_s, wall_s, peak_mb, lines


def _peak_mb() -> float:
    """Return the peak memory of this process (Linux)."""
    # The maximum of getrusage includes that of the parent.
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def write_long_video(path: Path, width: int, height: int, minutes: int) -> None:
    """Write a video whose packets repeat every minute."""
    with tempfile.TemporaryDirectory() as folder:
        piece = Path(folder) / "piece.mkv"
        _write_piece(piece, width, height)
        with av.open(str(path), "w", format="matroska") as target:
            with av.open(str(piece)) as source:
                streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
            for minute in range(minutes):
                with av.open(str(piece)) as source:
                    for packet in source.demux():
                        if packet.dts is None or packet.pts is None or packet.time_base is None:
                            continue
                        shift = int(minute * (PIECE_S + PAUSE_S) / packet.time_base)
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = streams[packet.stream_index]
                        target.mux(packet)


def _write_piece(path: Path, width: int, height: int) -> None:
    rng = keyed_generator(0, "bench")
    coarse = gaussian_filter(rng.standard_normal((height // 2, width // 2)), 1.5, mode="wrap")
    world = zoom(coarse * 60 / coarse.std() + 128, 2, order=1)
    world = np.clip(world, 16, 235).astype(np.uint8)
    audio_samples = make_audio("ambix", rng, float(PIECE_S), RATE_HZ).audio
    silence = np.zeros_like(audio_samples[0])
    stored = np.stack([silence if c is None else audio_samples[c] for c in AMBIX_TO_5_1])
    with av.open(str(path), "w", format="matroska") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.bit_rate = 8_000_000
        video.codec_context.gop_size = 5 * FPS
        video.codec_context.options = {"preset": "veryfast"}
        audio = container.add_stream("aac", rate=RATE_HZ)
        audio.codec_context.layout = "5.1"
        audio.codec_context.bit_rate = 384_000
        for number in range(PIECE_S * FPS):
            planes = np.full((height * 3 // 2, width), 128, np.uint8)
            planes[:height] = np.roll(world, 3 * number, axis=1)
            planes[height // 3 : height // 2, : width // 3] = np.roll(
                world[: height // 2 - height // 3, : width // 3], -5 * number, axis=1
            )
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for start in range(0, stored.shape[1], 1024):
            piece = np.ascontiguousarray(stored[:, start : start + 1024], dtype=np.float32)
            block = av.AudioFrame.from_ndarray(piece, format="fltp", layout="5.1")
            block.rate, block.pts, block.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))


def _duration_s(path: Path) -> float:
    with av.open(str(path)) as container:
        return (container.duration or 0) / 1_000_000


if __name__ == "__main__":
    main()
