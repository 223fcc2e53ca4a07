"""Tiny folders of UCF101 and HMDB51: every class has a colour of its own."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

COLOURS = {"Jump": (200, 40, 40), "Run": (40, 200, 40), "Swim": (40, 40, 200)}
"""RGB of the classes."""


def write_video(
    path: Path,
    colour: tuple[int, int, int],
    frames: int = 24,
    fps: int = 16,
    ramp: bool = False,
    b_frames: int = 0,
    start_s: int = 0,
) -> None:
    """Write a video of 32 x 24; frame n is brighter by n, and with `ramp` the right is, too.

    The time stamps begin at `start_s`. The format is that of the suffix, such as ``.avi``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=fps, options={"qscale": "2", "flags": "qscale"})
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        stream.codec_context.gop_size = 6
        stream.codec_context.max_b_frames = b_frames
        for number in range(frames):
            pixels = np.full((24, 32, 3), np.add(colour, number % 50), np.uint8)
            pixels += (2 * np.arange(32, dtype=np.uint8) * ramp)[:, None]
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number + start_s * fps, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_ucf(root: Path, folds: int = 2, groups: int = 3) -> Path:
    """Write UCF101 with three classes and two videos a group; fold N tests group N."""
    lists = root / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    (lists / "classInd.txt").write_text("".join(f"{i} {c}\n" for i, c in enumerate(COLOURS, 1)))
    for number, (label, colour) in enumerate(COLOURS.items(), 1):
        for group in range(1, groups + 1):
            for clip in (1, 2):
                name = f"{label}/v_{label}_g{group:02d}_c{clip:02d}.avi"
                write_video(root / name, colour, 16 + 4 * clip, 30 if clip == 2 else 16)
                for fold in range(1, folds + 1):
                    split = "test" if group == fold else "train"
                    with (lists / f"{split}list{fold:02d}.txt").open("a") as file:
                        file.write(f"{name} {number}\n" if split == "train" else f"{name}\n")
    return root


def write_hmdb(root: Path, videos: int = 4) -> Path:
    """Write HMDB51 with three classes; of each class one video is tested and one is unused."""
    lists = root / "testTrainMulti_7030_splits"
    lists.mkdir(parents=True)
    for label, colour in COLOURS.items():
        lines = []
        for number in range(videos):
            name = f"Film_{number}_{label.lower()}_f_cm_np1_ba_med_0.avi"
            write_video(root / "hmdb51_org" / label.lower() / name, colour, 12)
            lines.append(f"{name} {({0: 2, 1: 0}).get(number, 1)} \n")
        (lists / f"{label.lower()}_test_split1.txt").write_text("".join(lines))
    return root
