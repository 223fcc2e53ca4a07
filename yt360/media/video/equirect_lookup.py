"""Find the pixels of stored frames of any supported projection that an equirectangular map needs.

The coordinates of the pixels pass through the same filter as the frames of the conversion
(`yt360.media.video.equirect_filters`), so both use the same geometry.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from yt360.media.video.equirect_filters import v360_options
from yt360.media.video.projection import LEFT_EYE, ResolvedProjection

Indices = NDArray[np.intp]


def equirect_lookup(
    projection: ResolvedProjection, stored: tuple[int, int], wanted: tuple[int, int]
) -> Indices:
    """Return, for each pixel of an equirectangular image, the nearest pixel of a stored frame.

    Args:
        projection: Projection of the frames.
        stored: Height and width of the frames, scaled as a whole to any size.
        wanted: Height and width of the equirectangular image.

    Returns:
        Indices (wanted height, wanted width) into the flat frame.
    """
    height, width = stored
    left, top, across, down = LEFT_EYE[projection.stereo_mode]
    rows = np.arange(round(top * height), round((top + down) * height))
    columns = np.arange(round(left * width), round((left + across) * width))
    row, column = np.meshgrid(rows, columns, indexing="ij")
    row, column = (_projected(each, projection, wanted) for each in (row, column))
    return np.asarray(row * width + column)


def _projected(
    image: NDArray[np.intp], projection: ResolvedProjection, wanted: tuple[int, int]
) -> Indices:
    """Project an image of the left eye with the nearest value of each pixel."""
    import av
    from av.filter import Graph

    frame = av.VideoFrame.from_ndarray(image.astype(np.uint16), format="gray16le")
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1)
    )
    options = v360_options(projection) | {
        "output": "e", "w": str(wanted[1]), "h": str(wanted[0]), "interp": "near",
    }  # fmt: skip
    v360 = graph.add("v360", ":".join(f"{name}={value}" for name, value in options.items()))
    sink = graph.add("buffersink")
    source.link_to(v360)
    v360.link_to(sink)
    graph.configure()
    graph.push(frame)
    found = graph.pull()
    assert isinstance(found, av.VideoFrame)
    return found.to_ndarray().astype(np.intp)
