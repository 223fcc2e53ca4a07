"""Directions that turn with the image are told from those that do not."""

from __future__ import annotations

import numpy as np
import pytest

from yt360.media.video.frame_triplets import FrameTriplet
from yt360.quality.signal.camera_turns import CameraTurns
from yt360.randomness import keyed_generator

STEP_S = 2.0
TURN_COLUMNS = 96
"""A sixth of the 576 columns: the camera turns by 60°."""


def turned(follows: bool, is_equirectangular: bool = True) -> dict[str, float]:
    """Return the measurements of five turns, with a source that follows the image or does not."""
    turns = CameraTurns(0.35, 0.1, 1.0, most_directions=64, most_turns=64)
    turns.begin_part(is_equirectangular)
    image = keyed_generator(0, "image").uniform(0, 255, (288, 576)).astype(np.float32)
    for step in range(6):
        frame = np.roll(image, -step * TURN_COLUMNS, axis=1)
        turns.add_frames(FrameTriplet(step * STEP_S, np.stack([frame] * 3)))
        azimuth = 2 * np.pi * step * TURN_COLUMNS / 576 if follows else 0.0
        turns.add_direction(step * STEP_S, np.cos(azimuth), np.sin(azimuth))
    return turns.followed_by(turns.directions)


@pytest.mark.parametrize(("follows", "expected"), [(True, 1.0), (False, -1.0)])
def test_a_source_follows_the_image_or_stays(follows: bool, expected: float) -> None:
    found = turned(follows)
    assert found["turns"] == 5
    assert found["follows_picture"] == pytest.approx(expected, abs=0.02)


def test_other_projections_show_no_turns() -> None:
    assert turned(False, is_equirectangular=False) == {"turns": 0.0, "follows_picture": 0.0}
