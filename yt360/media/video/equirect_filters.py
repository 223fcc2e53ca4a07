"""FFmpeg filters that convert supported 360° video to monoscopic equirectangular BT.709."""

from __future__ import annotations

import ffmpeg
from ffmpeg.nodes import FilterableStream

from yt360.errors import BadItem
from yt360.media.video.color import ColorTags
from yt360.media.video.projection import LEFT_EYE, ResolvedProjection
from yt360.media.video.tone_mapping import append_to_sdr

# v360's name and options; grid of regions that are continuous on the sphere; border of each region
# that v360 expects (YouTube's EAC has one around each row). The up and down faces of the RFC are
# rotated by 180° relative to FFmpeg's.
_CUBES: dict[str, tuple[str, dict[str, str], tuple[int, int], int]] = {
    "eac": ("eac", {}, (1, 2), 2),
    "cubemap": ("c3x2", {"in_frot": "002200"}, (3, 2), 0),
    "c3x2": ("c3x2", {}, (3, 2), 0),
}
# Oversampling factor of the projection before scaling, which avoids aliasing.
_OVERSAMPLING = 2
_SCALE_FLAGS = "bicubic+accurate_rnd+full_chroma_int+bitexact"
_AREA_FLAGS = "area+accurate_rnd+full_chroma_int+bitexact"
_OTHER_MATRICES = ("gbr", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc")


def to_equirectangular(
    frames: FilterableStream, projection: ResolvedProjection, width: int, height: int
) -> FilterableStream:
    """Append filters that convert upright frames to the format of clips.

    This is monoscopic equirectangular yuv420p in limited-range BT.709 SDR.

    Args:
        frames: Node of an ffmpeg-python graph.
        projection: From `yt360.media.video.projection.resolve_projection`.
        width: Output width in pixels, twice the height.
        height: Output height in pixels.
    """
    left, top, eye_width, eye_height = _left_eye(projection)
    if (eye_width, eye_height) != (projection.width, projection.height):
        frames = frames.filter("crop", eye_width, eye_height, left, top, exact=1)
    if projection.kind != "equirectangular" or any(projection.pose_deg):
        fine = (width * _OVERSAMPLING, height * _OVERSAMPLING)
        if projection.kind != "equirectangular":
            frames = _shrink_faces(frames, projection, (eye_width, eye_height), fine[0] // 4)
        elif eye_width > fine[0] and eye_height > fine[1]:
            frames = frames.filter("scale", *fine, flags=_AREA_FLAGS)
        options = {"output": "e", "w": fine[0], "h": fine[1], "interp": "linear"}
        frames = frames.filter("v360", **options, **v360_options(projection))
    return _to_bt709(frames, projection.color, width, height).filter("setsar", 1)


def v360_options(projection: ResolvedProjection) -> dict[str, object]:
    """Return the options of FFmpeg's filter v360 that read a projection and revert its pose."""
    if projection.kind == "equirectangular":
        options: dict[str, object] = {"input": "e"}
    else:
        name, extra, _, _ = _CUBES[projection.kind]
        options = {"input": name, **extra}
    yaw, pitch, roll = projection.pose_deg
    if any(projection.pose_deg):
        # v360's pitch has the opposite sign, and the inverse of yaw-pitch-roll is needed.
        options |= {"yaw": yaw, "pitch": -pitch, "roll": roll, "rorder": "rpy"}
    return options


def _to_bt709(
    frames: FilterableStream, tags: ColorTags, width: int, height: int
) -> FilterableStream:
    """Scale frames and convert their colors to limited-range BT.709 SDR yuv420p."""
    colors = {"out_range": "tv"}
    if tags.needs_mapping:
        colors["out_color_matrix"] = "bt2020"
        if not tags.matrix:
            colors["in_color_matrix"] = "bt2020" if tags.gamut == "bt2020" else "bt709"
    elif tags.matrix in _OTHER_MATRICES:
        colors["out_color_matrix"] = "bt709"
    frames = frames.filter("scale", width, height, flags=_SCALE_FLAGS, **colors)
    if tags.needs_mapping:
        frames = append_to_sdr(frames.filter("format", "yuv444p16le"), tags)
    # Tag frames without conversion: they are already BT.709, or have an unknown matrix.
    return frames.filter("format", "yuv420p").filter("setparams", colorspace="bt709", range="tv")


def _left_eye(projection: ResolvedProjection) -> tuple[int, int, int, int]:
    """Return left, top, width and height in pixels of the left eye's image."""
    left, top, width, height = LEFT_EYE[projection.stereo_mode]
    return (
        int(projection.width * left),
        int(projection.height * top),
        int(projection.width * width),
        int(projection.height * height),
    )


def _shrink_faces(
    frames: FilterableStream, projection: ResolvedProjection, size: tuple[int, int], face: int
) -> FilterableStream:
    """Crop the padding of cubemap faces and downscale each face separately.

    Args:
        frames: The cubemap, three faces wide and two high.
        projection: Layout and padding of the cubemap.
        size: Width and height of the cubemap.
        face: Target size of a face; smaller faces are not scaled.
    """
    _, _, (columns, rows), border = _CUBES[projection.kind]
    cut = max(projection.padding_px, border)
    region = (size[0] // columns, size[1] // rows)
    inner = (region[0] - 2 * cut, region[1] - 2 * cut)
    if min(inner) < 1:
        raise BadItem("unknown-projection", f"cubemap padding of {cut} pixels leaves no face")
    wanted = (min(face * 3 // columns, inner[0]), min(face, inner[1]))
    if wanted == inner and cut == border:
        return frames
    outputs = frames.filter_multi_output("split", columns * rows)
    regions = []
    for index in range(columns * rows):
        row, column = divmod(index, columns)
        x, y = column * region[0] + cut, row * region[1] + cut
        one = outputs.stream(index).filter("crop", *inner, x, y, exact=1)
        one = one.filter("scale", *wanted, flags=_AREA_FLAGS)
        if border:
            sides = {"left": border, "right": border, "top": border, "bottom": border}
            one = one.filter("pad", wanted[0] + 2 * border, wanted[1] + 2 * border, border, border)
            one = one.filter("fillborders", **sides, mode="smear")
        regions.append(one)
    wanted = (wanted[0] + 2 * border, wanted[1] + 2 * border)
    corners = [(x * wanted[0], y * wanted[1]) for y in range(rows) for x in range(columns)]
    layout = "|".join(f"{x}_{y}" for x, y in corners)
    return ffmpeg.filter(regions, "xstack", inputs=len(regions), layout=layout)
