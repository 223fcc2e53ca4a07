from __future__ import annotations

from io import BytesIO

import av
import numpy as np

from yt360.media.video.x264 import REPRODUCIBLE


def encoded(**changes: str) -> bytes:
    """Encode half a second of a moving pattern; return its packets."""
    cells = np.random.default_rng(0).integers(0, 256, (40, 100), dtype=np.uint8)
    pattern = np.kron(cells, np.ones((4, 4), dtype=np.uint8))
    with av.open(BytesIO(), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=16)
        stream.width, stream.height, stream.pix_fmt = 320, 160, "yuv420p"
        stream.codec_context.options = {"preset": "veryfast"} | changes
        packets = []
        for number in range(8):
            grey = np.ascontiguousarray(pattern[:, 2 * number : 2 * number + 320])
            frame = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")
            frame.pts = number
            packets += stream.encode(frame)
        packets += stream.encode(None)
        return b"".join(bytes(packet) for packet in packets)


def test_the_bytes_do_not_depend_on_the_instructions_of_the_processor() -> None:
    plain = REPRODUCIBLE["x264-params"] + ":asm=0"
    assert encoded(**REPRODUCIBLE) == encoded(**REPRODUCIBLE | {"x264-params": plain})
