"""Small pictures of clips."""

from __future__ import annotations

import io

from yt360.errors import BadItem

WIDTH, HEIGHT = 320, 160
MAX_VIDEO_BYTES = 256 << 20
"""Longer videos have no picture; those of 10 s have 1 MB."""
_QUALITY = 80


def thumbnail_of_video(mp4: bytes) -> bytes:
    """Decode the first frame of a clip at its middle; return a JPEG of `WIDTH` by `HEIGHT` pixels.

    Args:
        mp4: The video. It may be damaged or hostile: call this function in another process.

    Raises:
        BadItem: ``"no-picture"``: no frame can be decoded.
    """
    import av
    from PIL import Image

    from yt360.execution.limits import MAX_PIXELS

    try:
        with av.open(
            io.BytesIO(mp4), "r", format="mp4", container_options={"max_pixels": str(MAX_PIXELS)}
        ) as container:
            stream = container.streams.video[0]
            stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
            if stream.duration:
                container.seek(stream.duration // 2, stream=stream)
            frame = next(container.decode(stream))
            pixels = frame.to_ndarray(format="rgb24", width=WIDTH, height=HEIGHT)
    except (av.FFmpegError, IndexError, StopIteration, ValueError) as error:
        raise BadItem("no-picture", f"no frame can be decoded: {error}") from None
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=_QUALITY)
    return file.getvalue()


def warm_up() -> None:
    """Import what `thumbnail_of_video` needs, so that the first picture does not wait for it."""
    import av  # noqa: F401
    from PIL import Image  # noqa: F401
