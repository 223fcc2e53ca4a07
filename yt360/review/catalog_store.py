"""Decisions in a catalog, for the threads of a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from yt360.catalog.catalog import Catalog
from yt360.review.decisions import Decision


class CatalogStore:
    """Decisions in a catalog; each call opens it, because a connection belongs to one thread.

    Args:
        path: The catalog.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Decision]:
        """Return all decisions by time; see `yt360.catalog.tables.decisions`."""
        with Catalog(self.path) as catalog:
            return catalog.decisions.read()

    def version(self) -> str:
        """Return a text that changes with the decisions."""
        with Catalog(self.path) as catalog:
            return catalog.decisions.version()

    def add(self, make: Callable[[list[Decision]], Decision]) -> Decision:
        """Add what `make` returns for the stored decisions, while nobody else adds one."""
        with Catalog(self.path) as catalog:
            return catalog.decisions.add(make)
