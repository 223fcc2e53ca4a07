"""`yt360 build-shards`, compared with FFmpeg alone."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

from benchmarks.case import Case, Limit, Ratio
from benchmarks.commands import Cost, run_command, run_python
from benchmarks.material import CLIP_S, Material
from benchmarks.meters import result
from yt360.clip_codec.format import ClipFormat
from yt360.media.ffmpeg import ffmpeg_binary

FORM = ClipFormat()
SIZES = {"1080p": (1920, 960), "4K": (3840, 1920)}
TARGETS = {"1080p": 1.1, "4K": 1.05}
"""Largest ratios of the cost of a build and that of FFmpeg, for a source of `LENGTH_S`."""
LENGTH_S, SHORT_S = 60, 30
FURTHER_S = 60
"""What a longer source has more: its cost is without that of starting processes."""
GROWTH = (1, 4, 16, 64)
"""Lengths of a source, in units of `UNIT_S`."""
UNIT_S = 20
# As `yt360.clip_codec.video_encoder` encodes, in literal options.
ENCODER = (
    "-c:v", "libx264", "-preset", FORM.preset, "-tune", "fastdecode", "-crf", str(FORM.crf),
    "-g", str(FORM.gop), "-keyint_min", str(FORM.gop), "-sc_threshold", "0", "-bf", "0",
    "-refs", "1", "-threads", "1", "-pix_fmt", "yuv420p",
)  # fmt: skip
SCALE = (
    f"fps={FORM.fps},scale={FORM.width}:{FORM.height}:"
    "flags=bicubic+accurate_rnd+full_chroma_int+bitexact"
)


def cases(material: Material) -> Iterator[Case]:
    """Yield the cases."""
    sizes = {"tiny": (320, 160)} if material.tiny else SIZES
    length_s, short_s, further_s = LENGTH_S, SHORT_S, FURTHER_S
    if material.tiny:
        length_s = short_s = further_s = CLIP_S
    for name, size in sizes.items():
        source = _source(material, *size, length_s)
        yield cpu_case(f"{name}, {length_s} s", source, TARGETS.get(name))
        yield memory_case(f"{name}, {length_s} s", source)
    name, size = next(iter(sizes.items()))
    shorter, longer = (_source(material, *size, short_s + more) for more in (0, further_s))
    if short_s != length_s:
        yield cpu_case(f"{name}, {short_s} s", shorter)
    yield further_case(f"{name}, {further_s} s", shorter, longer)
    yield reads_case(f"{name}, {further_s} s", shorter, longer)
    yield growth_case(material)


def cpu_case(name: str, source: Path, at_most: float | None = None) -> Case:
    """Build the clips of a source; decode and encode them with FFmpeg alone."""
    return Case(
        f"build-shards, {name}, CPU time",
        {
            "build-shards": lambda _: _build(source).cpu_s,
            "ffmpeg alone": lambda _: _ffmpeg_alone(source).cpu_s,
        },
        [Ratio("build-shards", "ffmpeg alone", at_most=at_most)],
        unit="s",
        meter=result,
        runs=3,
        inputs=1,
        warm_up=0,
    )


def memory_case(name: str, source: Path) -> Case:
    """Return the case of the memory that the largest process needs."""
    return Case(
        f"build-shards, {name}, peak memory of a process",
        {
            "build-shards": lambda _: _build(source).peak_mib,
            "ffmpeg alone": lambda _: _ffmpeg_alone(source).peak_mib,
        },
        [Ratio("build-shards", "ffmpeg alone")],
        [Limit("build-shards", at_most=200)],
        unit="MiB",
        meter=result,
        runs=1,
        inputs=1,
        warm_up=0,
    )


def further_case(name: str, shorter: Path, longer: Path) -> Case:
    """Return the case of what a longer source costs more than a shorter one."""

    def further(cost: Callable[[Path], Cost], _: int) -> float:
        return cost(longer).cpu_s - cost(shorter).cpu_s

    return Case(
        f"build-shards, {name} more of a source, CPU time",
        {
            "build-shards": partial(further, _build),
            "ffmpeg alone": partial(further, _ffmpeg_alone),
        },
        [Ratio("build-shards", "ffmpeg alone", at_most=1.1)],
        unit="s",
        meter=result,
        runs=3,
        inputs=1,
        warm_up=0,
    )


def reads_case(name: str, shorter: Path, longer: Path) -> Case:
    """Return the case of what is read for a longer source more than for a shorter one.

    That is the source, as often as it is read, and what processes read of each other.
    """
    return Case(
        f"build-shards, {name} more of a source, bytes read",
        {
            "build-shards": lambda _: (
                (_build(longer).read_bytes - _build(shorter).read_bytes) / 1e6
            ),
            "bytes of the source": lambda _: (_bytes(longer) - _bytes(shorter)) / 1e6,
        },
        [Ratio("build-shards", "bytes of the source")],
        unit="MB",
        meter=result,
        runs=1,
        inputs=1,
        warm_up=0,
    )


def growth_case(material: Material) -> Case:
    """Build sources of different lengths."""
    lengths = [1, 2] if material.tiny else GROWTH
    unit_s = CLIP_S if material.tiny else UNIT_S
    sources = {length: _repeated(material, length * unit_s) for length in lengths}

    def ms_of_second(length: int, _: int) -> float:
        return 1e3 * _build(sources[length]).cpu_s / (length * unit_s)

    names = {length: f"source of {length * unit_s} s" for length in lengths}
    return Case(
        "build-shards, CPU time of a second of the source",
        {names[length]: partial(ms_of_second, length) for length in lengths},
        [
            Ratio(names[longer], names[shorter], at_most=1.1)
            for shorter, longer in pairwise(lengths)
        ],
        meter=result,
        runs=1,
        inputs=1,
        warm_up=0,
    )


def _build(source: Path) -> Cost:
    """Build the shards of a folder with one worker."""
    with tempfile.TemporaryDirectory(prefix="avsa-bench-") as out:
        return run_python(
            "-m", "yt360", "build-shards", str(source), "--out", f"{out}/shards", "--workers", "1"
        )


def _ffmpeg_alone(source: Path) -> Cost:
    """Decode, scale and encode a source with one run of FFmpeg, into one file."""
    video, audio = source / "long.mp4", source / "long.flac"
    with tempfile.TemporaryDirectory(prefix="avsa-bench-") as out:
        inputs = ("-threads", "1", "-i", str(video), "-i", str(audio))
        filters = ("-filter_threads", "1", "-vf", SCALE)
        sound = ("-c:a", "flac", "-sample_fmt", "s16", "-ar", str(FORM.sample_rate_hz))
        return run_command(
            str(ffmpeg_binary()), "-loglevel", "error", *inputs, *filters, *ENCODER, *sound,
            f"{out}/out.mkv",
        )  # fmt: skip


def _source(material: Material, width: int, height: int, length_s: int) -> Path:
    """Return the folder of a scene that is repeated, enlarged and grainy."""
    picture = (
        "-vf", f"fps=30,scale={width}:{height},noise=alls=6:allf=t", "-c:v", "libx264",
        "-preset", "veryfast", "-crf", "23",
    )  # fmt: skip
    return material.kept(
        f"source-{height}-{length_s}s", partial(_repeat, material, length_s, picture)
    )


def _repeated(material: Material, length_s: int) -> Path:
    """Return the folder of a scene that is repeated without encoding it again."""
    return material.kept(
        f"source-{length_s}s", partial(_repeat, material, length_s, ("-c:v", "copy"))
    )


def _repeat(material: Material, length_s: int, picture: tuple[str, ...], target: Path) -> None:
    target.mkdir()
    video = material.videos[0]
    for source, name, options in (
        (video, "long.mp4", picture),
        (video.with_suffix(".flac"), "long.flac", ("-c:a", "flac")),
    ):
        subprocess.run(
            [
                str(ffmpeg_binary()), "-loglevel", "error", "-stream_loop", "-1",
                "-i", str(source), "-t", str(length_s), *options, str(target / name),
            ],
            check=True,
        )  # fmt: skip


def _bytes(source: Path) -> int:
    return sum(path.stat().st_size for path in source.iterdir())
