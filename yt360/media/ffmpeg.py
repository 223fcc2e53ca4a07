"""Find a suitable FFmpeg program and run it safely.

FFmpeg is started with argument lists, not through a shell. Inputs are named ``file:NAME``, so a
name that starts with ``-`` or looks like a URL is still a file. Only local files may be opened, so
a hostile "video" that is a playlist cannot open URLs.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import ffmpeg as ffmpeg_python

from yt360.errors import BadItem, UserError
from yt360.execution.limits import cpu_limit_s
from yt360.files import DISK_FULL
from yt360.media.ffmpeg_process import NOT_STARTED, start_ffmpeg

REQUIRED_FILTERS = (
    "crop", "fillborders", "format", "fps", "pad", "scale", "setparams", "setpts", "setsar",
    "settb", "split", "tpad", "trim", "v360", "xstack",
)  # fmt: skip
REQUIRED_ENCODERS = ("libx264",)
# Filters for HDR and wide gamuts; SDR video does not need them.
COLOR_FILTERS = ("zscale", "tonemap")
BINARY_VARIABLE = "YT360_FFMPEG"

_GLOBAL_OPTIONS = (
    "-nostdin", "-hide_banner", "-loglevel", "level+error", "-y",
    "-copyts",  # keep the timestamps of the file, without an offset to the first packet
)  # fmt: skip
_KEPT_ERROR_LINES = 12
_KEPT_ERROR_BYTES = 4096
_STOPPED_BY_SIGNAL = 255  # FFmpeg's exit code after a signal that it handles, such as Ctrl-C's
_DISK_ERRORS = {os.strerror(number): number for number in DISK_FULL}
"""What FFmpeg prints about a disk that it cannot write to -> the number of the error."""
_FLAGS = re.compile(r"[A-Z.|]{2,6}")


class FfmpegDied(BadItem):
    """FFmpeg was killed by a signal or crashed, possibly not because of the item.

    Callers should retry once, since memory may have been short.

    Attributes:
        exit_code: Exit code; negative for the signal that killed FFmpeg.
    """

    def __init__(self, reason: str, detail: str, exit_code: int) -> None:
        super().__init__(reason, detail)
        self.exit_code = exit_code

    def __reduce__(self) -> tuple[type[FfmpegDied], tuple[str, str, int]]:  # type: ignore[override]
        """Support pickling with all arguments."""
        return type(self), (self.reason, self.detail, self.exit_code)


def ffmpeg_binary() -> Path:
    """Return the FFmpeg program to use.

    The order is: ``$YT360_FFMPEG``; ``ffmpeg`` on the PATH if it has all required filters and
    encoders; the program in the imageio-ffmpeg wheel.

    Raises:
        UserError: ``$YT360_FFMPEG`` is not a program, or no suitable program is found.
    """
    chosen = os.environ.get(BINARY_VARIABLE)
    if chosen:
        found = shutil.which(chosen)
        if found is None:
            raise UserError(
                f"{BINARY_VARIABLE}={chosen} is not a program; set it to an FFmpeg, or unset it",
                code="dependency",
                key=BINARY_VARIABLE,
            )
        return Path(found)
    on_path = shutil.which("ffmpeg")
    if on_path is not None:
        program = Path(on_path)
        if not missing_parts(program) and not missing_color_filters(program):
            return program
    bundled = _bundled_programs()
    if len(bundled) == 1:
        return bundled[0]
    import imageio_ffmpeg

    try:
        return Path(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise UserError(
            f"no FFmpeg with {', '.join(REQUIRED_ENCODERS)} was found; install it, or set "
            f"{BINARY_VARIABLE} to one",
            code="dependency",
            key=BINARY_VARIABLE,
        ) from error


def _bundled_programs() -> list[Path]:
    """Return the programs in the wheel of imageio-ffmpeg, which itself runs one to check it."""
    spec = find_spec("imageio_ffmpeg")
    folders = (spec and spec.submodule_search_locations) or []
    found = [path for folder in folders for path in Path(folder, "binaries").glob("ffmpeg-*")]
    return [path for path in found if os.access(path, os.X_OK)]


def missing_parts(binary: Path) -> tuple[str, ...]:
    """Return the required filters and encoders that `binary` lacks."""
    try:
        filters, encoders = available_filters(binary), available_encoders(binary)
    except UserError:
        return (*REQUIRED_FILTERS, *REQUIRED_ENCODERS)
    return (
        *(name for name in REQUIRED_FILTERS if name not in filters),
        *(name for name in REQUIRED_ENCODERS if name not in encoders),
    )


def missing_color_filters(binary: Path) -> tuple[str, ...]:
    """Return the filters for HDR and wide gamuts that `binary` lacks."""
    filters = available_filters(binary)
    return tuple(name for name in COLOR_FILTERS if name not in filters)


def available_filters(binary: Path | None = None) -> frozenset[str]:
    """Return the names of the filters of `binary`, by default the program in use."""
    return _listed(binary or ffmpeg_binary(), "-filters")


def available_encoders(binary: Path | None = None) -> frozenset[str]:
    """Return the names of the encoders of `binary`, by default the program in use."""
    return _listed(binary or ffmpeg_binary(), "-encoders")


def ffmpeg_version(binary: Path | None = None) -> str:
    """Return name and version, such as ``"ffmpeg 7.1"``."""
    words = _query(binary or ffmpeg_binary(), "-version").split()
    return f"{words[0]} {words[2]}" if len(words) > 2 else "ffmpeg of unknown version"


def input_name(path: Path) -> str:
    """Return the input argument of a local file, safe for any file name."""
    return f"file:{path}"


def graph_name(path: Path) -> str:
    """Return the placeholder for `input_name` of a file in an ffmpeg-python graph.

    ffmpeg-python hashes its arguments as UTF-8, but file names may be invalid UTF-8. Each byte of
    the name becomes a character here, and `compile_arguments` reverts this.
    """
    return os.fsencode(input_name(path)).decode("latin-1")


def compile_arguments(outputs: ffmpeg_python.nodes.OutputStream) -> list[str]:
    """Return the argument list (without the program) of an ffmpeg-python graph.

    All file names in the graph must come from `graph_name`; other arguments must be ASCII.
    """
    arguments = ffmpeg_python.get_args(outputs)
    return [*_GLOBAL_OPTIONS, *(os.fsdecode(each.encode("latin-1")) for each in arguments)]


def run_ffmpeg(arguments: list[str], item: Path, cpu_s: float | None = None) -> int:
    """Run FFmpeg and wait for it.

    Args:
        arguments: From `compile_arguments`.
        item: Input file, for error messages.
        cpu_s: CPU time limit in seconds; by default derived from the size of `item`.

    Returns:
        The number of recoverable errors that FFmpeg reported.

    Raises:
        FfmpegDied: FFmpeg was killed or crashed.
        BadItem: ``"not-decodable"`` with FFmpeg's last lines of output, or ``"timeout"``.
        UserError: The program cannot be run.
        OSError: The disk is full.
    """
    process = start_ffmpeg(
        ffmpeg_binary(),
        arguments,
        cpu_s=cpu_limit_s(item.stat().st_size) if cpu_s is None else cpu_s,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    last: deque[str] = deque(maxlen=_KEPT_ERROR_LINES)
    count, disk_error = 0, None
    try:
        assert process.stderr is not None
        for line in process.stderr:
            count += 1
            disk_error = disk_error or disk_error_in(line)
            last.append(line.strip())
        code = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()
    raise_for_exit(code, list(last), item, disk_error)
    return count


def read_ffmpeg(arguments: list[str], item: Path, size: int) -> Iterator[bytes]:
    """Run FFmpeg and yield what it writes to its standard output, in pieces of `size` bytes.

    Args:
        arguments: From `compile_arguments`.
        item: Input file, for error messages and the limit of CPU time.
        size: Bytes of a piece; an incomplete last piece is dropped.

    Raises:
        Exception: See `run_ffmpeg`.
    """
    with tempfile.TemporaryFile() as errors:
        process = start_ffmpeg(
            ffmpeg_binary(),
            arguments,
            cpu_s=cpu_limit_s(item.stat().st_size),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            assert process.stdout is not None
            while len(piece := process.stdout.read(size)) == size:
                yield piece
            code = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        errors.seek(0, os.SEEK_END)
        errors.seek(max(errors.tell() - _KEPT_ERROR_BYTES, 0))
        lines = errors.read().decode(errors="replace").splitlines()
    raise_for_exit(code, [line.strip() for line in lines], item)


def disk_error_in(line: str) -> int | None:
    """Return the error of the disk (`yt360.files.DISK_FULL`) that FFmpeg prints in a line."""
    return next((number for text, number in _DISK_ERRORS.items() if text in line), None)


def raise_for_exit(
    code: int, last_lines: list[str], item: Path, disk_error: int | None = None
) -> None:
    """Raise the error for a failed run of FFmpeg on `item`; return if it succeeded.

    Args:
        code: Exit code.
        last_lines: The last lines that it printed on standard error.
        item: Input file.
        disk_error: Error of the disk to which it wrote, if any.
    """
    if disk_error is not None:
        raise OSError(disk_error, f"{os.strerror(disk_error)} while converting {item.name}")
    if code == -signal.SIGXFSZ:
        raise OSError(errno.EFBIG, f"{os.strerror(errno.EFBIG)} while converting {item.name}")
    if last_lines and last_lines[-1].startswith(NOT_STARTED):
        raise UserError(
            f"{last_lines[-1]}; set {BINARY_VARIABLE} to a working FFmpeg",
            code="dependency",
            key=BINARY_VARIABLE,
        )
    if code == -signal.SIGPROF:
        raise BadItem("timeout", f"{item.name}: FFmpeg exceeded its time limit")
    words = "; ".join(last_lines[-3:]) or "no message"
    if code < 0 or code == _STOPPED_BY_SIGNAL:
        raise FfmpegDied("crash", f"{item.name}: FFmpeg was stopped ({code}): {words}", code)
    if code != 0:
        raise BadItem("not-decodable", f"{item.name}: FFmpeg stopped with {code}: {words}")


@lru_cache(maxsize=16)
def _listed(binary: Path, option: str) -> frozenset[str]:
    names = set()
    for line in _query(binary, option).splitlines():
        words = line.split()
        # Lines of the table are "FLAGS NAME ..."; lines of the legend are "FLAG = MEANING".
        if len(words) >= 2 and words[1] != "=" and _FLAGS.fullmatch(words[0]):
            names.add(words[1])
    return frozenset(names)


def _query(binary: Path, option: str) -> str:
    try:
        answer = subprocess.run(
            [str(binary), "-hide_banner", option],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(
            f"{binary} cannot be run ({error}); set {BINARY_VARIABLE}",
            "dependency",
            BINARY_VARIABLE,
        ) from error
    if answer.returncode != 0:
        raise UserError(
            f"{binary} {option} ended with {answer.returncode}; set {BINARY_VARIABLE} to FFmpeg",
            code="dependency",
            key=BINARY_VARIABLE,
        )
    return answer.stdout
