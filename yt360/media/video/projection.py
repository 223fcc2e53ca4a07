"""Resolve the projection of a video from metadata, options and conventions.

These files are 360° video:

- files with metadata of an equirectangular projection with any aspect ratio, a cubemap, or a mesh
  of one of these (YouTube declares its equi-angular cubemaps as meshes);
- untagged files whose projection the user or the catalog states (``"equirectangular"``,
  ``"eac"``, ...);
- untagged files with an aspect ratio of 2:1;
- untagged files with an aspect ratio of 1.5 to 2.5 and spatial audio, which is rare in other
  videos. YT-360's own clips are of this kind: untagged and scaled to 640x360.

180° video, partial panoramas, other meshes and undescribed stereo layouts are refused, each with
its own reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from yt360.errors import BadItem, UserError, did_you_mean
from yt360.media.containers.spherical import Projection, StereoMode
from yt360.media.info import VideoStream
from yt360.media.names import PROJECTIONS, STEREO_MODES
from yt360.media.video.color import ColorTags

Kind = Literal["equirectangular", "eac", "cubemap", "c3x2"]

LEFT_EYE: dict[str, tuple[float, float, float, float]] = {
    "mono": (0, 0, 1, 1),
    "top-bottom": (0, 0, 1, 0.5),
    "bottom-top": (0, 0.5, 1, 0.5),
    "left-right": (0, 0, 0.5, 1),
    "right-left": (0.5, 0, 0.5, 1),
}
"""Left, top, width and height of the left eye's image, as fractions of the frame."""

_EXACT_ASPECT, _EXACT_TOLERANCE = 2.0, 0.02
_PLAUSIBLE_ASPECTS = (1.5, 2.5)


@dataclass(frozen=True)
class ResolvedProjection:
    """The mapping of a video's frames to the sphere.

    Attributes:
        kind: Projection.
        stereo_mode: Arrangement of the eyes in a frame; the left one is used.
        width, height: Size of a frame in pixels after rotation.
        pose_deg: Yaw, pitch and roll of the projection, which the conversion reverts.
        padding_px: Padding around each face of a cubemap in pixels.
        color: Color tags of the video.
        evidence: Reasons for this projection, one sentence each.
    """

    kind: Kind
    stereo_mode: StereoMode
    width: int
    height: int
    pose_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    padding_px: int = 0
    color: ColorTags = field(default_factory=ColorTags)
    evidence: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the frames already are upright monoscopic equirectangular images."""
        return (self.kind, self.stereo_mode, *self.pose_deg) == ("equirectangular", "mono", 0, 0, 0)


def resolve_projection(
    stream: VideoStream,
    *,
    spatial_audio: bool,
    projection: str = "auto",
    stereo_mode: str = "auto",
) -> ResolvedProjection:
    """Resolve the projection of a video stream.

    Args:
        stream: From `yt360.media.probe.probe`.
        spatial_audio: Whether the video has ambisonic audio.
        projection: One of `PROJECTIONS`; values other than ``"auto"`` override the file.
        stereo_mode: One of `STEREO_MODES`; values other than ``"auto"`` override the file.

    Raises:
        UserError: The projection or stereo mode is unknown.
        BadItem: ``"vr180"``, ``"partial-360"``, ``"mesh-projection"``, ``"unknown-projection"``,
            ``"unknown-stereo-mode"``, ``"unsupported-color"`` or ``"not-360"``.
    """
    for what, value, known in (
        ("projection", projection, PROJECTIONS),
        ("stereo mode", stereo_mode, STEREO_MODES),
    ):
        if value not in known:
            raise UserError(
                f"unknown {what} {value!r}{did_you_mean(value, known)}",
                code="unknown-name",
                key=what.replace(" ", "_"),
            )
    tagged = stream.projection
    eyes: StereoMode = tagged.stereo_mode if stereo_mode == "auto" else stereo_mode  # type: ignore[assignment]
    if projection != "auto":
        kind: Kind = projection  # type: ignore[assignment]
        evidence: tuple[str, ...] = (f"stated: {projection}",)
    elif tagged.kind == "untagged":
        kind = "equirectangular"
        evidence = (_why_untagged_is_360(stream, eyes, spatial_audio=spatial_audio),)
    else:
        kind = _kind_of_tagged(tagged)
        evidence = tagged.evidence
    stream.color.check()
    if eyes not in LEFT_EYE:
        raise BadItem(
            "unknown-stereo-mode",
            f"the file has an unknown stereo layout; state one of {STEREO_MODES[1:]}",
        )
    width, height = stream.shown_size
    return ResolvedProjection(
        kind=kind,
        stereo_mode=eyes,
        width=width,
        height=height,
        pose_deg=(tagged.yaw_deg, tagged.pitch_deg, tagged.roll_deg),
        padding_px=tagged.padding_px,
        color=stream.color,
        evidence=evidence,
    )


def _kind_of_tagged(tagged: Projection) -> Kind:
    if tagged.is_half_sphere:
        raise BadItem(
            "vr180",
            f"180° video: it spans {tagged.horizontal_part:.0%} of the horizon; "
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
            "the mesh is neither equirectangular nor YouTube's equi-angular cubemap; if the video "
            "is one of them all the same, state its projection",
        )
    if tagged.kind in ("equirectangular", "cubemap", "eac"):
        return tagged.kind
    raise BadItem("unknown-projection", f"not supported: {'; '.join(tagged.evidence)}")


def _why_untagged_is_360(stream: VideoStream, eyes: StereoMode, *, spatial_audio: bool) -> str:
    width, height = stream.shown_size
    _, _, width_fraction, height_fraction = LEFT_EYE.get(eyes, LEFT_EYE["mono"])
    aspect = width * width_fraction / max(height * height_fraction, 1)
    shown = f"untagged, {width}x{height}"
    # Clips store these sentences.
    if abs(aspect - _EXACT_ASPECT) <= _EXACT_TOLERANCE:
        return f"{shown}: taken for equirectangular, whose aspect is 2:1"
    low, high = _PLAUSIBLE_ASPECTS
    if spatial_audio and low <= aspect <= high:
        return f"{shown}: taken for equirectangular because its sound is ambisonic"
    hint = "if it is 360°, state its projection"
    if spatial_audio:
        hint += f" and its stereo mode (aspect {aspect:.2f} is unusual for one eye)"
    raise BadItem("not-360", f"{shown}, and no metadata of 360° video; {hint}")
