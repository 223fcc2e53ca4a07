"""Opening files whose folder somebody else filled."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path

MAX_JSON_BYTES = 1 << 30
"""Limit of a JSON file: the lists of a dataset of a million videos have a quarter of that."""
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def open_regular(path: Path, inside: Path | None = None) -> BufferedReader:
    """Open a regular file for reading; nothing else is opened, and nothing is waited for.

    Args:
        path: The file.
        inside: A folder that links must not lead out of; None allows any link to a regular file.

    Returns:
        The file, unbuffered reads and all of Python's file methods; to be closed by the caller.

    Raises:
        ValueError: It is a folder, FIFO, device or socket, or a link leads out of `inside`.
        OSError: It does not exist or cannot be opened.
    """
    if inside is not None:
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(os.path.realpath(inside)):
            raise ValueError(f"{path} is a link that leads out of {inside}")
        path = real
    # A FIFO is not waited for, a terminal does not become ours.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            kind = _KINDS.get(stat.S_IFMT(mode), "something else")
            raise ValueError(f"{path} is {kind}, not a regular file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_limited(path: Path, max_bytes: int, inside: Path | None = None) -> bytes:
    """Return the content of a regular file of at most `max_bytes`.

    Raises:
        ValueError: As `open_regular`, or it is longer.
        OSError: It does not exist or cannot be read.
    """
    with open_regular(path, inside) as file:
        # `read` allocates as much as it is asked for: no more than there is.
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise ValueError(f"{path} has {size} bytes; at most {max_bytes} are allowed")
        return file.read(size)
