"""A scene whose pixels tell their direction must come out of every conversion in its place."""

import subprocess
from dataclasses import replace

import ffmpeg
import numpy as np
import pytest
from quality import layouts

from yt360.errors import BadItem, UserError
from yt360.media.containers.spherical import Projection
from yt360.media.ffmpeg import ffmpeg_binary
from yt360.media.info import VideoStream
from yt360.media.video.color import ColorTags
from yt360.media.video.equirect_filters import to_equirectangular
from yt360.media.video.equirect_lookup import equirect_lookup
from yt360.media.video.pixel_layout import PixelLayout
from yt360.media.video.projection import ResolvedProjection, resolve_projection

WIDTH, HEIGHT = 256, 128


def colour(directions: np.ndarray) -> np.ndarray:
    """Return a smooth uint8 picture of three channels that tells each pixel's direction."""
    return np.round(128 + 120 * directions).astype(np.uint8)


def direction(picture: np.ndarray) -> np.ndarray:
    vectors = picture.astype(float) - 128
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def convert(picture: np.ndarray, plan: ResolvedProjection) -> np.ndarray:
    """Run the filter graph on a picture, its channels as three grey frames; return the result."""
    height, width, _ = picture.shape
    stream = ffmpeg.input("pipe:0", format="rawvideo", pix_fmt="gray", s=f"{width}x{height}")
    node = to_equirectangular(stream.filter("format", "yuv420p"), plan, WIDTH, HEIGHT)
    output = node.output("pipe:1", format="rawvideo", pix_fmt="yuv420p", loglevel="error")
    result = subprocess.run(
        [ffmpeg_binary(), *ffmpeg.get_args(output)],
        input=np.ascontiguousarray(picture.transpose(2, 0, 1)).tobytes(),
        capture_output=True,
        check=True,
    )
    planes = np.frombuffer(result.stdout, np.uint8).reshape(3, HEIGHT * 3 // 2, WIDTH)
    luma = (planes[:, :HEIGHT].transpose(1, 2, 0) - 16.0) * 255 / 219  # of limited range
    return np.round(np.clip(luma, 0, 255)).astype(np.uint8)


def assert_in_place(picture: np.ndarray, tolerance_deg: float = 2.0) -> None:
    cosine = (direction(picture) * layouts.equirectangular(HEIGHT, WIDTH)).sum(axis=-1)
    error_deg = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    assert np.median(error_deg) < tolerance_deg / 3
    assert error_deg.max() < tolerance_deg


def plan_for(picture: np.ndarray, **values: object) -> ResolvedProjection:
    defaults = {"kind": "equirectangular", "stereo_mode": "mono"}
    return ResolvedProjection(
        height=picture.shape[0], width=picture.shape[1], **(defaults | values)
    )


def c3x2(size: int) -> np.ndarray:
    return colour(layouts.c3x2(size))


def cubemap(size: int) -> np.ndarray:
    return colour(layouts.cubemap(size))


def eac(size: int) -> np.ndarray:
    """As YouTube has it: each row has a border of two pixels."""
    rows = np.split(colour(layouts.eac(size)), 2)
    return np.concatenate([np.pad(row, ((2, 2), (2, 2), (0, 0)), mode="edge") for row in rows])


@pytest.mark.parametrize("size", [(128, 256), (360, 640), (97, 301), (400, 400), (720, 1440)])
def test_equirectangular_of_any_size_and_aspect(size):
    picture = colour(layouts.equirectangular(*size))
    assert_in_place(convert(picture, plan_for(picture)))


@pytest.mark.parametrize("size", [40, 64, 300])
@pytest.mark.parametrize(("kind", "draw"), [("c3x2", c3x2), ("cubemap", cubemap), ("eac", eac)])
def test_cubes_small_and_large(kind, draw, size):
    picture = draw(size)
    assert_in_place(convert(picture, plan_for(picture, kind=kind)), 3.5 if size == 40 else 2.0)


@pytest.mark.parametrize(("kind", "draw"), [("c3x2", c3x2), ("cubemap", cubemap), ("eac", eac)])
def test_the_lookup_of_pixels_uses_the_geometry_of_the_conversion(kind, draw):
    picture = draw(300)
    pose = (30.0, 20.0, 10.0)
    for projection in (plan_for(picture, kind=kind), plan_for(picture, kind=kind, pose_deg=pose)):
        pixels = equirect_lookup(projection, picture.shape[:2], (HEIGHT, WIDTH))
        looked_up = direction(picture.reshape(-1, 3)[pixels])
        converted = direction(convert(picture, projection))
        cosine = (looked_up * converted).sum(axis=-1)
        assert np.quantile(cosine, 0.99) > np.cos(np.radians(2)) - 1e-3
        assert cosine.min() > np.cos(np.radians(4))


def test_the_lookup_of_pixels_reads_the_left_eye():
    picture = colour(layouts.equirectangular(128, 256))
    both = np.concatenate([np.zeros_like(picture), picture])
    projection = plan_for(both, stereo_mode="bottom-top")
    pixels = equirect_lookup(projection, both.shape[:2], (HEIGHT, WIDTH))
    assert_in_place(both.reshape(-1, 3)[pixels])


def test_a_squeezed_eac_as_youtube_serves_it():
    wide = eac(240)
    rows = np.split(wide, 2)
    inner = [row[2:-2:2, 2:-2] for row in rows]
    squeezed = np.concatenate([np.pad(row, ((2, 2), (2, 2), (0, 0)), mode="edge") for row in inner])
    assert squeezed.shape == (2 * 124, 724, 3)
    assert_in_place(convert(squeezed, plan_for(squeezed, kind="eac")))


@pytest.mark.parametrize("size", [40, 300])
def test_the_padding_of_a_cubemap_is_cut(size):
    pad = 6
    columns = []
    for face in np.split(cubemap(size), 3, axis=1):
        halves = [np.pad(half, ((pad, pad), (pad, pad), (0, 0))) for half in np.split(face, 2)]
        columns.append(np.concatenate(halves))
    picture = np.concatenate(columns, axis=1)
    plan = plan_for(picture, kind="cubemap", padding_px=pad)
    assert_in_place(convert(picture, plan), 3.5 if size == 40 else 2.0)


@pytest.mark.parametrize("mode", ["top-bottom", "bottom-top", "left-right", "right-left"])
def test_the_left_eye_is_taken(mode):
    left = colour(layouts.equirectangular(128, 256))
    right = 255 - left
    eyes = [right, left] if mode in ("bottom-top", "right-left") else [left, right]
    picture = np.concatenate(eyes, axis=0 if "top" in mode else 1)
    assert_in_place(convert(picture, plan_for(picture, stereo_mode=mode)))


def test_the_left_eye_of_a_stereo_eac():
    left = eac(120)
    picture = np.concatenate([left, 255 - left])
    assert_in_place(convert(picture, plan_for(picture, kind="eac", stereo_mode="top-bottom")))


def pose_matrix(yaw_deg: float, pitch_deg: float, roll_deg: float) -> np.ndarray:
    """Return the RFC's pose: yaw to the left, then pitch up, then roll clockwise, as a matrix."""
    (cy, cp, cr), (sy, sp, sr) = (
        f(np.radians([yaw_deg, pitch_deg, roll_deg])) for f in (np.cos, np.sin)
    )
    yaw = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    pitch = np.array([[cp, 0, -sp], [0, 1, 0], [sp, 0, cp]])
    roll = np.array([[1, 0, 0], [0, cr, sr], [0, -sr, cr]])
    return yaw @ pitch @ roll


@pytest.mark.parametrize(
    "pose", [(30, 0, 0), (0, 30, 0), (0, 0, 30), (40, 25, -35), (-170, -60, 120)]
)
@pytest.mark.parametrize("kind", ["equirectangular", "c3x2"])
def test_the_pose_of_a_projection_is_undone(kind, pose):
    """A projection turned by its pose shows, at its own direction d, the world's pose @ d."""
    if kind == "equirectangular":
        own = layouts.equirectangular(300, 600)
    else:
        own = layouts.c3x2(200)
    picture = colour(own @ pose_matrix(*pose).T)
    assert_in_place(convert(picture, plan_for(picture, kind=kind, pose_deg=pose)))


def test_fine_detail_in_a_large_cube_does_not_alias():
    """Stripes far too fine for the result must become grey, not moiré."""
    picture = np.where(np.arange(2400)[None, :, None] % 4 < 2, 40, 215).astype(np.uint8)
    picture = np.broadcast_to(picture, (1600, 2400, 3)).copy()
    result = convert(picture, plan_for(picture, kind="eac"))
    assert result.astype(float).std() < 6


STREAM = VideoStream(
    index=0, codec="h264", width=640, height=360, rotation_deg=0, pixel_format="yuv420p",
    color=ColorTags(), frame_rate_declared=24, frame_rate_measured=24, variable_frame_rate=False,
    frames_measured=240, start_s=0, duration_declared_s=10, duration_measured_s=10,
    projection=Projection(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("width", "height", "spatial", "accepted"),
    [
        (640, 320, False, True),
        (3840, 1920, False, True),
        (640, 360, True, True),
        (640, 360, False, False),
        (1080, 1080, True, False),
        (1080, 1920, True, False),
        (1280, 400, True, False),
    ],
)
def test_what_an_untagged_video_is_taken_for(width, height, spatial, accepted):
    stream = replace(STREAM, width=width, height=height)
    if accepted:
        assert resolve_projection(stream, spatial_audio=spatial).kind == "equirectangular"
    else:
        with pytest.raises(BadItem, match=f"not-360: untagged, {width}x{height}"):
            resolve_projection(stream, spatial_audio=spatial)
    stated = resolve_projection(stream, spatial_audio=False, projection="eac")
    assert (stated.kind, stated.evidence) == ("eac", ("stated: eac",))


def test_rotation_turns_the_aspect_that_counts():
    stream = replace(STREAM, width=320, height=640, rotation_deg=90)
    plan = resolve_projection(stream, spatial_audio=False)
    assert (plan.width, plan.height) == (640, 320)


def test_a_stated_stereo_mode_tells_the_aspect_of_an_eye():
    stream = replace(STREAM, width=1080, height=1080)
    plan = resolve_projection(stream, spatial_audio=False, stereo_mode="top-bottom")
    assert plan.stereo_mode == "top-bottom"


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        (Projection("equirectangular", horizontal_part=0.5), "vr180"),
        (Projection("equirectangular", horizontal_part=0.75), "partial-360"),
        (Projection("equirectangular", vertical_part=0.6), "partial-360"),
        (Projection("mesh"), "mesh-projection"),
        (Projection("unknown", evidence=("cbmp layout 7",)), "unknown-projection"),
        (Projection("equirectangular", "custom"), "unknown-stereo-mode"),
    ],
)
def test_what_cannot_be_handled_is_refused_by_name(tags, reason):
    with pytest.raises(BadItem) as raised:
        resolve_projection(replace(STREAM, projection=tags), spatial_audio=True)
    assert raised.value.reason == reason


