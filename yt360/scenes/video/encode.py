"""Encodes frames as H.264 in an MP4 with the metadata of an equirectangular 360° video."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from yt360.media.containers.tagging import tag_spherical
from yt360.media.video.x264 import REPRODUCIBLE

# ITU-T H.273 number of BT.709, for matrix, primaries and transfer alike.
_BT709 = 1


def encode_video(frames: Iterable[NDArray[np.uint8]], fps: int, crf: int) -> bytes:
    """Return an MP4 whose bytes depend on the arguments alone.

    Args:
        frames: RGB images (H, W, 3) of one size with even sides, at least one.
        fps: Frames per second; the first frame is shown at 0.
        crf: Constant rate factor of x264, 0 (best) to 51.
    """
    buffer = BytesIO()
    # Setting it up costs more than converting a frame.
    to_yuv = VideoReformatter()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.options = {"preset": "veryfast", "crf": str(crf), **REPRODUCIBLE}
        context.gop_size = 2 * fps
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = ColorRange.MPEG
        for number, image in enumerate(frames):
            if number == 0:
                stream.height, stream.width = image.shape[:2]
            frame = to_yuv.reformat(
                av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24"),
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return _tagged(buffer.getvalue())


def _tagged(mp4: bytes) -> bytes:
    """Return an MP4 with the metadata of an equirectangular 360° video."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "scene.mp4"
        path.write_bytes(mp4)
        tag_spherical(path)
        return path.read_bytes()
