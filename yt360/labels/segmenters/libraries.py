"""Importing the libraries that only some segmenters need."""

from __future__ import annotations

import importlib
from typing import Any

from yt360.errors import UserError


def import_library(module: str, install: str) -> Any:
    """Import a module of an optional library.

    Args:
        module: Its full name.
        install: How to install the library.

    Raises:
        UserError: The library is not installed; or it is, but it does not load, for instance
            because a package that it needs is missing.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == package:
            raise UserError(
                f"{package} is not installed; install it with {install}, or use the built-in "
                "--segmenter panoptic-fpn"
            ) from None
        raise UserError(
            f"{package} is installed but does not load: {first_line(error)}; "
            f"install it anew with {install}"
        ) from None


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its kind where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
