"""From any 360° picture that can be handled to mono equirectangular, as an FFmpeg filter graph.

What counts as 360°:

- a file whose metadata say so (equirectangular of any aspect, a cubemap, or a mesh that is just
  one of these: YouTube writes its equi-angular cubemaps so);
- an untagged one that the user or the catalog declares (``projection="equirectangular"``,
  ``"eac"``, ...);
- an untagged one of aspect 2:1;
- an untagged one of aspect 1.5 to 2.5 that comes with spatial sound: hardly any other video does.
  (YT-360's own clips are like this: untagged, squeezed to 640x360.)

Refused by name: 180° video, partial panoramas, other meshes, stereo layouts that the file does not
describe.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import ffmpeg
from ffmpeg.nodes import FilterableStream

from yt360.errors import BadItem, UserError, did_you_mean
from yt360.media.color import ColorTags
from yt360.media.containers.spherical import Projection, StereoMode
from yt360.media.info import VideoStream
from yt360.media.tone_mapping import append_to_sdr

Kind = Literal["equirectangular", "eac", "cubemap", "c3x2"]

PROJECTIONS: dict[str, str] = {
    "auto": "what the file says",
    "equirectangular": "equirectangular, whatever its aspect",
    "eac": "YouTube's equi-angular cubemap: two rows of three faces",
    "cubemap": "3x2 cubemap as in Google's Spherical Video RFC V2, layout 0",
    "c3x2": "3x2 cubemap as FFmpeg writes it",
}
STEREO_MODES: tuple[str, ...] = (
    "auto", "mono", "top-bottom", "bottom-top", "left-right", "right-left",
)  # fmt: skip

_EXACT_ASPECT, _EXACT_TOLERANCE = 2.0, 0.02
_PLAUSIBLE_ASPECTS = (1.5, 2.5)

# Where the left eye's picture begins, as parts of the width and height, and what part it fills.
_LEFT_EYE: dict[str, tuple[float, float, float, float]] = {
    "mono": (0, 0, 1, 1),
    "top-bottom": (0, 0, 1, 0.5),
    "bottom-top": (0, 0.5, 1, 0.5),
    "left-right": (0, 0, 0.5, 1),
    "right-left": (0.5, 0, 0.5, 1),
}
# v360's name and options; the grid of parts that are continuous on the sphere; and the border of
# each part that v360 expects (YouTube's EAC has one around each row). The RFC's up and down faces
# are turned by half a turn against FFmpeg's.
_CUBES: dict[str, tuple[str, dict[str, str], tuple[int, int], int]] = {
    "eac": ("eac", {}, (1, 2), 2),
    "cubemap": ("c3x2", {"in_frot": "002200"}, (3, 2), 0),
    "c3x2": ("c3x2", {}, (3, 2), 0),
}
# Sampling a picture at this many times the final density, then scaling, keeps it free of aliases.
_OVERSAMPLING = 2
_SCALE_FLAGS = "bicubic+accurate_rnd+full_chroma_int+bitexact"
_AREA_FLAGS = "area+accurate_rnd+full_chroma_int+bitexact"
_OTHER_MATRICES = ("gbr", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc")


@dataclass(frozen=True)
class PicturePlan:
    """How a video's picture becomes mono equirectangular.

    Attributes:
        kind: Its projection.
        stereo_mode: Which eyes it holds; the left one is taken.
        width, height: Its size as shown, in pixels.
        pose_deg: Yaw, pitch and roll of the projection that are undone.
        padding_px: Padding around each face of a cubemap.
        color: What it says of its colours.
        evidence: Why this is believed.
    """

    kind: Kind
    stereo_mode: StereoMode
    width: int
    height: int
    pose_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    padding_px: int = 0
    color: ColorTags = field(default_factory=ColorTags)
    evidence: tuple[str, ...] = ()


def plan_picture(
    stream: VideoStream,
    *,
    spatial_sound: bool,
    projection: str = "auto",
    stereo_mode: str = "auto",
) -> PicturePlan:
    """Decide how a video stream becomes mono equirectangular.

    Args:
        stream: From `yt360.media.probe.probe`.
        spatial_sound: Whether ambisonic sound comes with it.
        projection: A key of `PROJECTIONS`; other than ``"auto"`` it overrules the file.
        stereo_mode: One of `STEREO_MODES`; other than ``"auto"`` it overrules the file.

    Raises:
        UserError: An unknown projection or stereo mode.
        BadItem: ``"vr180"``, ``"partial-360"``, ``"mesh-projection"``, ``"unknown-projection"``,
            ``"unknown-stereo-mode"``, ``"unsupported-color"`` or ``"not-360"``.
    """
    if projection not in PROJECTIONS:
        raise UserError(f"unknown projection {projection!r}{did_you_mean(projection, PROJECTIONS)}")
    if stereo_mode not in STEREO_MODES:
        raise UserError(
            f"unknown stereo mode {stereo_mode!r}{did_you_mean(stereo_mode, STEREO_MODES)}"
        )
    tagged = stream.projection
    eyes: StereoMode = tagged.stereo_mode if stereo_mode == "auto" else stereo_mode  # type: ignore[assignment]
    if projection != "auto":
        kind: Kind = projection  # type: ignore[assignment]
        evidence: tuple[str, ...] = (f"stated: {projection}",)
    elif tagged.kind == "untagged":
        kind = "equirectangular"
        evidence = (_why_untagged_is_360(stream, eyes, spatial_sound=spatial_sound),)
    else:
        kind = _kind_of_tagged(tagged)
        evidence = tagged.evidence
    stream.color.check()
    if eyes not in _LEFT_EYE:
        raise BadItem(
            "unknown-stereo-mode",
            f"the file holds two eyes in a layout of its own; state one of {STEREO_MODES[1:]}",
        )
    return PicturePlan(
        kind=kind,
        stereo_mode=eyes,
        width=stream.shown_size[0],
        height=stream.shown_size[1],
        pose_deg=(tagged.yaw_deg, tagged.pitch_deg, tagged.roll_deg),
        padding_px=tagged.padding_px,
        color=stream.color,
        evidence=evidence,
    )


def to_equirectangular(
    picture: FilterableStream, plan: PicturePlan, width: int, height: int
) -> FilterableStream:
    """Append the filters that turn a picture (already upright) into what clips show.

    That is mono equirectangular, yuv420p, in BT.709 SDR of limited range.

    Args:
        picture: A node of an ffmpeg-python graph.
        plan: From `plan_picture`.
        width: Width of the result in pixels; the height is half of it.
        height: Height of the result.
    """
    left, top, eye_width, eye_height = _left_eye(plan)
    if (eye_width, eye_height) != (plan.width, plan.height):
        picture = picture.filter("crop", eye_width, eye_height, left, top, exact=1)
    yaw, pitch, roll = plan.pose_deg
    if plan.kind != "equirectangular" or any(plan.pose_deg):
        fine = (width * _OVERSAMPLING, height * _OVERSAMPLING)
        options: dict[str, object] = {"output": "e", "w": fine[0], "h": fine[1], "interp": "linear"}
        if plan.kind == "equirectangular":
            options["input"] = "e"
            if eye_width > fine[0] and eye_height > fine[1]:
                picture = picture.filter("scale", *fine, flags=_AREA_FLAGS)
        else:
            name, extra, _, _ = _CUBES[plan.kind]
            options |= {"input": name, **extra}
            picture = _shrunk_faces(picture, plan, (eye_width, eye_height), fine[0] // 4)
        if any(plan.pose_deg):
            # Pitch has the opposite sign, and the inverse of yaw-pitch-roll is wanted.
            options |= {"yaw": yaw, "pitch": -pitch, "roll": roll, "rorder": "rpy"}
        picture = picture.filter("v360", **options)
    return _to_bt709(picture, plan.color, width, height).filter("setsar", 1)


def _to_bt709(
    picture: FilterableStream, tags: ColorTags, width: int, height: int
) -> FilterableStream:
    """Scale a picture and bring its colours to BT.709 SDR of limited range, as yuv420p."""
    colors = {"out_range": "tv"}
    if tags.is_foreign:
        colors["out_color_matrix"] = "bt2020"
        if not tags.matrix:
            colors["in_color_matrix"] = "bt2020" if tags.gamut == "bt2020" else "bt709"
    elif tags.matrix in _OTHER_MATRICES:
        colors["out_color_matrix"] = "bt709"
    picture = picture.filter("scale", width, height, flags=_SCALE_FLAGS, **colors)
    if tags.is_foreign:
        picture = append_to_sdr(picture.filter("format", "yuv444p16le"), tags)
    # Marks the frames without converting them: they are BT.709 already, or of unknown matrix.
    return picture.filter("format", "yuv420p").filter("setparams", colorspace="bt709", range="tv")


def _kind_of_tagged(tagged: Projection) -> Kind:
    if tagged.is_half_sphere:
        raise BadItem(
            "vr180",
            f"180° video: its picture spans {tagged.horizontal_part:.0%} of the horizon; "
            "360° video is needed",
        )
    if not tagged.is_whole_sphere:
        raise BadItem(
            "partial-360",
            f"a partial panorama: {tagged.horizontal_part:.0%} of the horizon, "
            f"{tagged.vertical_part:.0%} of the height",
        )
    if tagged.kind == "mesh":
        raise BadItem(
            "mesh-projection",
            "a mesh that is neither equirectangular nor YouTube's equi-angular cubemap; if the "
            "picture is one of them all the same, state its projection",
        )
    if tagged.kind in ("equirectangular", "cubemap", "eac"):
        return tagged.kind
    raise BadItem("unknown-projection", f"not supported: {'; '.join(tagged.evidence)}")


def _why_untagged_is_360(stream: VideoStream, eyes: StereoMode, *, spatial_sound: bool) -> str:
    width, height = stream.shown_size
    _, _, part_x, part_y = _LEFT_EYE.get(eyes, (0, 0, 1, 1))
    aspect = width * part_x / max(height * part_y, 1)
    shown = f"untagged, {width}x{height}"
    if abs(aspect - _EXACT_ASPECT) <= _EXACT_TOLERANCE:
        return f"{shown}: taken for equirectangular, whose aspect is 2:1"
    low, high = _PLAUSIBLE_ASPECTS
    if spatial_sound and low <= aspect <= high:
        return f"{shown}: taken for equirectangular because its sound is ambisonic"
    hint = "if it is 360°, state its projection"
    if spatial_sound:
        hint += f" and its stereo mode (aspect {aspect:.2f} is unusual for one eye)"
    raise BadItem("not-360", f"{shown}, and nothing says that it is a 360° video; {hint}")


def _left_eye(plan: PicturePlan) -> tuple[int, int, int, int]:
    """Return left, top, width and height in pixels of the left eye's picture."""
    left, top, part_x, part_y = _LEFT_EYE[plan.stereo_mode]
    return (
        int(plan.width * left),
        int(plan.height * top),
        int(plan.width * part_x),
        int(plan.height * part_y),
    )


