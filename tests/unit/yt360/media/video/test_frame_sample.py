"""Keyframes are sampled as they are displayed, whatever the decoder has to wait for."""

from __future__ import annotations

import av
import numpy as np
import pytest

from yt360.media.probe import probe
from yt360.media.video.frame_sample import FRAMES, keyframes


def noise(number: int) -> np.ndarray:
    """Return a frame (H, W, 3) that none of the others resembles."""
    return np.random.default_rng(number).integers(0, 256, (64, 128, 3), np.uint8)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.webm", "libvpx-vp9"), ("a.ts", "mpeg2video")]
)
def test_keyframes_are_those_of_the_whole_video(media, tmp_path, name, codec):
    path = media.write(tmp_path / name, fps=8, seconds=12, pictures=noise, gop=6, video_codec=codec)
    with av.open(str(path)) as container:
        whole = {f.pts: f.to_ndarray() for f in container.decode(video=0) if f.key_frame}
    stream = probe(path).video[0]
    with av.open(str(path)) as container:
        found = {f.pts: f.to_ndarray() for f in keyframes(container, stream)}
    assert len(found) == FRAMES
    for pts, frame in found.items():
        np.testing.assert_array_equal(frame, whole[pts])
