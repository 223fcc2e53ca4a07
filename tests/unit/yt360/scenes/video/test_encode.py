from __future__ import annotations

import os
import subprocess
import sys

ENCODE = """
import sys
import numpy as np
from yt360.scenes.video.encode import encode_video
cells = np.random.default_rng(0).integers(0, 256, (40, 100, 3), dtype=np.uint8)
pattern = np.kron(cells, np.ones((4, 4, 1), dtype=np.uint8))
frames = [pattern[:, 2 * number : 2 * number + 320] for number in range(8)]
sys.stdout.buffer.write(encode_video(frames, 16, 20))
"""


def encoded(fill: int) -> bytes:
    """Encode in a process whose new memory glibc fills with a value (0: which it leaves alone)."""
    environment = os.environ | {"MALLOC_PERTURB_": str(fill)}
    command = [sys.executable, "-c", ENCODE]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout


def test_a_video_does_not_depend_on_what_its_memory_held_before() -> None:
    video = encoded(fill=0)
    assert b"ftyp" in video[:16]
    assert encoded(fill=1) == video
