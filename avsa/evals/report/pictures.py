"""Pictures of records as data URIs, with limits of size, since they are untrusted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avsa.evals.report.contents import Picture
from avsa.evals.report.runs import Found
from avsa.evals.result import FOLDER, PICTURES
from yt360.quality.report.drawing import data_uri
from yt360.untrusted.files import read_limited
from yt360.untrusted.names import path_inside

MAX_PICTURE_BYTES = 3 << 20
MAX_PAGE_BYTES = 64 << 20
"""Size of all pictures together."""
_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg"}


@dataclass
class PictureBudget:
    """Reads pictures until they fill the page.

    Attributes:
        left_bytes: How much more fits.
    """

    left_bytes: int = MAX_PAGE_BYTES

    def pictures_of(self, found: Found) -> tuple[Picture, ...]:
        """Return the pictures of a record, or the reasons why they cannot be shown."""
        return tuple(
            self._read(found, name, caption)
            for name, caption in found.record.result.pictures.items()
        )

    def _read(self, found: Found, name: str, caption: str) -> Picture:
        folder = found.run / FOLDER / PICTURES
        path = folder / Path(name).name
        limit = min(MAX_PICTURE_BYTES, self.left_bytes)
        try:
            path = path_inside(folder, name)
            content = read_limited(path, limit, inside=found.run)
            uri = _uri(content)
        except (ValueError, OSError) as error:
            return Picture("", f"{caption} (not shown: {error})", "")
        self.left_bytes -= len(content)
        return Picture(uri, caption, str(path))


def _uri(content: bytes) -> str:
    for signature, kind in _SIGNATURES.items():
        if content.startswith(signature):
            return data_uri(content, kind)
    raise ValueError("it is neither PNG nor JPEG")
