"""Reading pictures from outside."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from yt360.errors import BadItem


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Return a picture (1, H, W, 3) uint8 RGB, turned as its EXIF data says.

    Raises:
        BadItem: It cannot be read as a picture.
    """
    try:
        with warnings.catch_warnings():
            # Panoramas are large: 179 million pixels are the limit, not the 89 that warn.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                upright = ImageOps.exif_transpose(image).convert("RGB")
    except FileNotFoundError:
        raise BadItem("missing", f"{path} does not exist") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise BadItem("unreadable", f"{path} is no readable picture: {error}") from None
    except Image.DecompressionBombError as error:
        raise BadItem("too-large", f"{path}: {error}") from None
    return np.array(upright)[None]
