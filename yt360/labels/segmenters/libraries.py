"""The libraries that only some segmenters need; this module imports none of them."""

from __future__ import annotations

import importlib
from typing import Any

from yt360.errors import UserError

INSTALL = {
    # Not on PyPI. It imports pkg_resources, which setuptools 82 dropped; its setup imports torch.
    "detectron2": "pip install 'setuptools<82' && pip install --no-build-isolation "
    "'git+https://github.com/facebookresearch/detectron2.git'",
    "transformers": "pip install 'transformers>=4.50,<6'",
}
"""How to install each library."""


def import_library(module: str) -> Any:
    """Import a module of a library in `INSTALL`.

    Args:
        module: Its full name, such as ``"detectron2.engine"``.

    Raises:
        UserError: The library is not installed, or does not load, for example because a package
            that it needs is missing.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == package:
            raise UserError(
                f"{package} is not installed; install it with {INSTALL[package]}, or use the "
                "built-in --segmenter panoptic-fpn",
                "dependency",
                package,
            ) from None
        raise UserError(
            f"{package} is installed but cannot be imported: {first_line(error)}; "
            f"reinstall it with {INSTALL[package]}",
            "dependency",
            package,
        ) from None


def first_line(error: Exception) -> str:
    """Return the first line of the message of an error, or its type if the message is empty."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
