"""HTML pages: one file each, which needs no network and escapes everything that it prints."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup


@lru_cache
def page_environment(folder: Path) -> Environment:
    """Return the templates in a folder; everything that they print is escaped.

    They can use ``base_style``, the colours and texts that all pages share, for light and dark.
    """
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["base_style"] = embedded(Path(__file__).parent / "base.css")
    return environment


def embedded(path: Path) -> Markup:
    """Return a trusted text, such as a style, that is printed as it is."""
    return Markup(path.read_text(encoding="utf-8"))
