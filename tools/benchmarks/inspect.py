"""Measure speed and memory of the inspection on a generated video of a given length.

    PYTHONPATH=tools python -m benchmarks.inspect                       # 10 minutes of 1080p
    PYTHONPATH=tools python -m benchmarks.inspect --minutes 120 --size 1920x1080
    PYTHONPATH=tools python -m benchmarks.inspect --file my-video.mp4
    PYTHONPATH=tools python -m benchmarks.inspect --before ../older-checkout --repeat 3

The generated video is a minute of moving texture in H.264 (30 fps, 8 Mbit/s, a key frame every 5 s)
with six-channel AAC, repeated without encoding it again. Times are of one thread; the load of other
processes shows in wall time, not in processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import av
import numpy as np
from quality.audio import make_audio
from quality.coding import AMBIX_TO_5_1
from scipy.ndimage import gaussian_filter, zoom

from yt360.randomness import keyed_generator

FPS, RATE_HZ, PIECE_S = 30, 48_000, 60
_ROOT = Path(__file__).parents[2]
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
    parser.add_argument("--before", type=Path, help="also measure the packages of this checkout")
    parser.add_argument("--repeat", type=int, default=1, help="runs, of which the fastest counts")
    options = parser.parse_args()
    trees = {"this version": _ROOT}
    if options.before is not None:
        trees = {"before": options.before, **trees}
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or Path(folder) / "made.mkv"
        if options.file is None:
            width, height = (int(side) for side in options.size.split("x"))
            write_long_video(path, width, height, options.minutes)
        duration_s = _duration_s(path)
        # In turns, so that other load affects all versions alike.
        runs = [
            {name: measure(path, tree) for name, tree in trees.items()}
            for _ in range(options.repeat)
        ]
    best = {
        name: min((run[name] for run in runs), key=lambda it: it["processor_s"]) for name in trees
    }
    for name, result in best.items():
        for line in result["verdicts"]:
            print(f"{name:12}  {line}")
    for name, result in best.items():
        processor_s, wall_s = result["processor_s"], result["wall_s"]
        print(
            f"{name}: {duration_s:.0f} s of media in {processor_s:.1f} s of one processor "
            f"({wall_s:.1f} s by the clock): {duration_s / processor_s:.0f} times real time, "
            f"{3600 * processor_s / duration_s:.1f} s per hour; "
            f"peak memory {result['peak_mb']:.0f} MB"
        )
    if options.before is not None:
        ratio = best["this version"]["processor_s"] / best["before"]["processor_s"]
        print(f"ratio of this version to the one before: {ratio:.3f}")


def measure(path: Path, tree: Path) -> dict[str, Any]:
    """Inspect a file in a process of its own with the packages of a checkout."""
    script = str(Path(__file__).with_name("inspect_file.py"))
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    # -P: the folder of the script has a module of the name of a standard one.
    command = [sys.executable, "-P", script, str(path)]
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
    result: dict[str, Any] = json.loads(output)
    return result


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
