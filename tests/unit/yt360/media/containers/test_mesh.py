import struct
import subprocess
import tracemalloc
import zlib

import numpy as np
import pytest
from helpers.errors import bad_item
from hypothesis import given, settings
from hypothesis import strategies as st

from yt360.media.containers.mesh import mesh_projection
from yt360.media.containers.tagging import add_to_sample_entries
from yt360.media.ffmpeg import ffmpeg_binary
from yt360.media.probe import probe
from yt360.media.video.projection import resolve_projection


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def mesh_box(directions: np.ndarray, places: np.ndarray) -> bytes:
    """Write vertices as the RFC has them: -z forward, x right, y up; v upwards."""
    x, y, z = directions.T
    vertices = np.stack([-y, z, -x, places[:, 0], 1 - places[:, 1]], axis=1).astype(np.float32)
    coordinates, indices = np.unique(vertices, return_inverse=True)
    indices = indices.reshape(-1, 5)
    deltas = np.diff(indices, axis=0, prepend=0)
    codes = np.where(deltas >= 0, deltas * 2, -deltas * 2 - 1).ravel()
    width = int(np.ceil(np.log2(len(coordinates) * 2)))
    bits = (codes[:, None] >> np.arange(width)[::-1]) & 1
    packed = np.packbits(bits.astype(np.uint8).ravel()).tobytes()
    head = struct.pack(">I", len(coordinates)) + coordinates.astype(">f4").tobytes()
    return box(b"mesh", head + struct.pack(">I", len(vertices)) + packed + struct.pack(">I", 0))


def payload(*meshes: bytes, encoding: bytes = b"dfl8") -> bytes:
    data = b"".join(meshes)
    if encoding == b"dfl8":
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = packer.compress(data) + packer.flush()
    return bytes(8) + encoding + data


def sphere(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return directions (N, 3) and equirectangular places (N, 2) of a grid of pixels."""
    u, v = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    azimuth, elevation = (0.5 - u) * 2 * np.pi, (0.5 - v) * np.pi
    directions = np.stack(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ],
        axis=-1,
    )
    return directions.reshape(-1, 3), np.stack([u, v], axis=-1).reshape(-1, 2)


def as_ffmpeg_has_it(projection: str) -> tuple[np.ndarray, np.ndarray]:
    """Let FFmpeg draw a picture of directions; return directions and places of its pixels."""
    directions, _ = sphere(240, 480)
    picture = np.round(128 + 120 * directions).astype(np.uint8).reshape(240, 480, 3)
    result = subprocess.run(
        [
            ffmpeg_binary(), "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "gray",
            "-s", "480x240", "-i", "pipe:0", "-vf", f"v360=e:{projection}:w=360:h=240",
            "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1",
        ],
        input=np.ascontiguousarray(picture.transpose(2, 0, 1)).tobytes(),
        capture_output=True,
        check=True,
    )  # fmt: skip
    drawn = np.frombuffer(result.stdout, np.uint8).reshape(3, 240, 360).astype(float) - 128
    rows, columns = np.arange(6, 240, 12), np.arange(6, 360, 12)
    found = drawn[:, rows][:, :, columns].reshape(3, -1).T
    u, v = np.meshgrid((columns + 0.5) / 360, (rows + 0.5) / 240)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found, np.stack([u, v], axis=-1).reshape(-1, 2)


@pytest.mark.parametrize("encoding", [b"dfl8", b"raw "])
def test_an_equi_angular_cubemap_is_recognized(encoding):
    content = payload(mesh_box(*as_ffmpeg_has_it("eac")), encoding=encoding)
    assert mesh_projection(content) == {"kind": "eac"}


def test_an_equirectangular_mesh_is_recognized():
    assert mesh_projection(payload(mesh_box(*sphere(12, 24)))) == {"kind": "equirectangular"}


@pytest.mark.parametrize("projection", ["c3x2", "barrel", "og"])
def test_other_meshes_stay_meshes(projection):
    found = mesh_projection(payload(mesh_box(*as_ffmpeg_has_it(projection))))
    assert found["kind"] == "mesh"


def test_a_turned_sphere_is_no_equirectangular_one():
    directions, places = sphere(12, 24)
    turned = directions * np.array([-1, -1, 1])
    assert mesh_projection(payload(mesh_box(turned, places))) == {"kind": "mesh"}


def test_half_a_sphere_is_seen():
    directions, places = sphere(12, 24)
    front = directions[:, 0] > -0.1
    content = payload(mesh_box(directions[front], places[front]))
    assert mesh_projection(content) == {"kind": "mesh", "horizontal_part": 0.5}


@pytest.mark.parametrize(("mode", "axis"), [("top-bottom", 1), ("left-right", 0)])
def test_two_meshes_tell_where_the_eyes_are(mode, axis):
    directions, places = as_ffmpeg_has_it("eac")
    left, right = places.copy(), places.copy()
    left[:, axis] /= 2
    right[:, axis] = 0.5 + right[:, axis] / 2
    content = payload(mesh_box(directions, left), mesh_box(directions, right))
    assert mesh_projection(content) == {"kind": "eac", "stereo_mode": mode}


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(12, 400), st.integers(0, 255)), min_size=1, max_size=5),
    st.integers(0, 400),
)
def test_any_damage_leaves_a_plain_answer(changes, end):
    data = bytearray(payload(mesh_box(*sphere(4, 8)), encoding=b"raw "))
    for position, value in changes:
        data[position % len(data)] = value
    for content in (bytes(data), bytes(data[:end]), bytes(8) + b"dfl8" + bytes(data)):
        assert mesh_projection(content)["kind"] in ("mesh", "equirectangular", "eac")


def test_a_file_with_youtubes_mesh_is_taken_for_eac_and_vr180_is_not(media, tmp_path):
    directions, places = sphere(12, 24)
    front = directions[:, 0] > -0.1
    meshes = {
        "eac": mesh_box(*as_ffmpeg_has_it("eac")),
        "vr180": mesh_box(directions[front], places[front]),
    }
    for name, mesh in meshes.items():
        path = media.write(tmp_path / f"{name}.mp4", seconds=0.5)
        proj = box(b"proj", box(b"prhd", bytes(16)) + box(b"mshp", payload(mesh)))
        add_to_sample_entries(path, box(b"sv3d", proj), b"")
        video = probe(path).video[0]
        if name == "eac":
            assert resolve_projection(video, spatial_audio=True).kind == "eac"
        else:
            with bad_item("vr180"):
                resolve_projection(video, spatial_audio=True)


@pytest.mark.parametrize(("vertices", "meshes"), [(1 << 16, 50), (1 << 20, 4)])
def test_meshes_that_inflate_to_more_than_any_player_takes_cost_little(vertices, meshes):
    mesh = struct.pack(">IfI", 1, 1.0, vertices) + bytes(vertices * 5 // 8 + 1)
    hostile = payload(*[box(b"mesh", mesh)] * meshes)
    assert len(hostile) < 10_000
    tracemalloc.start()
    try:
        assert mesh_projection(hostile)["kind"] in ("mesh", "eac")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50e6
