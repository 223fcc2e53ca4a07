"""Convert exceptions that a file causes in its readers to errors of this file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from yt360.errors import BadItem, UserError


@contextmanager
def blaming(name: str) -> Iterator[None]:
    """Convert exceptions caused by an untrusted file to a `BadItem`; pass on errors of the system.

    A damaged or hostile file must not end a run.

    Args:
        name: Name of the file, for the error.

    Raises:
        BadItem: ``"memory"``: reading the file exceeds the memory limit of a process;
            ``"unexpected-error"``: a reader raised an undocumented exception.
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