def test_a_mistyped_option_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'equirectangular'"):
        resolve_projection(STREAM, spatial_audio=True, projection="equirect")
    with pytest.raises(UserError, match="did you mean 'top-bottom'"):
        resolve_projection(STREAM, spatial_audio=True, stereo_mode="topbottom")


def looks(kind: str, eyes: str = "mono", sure: float = 0.999, *, pole: bool = False) -> VideoStream:
    return replace(STREAM, pixels=PixelLayout(kind, eyes, sure, sure, pole, "as the test wants"))


TAGGED = Projection("equirectangular")


@pytest.mark.parametrize(
    ("stream", "resolved"),
    [
        (looks("eac"), ("eac", "mono")),
        (looks("equirectangular", "left-right"), ("equirectangular", "left-right")),
        (looks("equirectangular", pole=True), ("equirectangular", "mono")),
        (looks("equirectangular"), "not-360"),  # 16:9, and the edges of a flat film may be alike
        (looks("eac", sure=0.8), "not-360"),
        (replace(looks("flat", sure=0.8), width=720), ("equirectangular", "mono")),
        (replace(looks("flat"), width=720), "flat-film"),
        (replace(looks("dual-fisheye"), width=720), "dual-fisheye"),
        (replace(looks("part", "left-right"), width=720), "vr180"),
        (replace(looks("part"), width=720), "partial-360"),
        (replace(looks("flat"), projection=TAGGED), "flat-film"),
        (replace(looks("flat", sure=0.95), projection=TAGGED), ("equirectangular", "mono")),
        (replace(looks("eac"), projection=TAGGED), "other-projection"),
        (replace(looks("equirectangular"), projection=Projection("eac")), "other-projection"),
        (replace(looks("eac"), projection=Projection("eac")), ("eac", "mono")),
    ],
)
def test_pixels_decide_only_beyond_doubt(stream, resolved):
    if isinstance(resolved, str):
        with pytest.raises(BadItem) as raised:
            resolve_projection(stream, spatial_audio=False)
        assert raised.value.reason == resolved
    else:
        found = resolve_projection(stream, spatial_audio=False)
        assert (found.kind, found.stereo_mode) == resolved


@pytest.mark.parametrize("seen", [looks("flat"), looks("eac"), looks("dual-fisheye")])
def test_a_statement_overrides_the_pixels(seen):
    for tags in (Projection(), TAGGED):
        stream = replace(seen, projection=tags, width=720)
        found = resolve_projection(stream, spatial_audio=False, projection="equirectangular")
        assert (found.kind, found.source) == ("equirectangular", "stated")
        resolve_projection(stream, spatial_audio=False, stereo_mode="mono")
