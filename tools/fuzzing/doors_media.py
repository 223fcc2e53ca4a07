"""Doors of media files: boxes, headers, images and decoders."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random

from fuzzing.door import Door, Files, door_of
from fuzzing.material import FPS, HEIGHT, RATE_HZ, WIDTH, flac, media, mp4, written
from fuzzing.mutate import mutate_bytes, mutate_text

_V1 = """<?xml version="1.0"?><rdf:SphericalVideo
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
xmlns:GSpherical="http://ns.google.com/videos/1.0/spherical/">
<GSpherical:Spherical>true</GSpherical:Spherical><GSpherical:Stitched>true</GSpherical:Stitched>
<GSpherical:ProjectionType>equirectangular</GSpherical:ProjectionType>
<GSpherical:StereoMode>top-bottom</GSpherical:StereoMode>
<GSpherical:CroppedAreaImageWidthPixels>640</GSpherical:CroppedAreaImageWidthPixels>
<GSpherical:FullPanoWidthPixels>1280</GSpherical:FullPanoWidthPixels>
</rdf:SphericalVideo>"""


@cache
def _tagged() -> Files:
    def write(folder: Path) -> None:
        from yt360.media.containers.tagging import tag_spherical

        path = folder / "video.mp4"
        path.write_bytes(media("mp4", "aac"))
        tag_spherical(path, ambix_channels=4)

    return written(write)


def _file(
    name: str, container: str, audio_codec: str | None, video_codec: str | None = "libx264"
) -> Callable[[], Files]:
    return lambda: {name: media(container, audio_codec, video_codec)}


def _tags_of_mp4(folder: Path) -> None:
    from yt360.media.containers.spherical import read_mp4_tags

    with (folder / "video.mp4").open("rb") as file:
        read_mp4_tags(file)


def _tags_of_matroska(folder: Path) -> None:
    from yt360.media.containers.matroska import read_matroska_tags

    with (folder / "video.webm").open("rb") as file:
        read_matroska_tags(file)


def _read_parts(folder: Path) -> None:
    """Read payloads of boxes for themselves."""
    from yt360.media.containers.mesh import mesh_projection
    from yt360.media.containers.opus import undecodable_family
    from yt360.media.containers.spherical import parse_sa3d, parse_v1, projection_box

    if (folder / "mesh").exists():
        mesh_projection((folder / "mesh").read_bytes())
    if (folder / "xml").exists():
        parse_v1((folder / "xml").read_bytes().decode("utf-8", "replace"))
    if (folder / "sa3d").exists():
        parse_sa3d((folder / "sa3d").read_bytes())
        undecodable_family(b"OpusHead" + (folder / "sa3d").read_bytes())
    for kind in (b"prhd", b"equi", b"cbmp"):
        if (folder / "box").exists():
            projection_box(kind, (folder / "box").read_bytes())


def _parts() -> Files:
    count, vertices = 4, 6
    coordinates = struct.pack(">I4f", count, -1.0, 0.0, 0.5, 1.0)
    mesh = coordinates + struct.pack(">I", vertices) + bytes(range(30)) + struct.pack(">I", 1)
    body = struct.pack(">I4s", 8 + len(mesh), b"mesh") + mesh
    sa3d = struct.pack(">BBIBBI", 0, 0, 1, 0, 0, 4) + struct.pack(">4I", 0, 1, 2, 3)
    return {
        "mesh": bytes(8) + b"raw " + body,
        "xml": _V1.encode(),
        "sa3d": sa3d,
        "box": bytes(4) + struct.pack(">4I", 0, 0, 2**30, 2**30),
    }


def _change_xml(draw: Random, content: bytes) -> bytes:
    return mutate_text(draw, content.decode()).encode(errors="surrogatepass")


def _index_of_clip(folder: Path) -> None:
    from yt360.clip_codec.decoder import locate_frames

    locate_frames(memoryview((folder / "clip.mp4").read_bytes()), 0, 4, HEIGHT, WIDTH)


def _index_of_audio(folder: Path) -> None:
    from yt360.clip_codec.decoder import locate_audio

    locate_audio(memoryview((folder / "clip.flac").read_bytes()), 0, 1000, 4)


def _decode_clip(folder: Path) -> None:
    """Decode as a loader does, in the decoders' processes."""
    from avsa.data.decoder_pool import DECODERS
    from avsa.data.decoder_process import ClipTask, Source
    from avsa.data.raw import Buffer
    from yt360.shards.format.shard_file import ClipLocation

    shapes = (1, FPS, HEIGHT, WIDTH), (1, 2, FPS, HEIGHT // 2, WIDTH // 2), (1, 4, RATE_HZ)
    mp4, flac = folder / "clip.mp4", folder / "clip.flac"
    tasks = [
        ClipTask(ClipLocation(str(mp4), 0, mp4.stat().st_size, 0, 0), 0, (0,), ()),
        ClipTask(ClipLocation(str(flac), 0, 0, 0, flac.stat().st_size), 0, (), (0,)),
    ]
    for error in DECODERS.decode(Source.of_folder(folder), tasks, Buffer.of_shapes(*shapes)):
        if error is not None:
            raise error


@cache
def _isolated():  # type: ignore[no-untyped-def]
    from yt360.execution.isolation import IsolatedProcess

    return IsolatedProcess()


def _probe(folder: Path) -> None:
    """Probe in a process of its own, as all commands do."""
    from yt360.media.probe import probe

    (path,) = folder.iterdir()
    _isolated().call(path.name, probe, path)


def _clip() -> Files:
    return {"clip.mp4": mp4(), "clip.flac": flac()}


def _image(form: str) -> Callable[[], Files]:
    def make() -> Files:
        import numpy as np
        from PIL import Image

        noise = np.random.default_rng(0).integers(0, 50, (16, 32, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, form)
        return {f"picture.{form}": buffer.getvalue()}

    return cache(make)


def _read_image(folder: Path) -> None:
    from yt360.labels.image_files import read_image

    (path,) = folder.iterdir()
    read_image(path)


@cache
def _released_maps() -> Files:
    (png,) = _image("png")().values()
    return {
        f"clip/{kind}-{number:04d}.png": png for kind in ("things", "stuff") for number in (0, 1)
    }


def _read_released_maps(folder: Path) -> None:
    from yt360.labels.yt360_maps import clip_folders, read_yt360_maps

    clip_folders(folder)
    read_yt360_maps(folder / "clip", 2, (8, 16))


_CONTAINERS: Mapping[str, tuple[str, str | None]] = {
    "mp4": ("aac", "libx264"),
    "matroska": ("flac", "libx264"),
    "mpegts": ("aac", "libx264"),
    "ogg": ("flac", None),
    "wav": ("pcm_s16le", None),
    "caf": ("pcm_s16le", None),
}


def _media_files() -> list[Files]:
    return [{f"a.{name}": media(name, *kinds)} for name, kinds in _CONTAINERS.items()]


def _change_one(draw: Random, inputs: Sequence[Files]) -> Files:
    ((name, content),) = draw.choice(inputs).items()
    return {name: mutate_bytes(draw, content)}


DOORS: Sequence[Door] = (
    door_of("MP4 tags", _tags_of_mp4, _tagged, {"video.mp4": mutate_bytes}),
    door_of(
        "Matroska tags",
        _tags_of_matroska,
        _file("video.webm", "matroska", "flac"),
        {"video.webm": mutate_bytes},
    ),
    door_of(
        "spherical, mesh and SA3D boxes",
        _read_parts,
        _parts,
        {"mesh": mutate_bytes, "xml": _change_xml, "sa3d": mutate_bytes, "box": mutate_bytes},
    ),
    door_of(
        "clip index (MP4)", _index_of_clip, lambda: {"clip.mp4": mp4()}, {"clip.mp4": mutate_bytes}
    ),
    door_of(
        "clip index (FLAC)",
        _index_of_audio,
        lambda: {"clip.flac": flac()},
        {"clip.flac": mutate_bytes},
    ),
    door_of(
        "clip decoding",
        _decode_clip,
        _clip,
        {"clip.mp4": mutate_bytes, "clip.flac": mutate_bytes},
        fraction=0.3,
        limit_s=30.0,
    ),
    door_of("picture (PNG)", _read_image, _image("png"), {"picture.png": mutate_bytes}),
    door_of("picture (JPEG)", _read_image, _image("jpeg"), {"picture.jpeg": mutate_bytes}),
    door_of(
        "picture (TIFF)",
        _read_image,
        _image("tiff"),
        {"picture.tiff": mutate_bytes},
        limit_mb=1024,  # few bytes may stand for 179 million pixels, the limit of any image
    ),
    door_of(
        "released label maps (PNG)",
        _read_released_maps,
        _released_maps,
        {"clip/things-0000.png": mutate_bytes},
        found=True,
    ),
    Door(
        name="media files (probe)",
        valid=_media_files,
        mutate=_change_one,
        read=_probe,
        fraction=0.2,
        limit_s=60.0,
    ),
)
