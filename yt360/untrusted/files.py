"""Open files in untrusted folders."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path

MAX_JSON_BYTES = 1 << 30
"""Maximum size of a JSON file, four times that of the lists of a million videos."""
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def open_regular(path: Path, inside: Path | None = None) -> BufferedReader:
    """Open a regular file for reading; refuse other files without waiting for them.

    Args:
        path: The file.
        inside: Folder that must contain the target of a link; None allows any regular file.

    Returns:
        The open file, which the caller closes.

    Raises:
        ValueError: It is a folder, FIFO, device or socket, or a link leads out of `inside`.
        OSError: It does not exist or cannot be opened.
    """
    if inside is not None:
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(os.path.realpath(inside)):
            raise ValueError(f"{path} is a link that leads out of {inside}")
        path = real
    # Do not wait for a FIFO, and do not make a terminal the controlling terminal.
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
        # `read` allocates the requested size, so request no more than the size of the file.
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise ValueError(f"{path} has {size} bytes; at most {max_bytes} are allowed")
        return file.read(size)
