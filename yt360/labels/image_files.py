"""Read untrusted image files: photographs and label maps."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from yt360.errors import BadItem
from yt360.untrusted.files import open_regular

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
"""Allowed formats, detected by content; formats that run programs, such as EPS, are excluded.

JPEG includes MPO, which Pillow opens only under that name.
"""


@contextmanager
def open_image(
    path: Path, formats: tuple[str, ...] = FORMATS, inside: Path | None = None
) -> Iterator[Image.Image]:
    """Open an image from outside.

    Args:
        path: A regular file.
        formats: Pillow's names of the formats allowed.
        inside: Folder that links must not leave; None allows any link.

    Raises:
        BadItem: ``"missing"``, ``"too-large"`` or ``"unreadable"``, also for errors that reading
            raises inside the block.
    """
    try:
        with warnings.catch_warnings():
            # Panoramas are large: the limit is 179 million pixels, not the 89 of the warning.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with open_regular(path, inside) as file, Image.open(file, formats=formats) as image:
                yield image
    except FileNotFoundError:
        raise BadItem("missing", f"{path} does not exist") from None
    except Image.DecompressionBombError as error:
        raise BadItem("too-large", f"{path}: {error}") from None
    except UnidentifiedImageError:
        raise BadItem("unreadable", f"{path} is not an image ({', '.join(formats)})") from None
    except (MemoryError, BadItem):
        raise
    except Exception as error:  # Pillow's readers raise anything: SyntaxError, struct.error, ...
        raise BadItem("unreadable", f"{path} cannot be read as an image: {error}") from None


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return an image (1, H, W, 3) uint8 RGB, rotated according to its EXIF data.

    Raises:
        BadItem: It cannot be read as an image.
    """
    with open_image(path) as image:
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))[None]
