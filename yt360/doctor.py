"""Check which tasks this machine supports, and how to install missing parts."""

from __future__ import annotations

import importlib
import importlib.util
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from yt360.devices import usable_cores
from yt360.errors import UserError
from yt360.files import resolved
from yt360.labels.segmenters.libraries import INSTALL
from yt360.terminal.text import counted

MIN_DISK_GIB = 10.0


@dataclass(frozen=True)
class Finding:
    """The result of the check for one task of the user.

    Attributes:
        job: The task, such as ``"train"``.
        state: ``"ok"``; ``"missing"`` if the task is impossible; ``"optional"`` if only an optional
            part is absent.
        found: What is installed, with versions.
        fix: How to install or repair the missing part; empty if nothing is missing.
    """

    job: str
    state: Literal["ok", "missing", "optional"]
    found: str
    fix: str = ""


def examine(folder: Path) -> list[Finding]:
    """Check each task, in the order of the pipeline.

    Args:
        folder: Working directory; its free disk space is reported.
    """
    checks: list[Callable[[], Finding]] = [
        _python,
        _conversion,
        _decoding,
        _download,
        _training,
        _accelerator,
        _speech,
        lambda: _optional("label with detectron2", "detectron2.model_zoo", INSTALL["detectron2"]),
        lambda: _optional("label with transformers", "transformers", INSTALL["transformers"]),
        lambda: _optional("train on datasets at s3://", "s3fs", "pip install s3fs"),
        lambda: _optional("train on datasets at gs://", "gcsfs", "pip install gcsfs"),
        lambda: _disk(folder),
    ]
    return [check() for check in checks]


def _python() -> Finding:
    found = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    if sys.version_info[:2] in ((3, 11), (3, 12)):
        return Finding("run", "ok", f"{found}, {counted(usable_cores(), 'core')}")
    return Finding("run", "missing", found, "use Python 3.11 or 3.12")


def _conversion() -> Finding:
    from yt360.media import ffmpeg

    job = "convert media"
    try:
        binary = ffmpeg.ffmpeg_binary()
    except UserError as error:
        return Finding(job, "missing", str(error))
    origin = "from the imageio-ffmpeg wheel" if "imageio_ffmpeg" in binary.parts else str(binary)
    found = f"{ffmpeg.ffmpeg_version(binary)} ({origin})"
    missing = ffmpeg.missing_parts(binary)
    if missing:
        fix = f"unset {ffmpeg.BINARY_VARIABLE}: the imageio-ffmpeg wheel has a complete FFmpeg"
        return Finding(job, "missing", f"{found} lacks {', '.join(missing)}", fix)
    missing = ffmpeg.missing_color_filters(binary)
    if missing:
        found = f"{found} lacks {', '.join(missing)}: HDR video is refused"
        return Finding(job, "optional", found, f"unset {ffmpeg.BINARY_VARIABLE}")
    return Finding(job, "ok", f"{found} with v360, zscale, tonemap and libx264")


def _decoding() -> Finding:
    return _packages("decode clips", ("av", "soundfile", "webdataset", "pyarrow"))


def _download() -> Finding:
    job = "download from YouTube"
    packages = _packages(job, ("yt-dlp", "yt-dlp-ejs"))
    if packages.state != "ok":
        return packages
    from yt360.crawl.youtube.js_runtimes import js_runtimes, oldest_version

    runtimes = js_runtimes()
    usable = [f"{each.name} {each.version}" for each in runtimes if each.usable]
    if usable:
        return Finding(job, "ok", f"{packages.found}, JavaScript by {usable[0]}")
    found = "no JavaScript runtime, which YouTube requires"
    if runtimes:
        old = ", ".join(f"{each.name} {each.version}" for each in runtimes)
        found = f"the JavaScript runtime, which YouTube requires, is too old: {old}"
    fix = f"pip install deno (or install Node.js {oldest_version('node')} or newer)"
    return Finding(job, "missing", f"{packages.found}, but {found}", fix)


def _training() -> Finding:
    packages = _packages("train", ("torch", "torchvision", "torchaudio"))
    if packages.state != "ok":
        return packages
    try:
        import torch
        import torchaudio  # noqa: F401 - the import fails if the versions do not match
        import torchvision  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        fix = "install torch, torchvision and torchaudio together, with -c constraints.txt"
        return Finding("train", "missing", f"{packages.found} cannot be imported: {reason}", fix)
    return Finding("train", "ok", f"{packages.found}, {counted(torch.get_num_threads(), 'thread')}")


def _accelerator() -> Finding:
    job = "train and label on a GPU"
    try:
        import torch
    except (ImportError, OSError):
        return Finding(job, "optional", "torch cannot be imported", "see the line above")
    if not torch.cuda.is_available():
        built_for = torch.version.cuda
        found = f"no CUDA device found (torch is built for CUDA {built_for})"
        fix = "check the driver with nvidia-smi; the CPU is used until then"
        if built_for is None:
            found, fix = "torch is built for CPU only", "install a CUDA build of torch"
        return Finding(job, "optional", found, fix)
    devices = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    names = ", ".join(f"{d.name} {d.total_memory / 2**30:.0f} GiB" for d in devices)
    return Finding(job, "ok", f"{names}, CUDA {torch.version.cuda}")


def _speech() -> Finding:
    from yt360.quality.speech import INSTALL as INSTALL_SPEECH
    from yt360.quality.speech import PACKAGE, weights_path

    job = "find voice-overs"
    if weights_path() is not None:
        return Finding(job, "ok", f"{PACKAGE} {_version_of(PACKAGE)}")
    found = f"{PACKAGE} {_version_of(PACKAGE)} has no weights that this version reads"
    if not _version_of(PACKAGE):
        found = f"{PACKAGE} is not installed: only loud ones are found"
    return Finding(job, "optional", found, INSTALL_SPEECH)


def _optional(job: str, module: str, fix: str) -> Finding:
    package = module.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        return Finding(job, "optional", f"{package} is not installed", fix)
    found = f"{package} {_version_of(package)}"
    try:
        importlib.import_module(module)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        return Finding(job, "optional", f"{found} cannot be imported: {reason}", fix)
    return Finding(job, "ok", found)


def _disk(folder: Path) -> Finding:
    free_gib = shutil.disk_usage(folder).free / 2**30
    found = f"{free_gib:.0f} GiB free in {resolved(folder)}"
    if free_gib < MIN_DISK_GIB:
        return Finding("store data", "optional", found, "1,000 clips need about 1 GiB in shards")
    return Finding("store data", "ok", found)


def _packages(job: str, names: tuple[str, ...]) -> Finding:
    missing = [name for name in names if _version_of(name) == ""]
    if missing:
        return Finding(job, "missing", f"not installed: {', '.join(missing)}", "pip install -e .")
    return Finding(job, "ok", ", ".join(f"{name} {_version_of(name)}" for name in names))


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