def _shrunk_faces(
    picture: FilterableStream, plan: PicturePlan, size: tuple[int, int], face: int
) -> FilterableStream:
    """Cut the padding and scale down the faces of a cubemap, never across their borders.

    Args:
        picture: The cubemap, three faces wide and two high.
        plan: Tells the layout and the padding.
        size: Its width and height.
        face: Wanted size of a face; faces that are smaller stay as they are.
    """
    _, _, (columns, rows), border = _CUBES[plan.kind]
    cut = max(plan.padding_px, border)
    part = (size[0] // columns, size[1] // rows)
    inner = (part[0] - 2 * cut, part[1] - 2 * cut)
    if min(inner) < 1:
        raise BadItem("unknown-projection", f"cubemap padding of {cut} pixels leaves no face")
    wanted = (min(face * 3 // columns, inner[0]), min(face, inner[1]))
    if wanted == inner and cut == border:
        return picture
    outputs = picture.filter_multi_output("split", columns * rows)
    parts = []
    for index in range(columns * rows):
        row, column = divmod(index, columns)
        x, y = column * part[0] + cut, row * part[1] + cut
        one = outputs.stream(index).filter("crop", *inner, x, y, exact=1)
        one = one.filter("scale", *wanted, flags=_AREA_FLAGS)
        if border:
            sides = {"left": border, "right": border, "top": border, "bottom": border}
            one = one.filter("pad", wanted[0] + 2 * border, wanted[1] + 2 * border, border, border)
            one = one.filter("fillborders", **sides, mode="smear")
        parts.append(one)
    wanted = (wanted[0] + 2 * border, wanted[1] + 2 * border)
    corners = [(x * wanted[0], y * wanted[1]) for y in range(rows) for x in range(columns)]
    layout = "|".join(f"{x}_{y}" for x, y in corners)
    return ffmpeg.filter(parts, "xstack", inputs=len(parts), layout=layout)
