"""Reading pictures from outside: photographs and maps of labels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from yt360.errors import BadItem
from yt360.untrusted.files import open_regular

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
"""What is read, by content: no format that runs another program (EPS) or is seldom tried.

JPEG includes MPO, which Pillow opens under that name alone.
"""


@contextmanager
def open_image(
    path: Path, formats: tuple[str, ...] = FORMATS, inside: Path | None = None
) -> Iterator[Image.Image]:
    """Open a picture from outside.

    Args:
        path: A regular file.
        formats: Names of Pillow's formats that it may have.
        inside: A folder that links must not lead out of; None allows any link.

    Raises:
        BadItem: ``"missing"``, ``"too-large"`` or ``"unreadable"``; also when reading fails inside
            the block.
    """
    try:
        with warnings.catch_warnings():
            # Panoramas are large: 179 million pixels are the limit, not the 89 that warn.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with open_regular(path, inside) as file, Image.open(file, formats=formats) as image:
                yield image
    except FileNotFoundError:
        raise BadItem("missing", f"{path} does not exist") from None
    except Image.DecompressionBombError as error:
        raise BadItem("too-large", f"{path}: {error}") from None
    except (MemoryError, BadItem):
        raise
    except Exception as error:  # Pillow's readers raise anything: SyntaxError, struct.error, ...
        raise BadItem("unreadable", f"{path} is no readable picture: {error}") from None


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return a picture (1, H, W, 3) uint8 RGB, turned as its EXIF data says.

    Raises:
        BadItem: It cannot be read as a picture.
    """
    with open_image(path) as image:
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))[None]
