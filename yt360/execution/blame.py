"""Blaming a file for whatever it makes its readers raise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from yt360.errors import BadItem, UserError


@contextmanager
def blaming(name: str) -> Iterator[None]:
    """Turn what a hostile file may raise into a `BadItem`; let errors of the system through.

    Files come from anywhere: none of them may end a run, whatever it provokes.

    Args:
        name: Of the file, for the error.

    Raises:
        BadItem: ``"memory"``: reading it takes more than a process may use; ``"unexpected-error"``
            for what no reader is known to raise.
    """
    try:
        yield
    except (UserError, BadItem):
        raise
    except MemoryError as error:
        detail = f"{name}: reading it takes more memory than one process may use"
        raise BadItem("memory", detail) from error
    except OSError:
        raise
    except Exception as error:
        detail = " ".join(f"{name}: {type(error).__name__}: {error}".split())
        raise BadItem("unexpected-error", detail) from error
