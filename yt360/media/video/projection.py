"""Resolve the projection of a video from options, metadata, pixels and conventions.

These files are 360° video:

- files whose projection or stereo mode the user or the catalog states (``"equirectangular"``,
  ``"eac"``, ...);
- files with metadata of an equirectangular projection with any aspect ratio, a cubemap, or a mesh
  of one of these (YouTube declares its equi-angular cubemaps as meshes);
- untagged files whose pixels look beyond doubt like one of these, for one or two eyes;
- other untagged files with an aspect ratio of 2:1;
- other untagged files with an aspect ratio of 1.5 to 2.5 and spatial audio, which is rare in other
  videos. YT-360's own clips are of this kind: untagged and scaled to 640x360.

180° video, partial panoramas, other meshes and undescribed stereo layouts are refused, each with
its own reason, and so are files whose pixels contradict the metadata or the convention beyond
doubt (`yt360.media.video.pixel_layout`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from yt360.errors import BadItem, UserError, did_you_mean
from yt360.media.containers.spherical import Projection, StereoMode
from yt360.media.info import VideoStream
from yt360.media.names import PROJECTIONS, STEREO_MODES
from yt360.media.video.color import ColorTags
from yt360.media.video.cube_faces import CUBES
from yt360.media.video.pixel_layout import LayoutThresholds, PixelLayout, WholeSphere

Kind = WholeSphere

LEFT_EYE: dict[str, tuple[float, float, float, float]] = {
    "mono": (0, 0, 1, 1),
    "top-bottom": (0, 0, 1, 0.5),
    "bottom-top": (0, 0.5, 1, 0.5),
    "left-right": (0, 0, 0.5, 1),
    "right-left": (0.5, 0, 0.5, 1),
}
"""Left, top, width and height of the left eye's image, as fractions of the frame."""

BEYOND_DOUBT = 0.9
"""Probability from which pixels decide about the conversion. Inspection sees more frames."""
THRESHOLDS = LayoutThresholds()

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
        source: Whether the projection is stated, tagged, or guessed from pixels and aspect ratio.
        evidence: Reasons for this projection, one sentence each.
    """

    kind: Kind
    stereo_mode: StereoMode
    width: int
    height: int
    pose_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    padding_px: int = 0
    color: ColorTags = field(default_factory=ColorTags)
    source: Literal["stated", "tagged", "guessed"] = "guessed"
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
            ``"unknown-stereo-mode"``, ``"unsupported-color"``, ``"not-360"``, or a reason of
            `PixelLayout.refusal`.
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
    seen = stream.pixels if stereo_mode == "auto" and not tagged.padding_px else None
    source: Literal["stated", "tagged", "guessed"] = (
        "stated"
        if (projection, stereo_mode) != ("auto", "auto")
        else "tagged"
        if tagged.kind != "untagged"
        else "guessed"
    )
    if projection != "auto":
        kind: Kind = projection  # type: ignore[assignment]
        evidence: tuple[str, ...] = (f"stated: {projection}",)
    elif tagged.kind != "untagged":
        kind = _kind_of_tagged(tagged)
        evidence = tagged.evidence
        if seen is not None:
            _require_agreement(seen, kind, eyes, THRESHOLDS.wrong_tag)
    elif eyes == "mono" and seen is not None and _is_convincing(seen):
        kind, eyes = seen.kind, seen.eyes  # type: ignore[assignment]
        evidence = (f"untagged, {seen.describe()}",)
    else:
        kind = "equirectangular"
        evidence = (_why_untagged_is_360(stream, eyes, spatial_audio=spatial_audio),)
        if seen is not None:
            _require_agreement(seen, kind, eyes, THRESHOLDS.wrong_guess)
            evidence += (seen.describe(),)
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
        source=source,
        evidence=evidence,
    )


def _is_convincing(seen: PixelLayout) -> bool:
    """Return whether pixels alone show that a video is 360°.

    Edges that meet do not suffice for one equirectangular eye: the edges of a flat film may be
    alike. There must be a pole, too.
    """
    is_whole = seen.kind in CUBES or (
        seen.kind == "equirectangular" and (seen.eyes != "mono" or seen.has_pole)
    )
    return is_whole and seen.confidence >= BEYOND_DOUBT


def _require_agreement(
    seen: PixelLayout, kind: Kind, eyes: StereoMode, wrong_before: float
) -> None:
    if seen.wrongness(kind, eyes, wrong_before) >= BEYOND_DOUBT:
        raise seen.refusal()


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
