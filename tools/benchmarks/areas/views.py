"""Views: draw them and crop them from planes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import cv2
import torch

from avsa.views.crops import crop_views
from benchmarks import paper
from benchmarks.case import Case, Ratio
from benchmarks.material import Material
from benchmarks.samples import (
    FRAMES,
    HEIGHT,
    SIZE,
    WIDTH,
    angles_of,
    numpy_crops,
    random_views,
)
from yt360.clip_codec.decoder import ClipDecoder, locate_frames

DRAWN = 20
"""Different views; later inputs repeat them."""


def cases(material: Material) -> Iterator[Case]:
    """Yield the cases."""
    cv2.setNumThreads(1)
    yield crop_case(material)


def crop_case(material: Material) -> Case:
    """Crop four views of eight frames, with jitter and standardization."""
    luma = torch.empty((1, FRAMES, HEIGHT, WIDTH), dtype=torch.uint8)
    chroma = torch.empty((1, 2, FRAMES, HEIGHT // 2, WIDTH // 2), dtype=torch.uint8)
    located = locate_frames(material.clips.read(0, "mp4"), 40, FRAMES, HEIGHT, WIDTH)
    ClipDecoder().decode_frames(*located, luma[0].numpy(), chroma[0].numpy())
    frames = _rgb_frames(material)
    drawn = [random_views(number) for number in range(DRAWN)]
    maps = [[_view_map(*angles) for angles in angles_of(views)] for views in drawn]
    fixed = [[cv2.convertMaps(*each, cv2.CV_16SC2) for each in of_views] for of_views in maps]

    def remap(number: int) -> object:
        return [
            cv2.remap(frame, *each, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
            for each in fixed[number % DRAWN]
            for frame in frames
        ]

    return Case(
        "crops: 4 views x 8 frames from 320x640, jittered and standardized",
        {
            "crops": lambda number: crop_views(luma, chroma, drawn[number % DRAWN], SIZE, SIZE),
            "NumPy, frame by frame": lambda number: numpy_crops(frames, drawn[number % DRAWN]),
            "cv2.remap alone, fixed maps made before": remap,
        },
        [
            Ratio("NumPy, frame by frame", "crops", at_least=4),
            Ratio("cv2.remap alone, fixed maps made before", "crops", higher_is_better=True),
        ],
    )


def _view_map(azimuth: float, elevation: float, hfov: float) -> tuple[paper.Floats, paper.Floats]:
    return paper.view_map(azimuth, elevation, hfov, SIZE, HEIGHT, WIDTH)


def _rgb_frames(material: Material) -> list[Any]:
    with av.open(str(material.default_gop[0])) as container:
        decoded = zip(range(FRAMES), container.decode(video=0), strict=False)
        return [frame.to_ndarray(format="rgb24") for _, frame in decoded]
