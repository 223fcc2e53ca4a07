"""Output of the commands. All output passes this module, so text cannot control the terminal.

Nothing else in the packages writes to standard output or standard error (ruff enforces that, see
``banned-api`` in pyproject.toml), so titles, file names and messages cannot clear the screen,
rename the window, or imitate other lines.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
import traceback
import warnings
from contextlib import suppress
from types import TracebackType
from typing import Any, TextIO

import click

from yt360.terminal.text import json_text, printable


class OutputClosed(Exception):
    """Standard output is closed. It is not an OSError, because click exits silently on those."""


def echo(*lines: object, err: bool = False) -> None:
    """Print lines; each stays one line and shows control characters as escapes.

    Lines that cannot be written to standard error are dropped, because its terminal may be closed.

    Args:
        lines: What to print; `str` is called on them.
        err: Print to standard error.

    Raises:
        OutputClosed: Standard output is closed.
        OSError: Standard output cannot be written, such as a file on a full disk.
    """
    for line in lines:
        _write(printable(line), err)


def echo_json(value: Any) -> None:
    """Print a value as indented JSON, with control characters as JSON's escapes."""
    for line in json_text(value, indent=2).split("\n"):
        _write(line)


def echo_marked(mark: str, colour: str, text: object) -> None:
    """Print a line that begins with a coloured mark."""
    _write(f"{click.style(printable(mark), fg=colour)}{printable(text)}")


def guard() -> None:
    """Print log records, warnings and tracebacks of this process by `echo`."""
    logging.basicConfig(handlers=[_Handler()], level=logging.WARNING)
    warnings.showwarning = _show_warning
    sys.excepthook = _show_error
    threading.excepthook = lambda failure: _show_error(
        failure.exc_type, failure.exc_value, failure.exc_traceback
    )
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # like standard error


def flush_output() -> None:
    """Write what is left in the buffers of the output, such as before a fork or an abrupt end."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or there is none
            stream.flush()


class _Handler(logging.Handler):
    """Prints log records on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            echo(record.getMessage(), err=True)
            if record.exc_info and record.exc_info[1] is not None:
                echo(*_traceback_lines(record.exc_info[1]), err=True)
        except Exception:
            self.handleError(record)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    echo(f"{filename}:{lineno}: {category.__name__}: {message}", err=True)


def _show_error(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    echo(*_traceback_lines(error or kind().with_traceback(trace)), err=True)


def _traceback_lines(error: BaseException) -> list[str]:
    return [line for part in traceback.format_exception(error) for line in part.splitlines()]


def _write(line: str, err: bool = False) -> None:
    try:
        click.echo(line, err=err)
    except OSError as error:
        _discard(sys.stderr if err else sys.stdout)
        if err:
            return
        if isinstance(error, BrokenPipeError):
            raise OutputClosed from None
        raise OSError(error.errno, error.strerror, "standard output") from error


def _discard(stream: TextIO) -> None:
    """Redirect a stream to the null device, or Python would flush the rest to it on exit."""
    with suppress(OSError):  # it has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
