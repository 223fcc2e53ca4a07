"""Running a command line: exit codes, signals, and one line for a user's mistake."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import click

from yt360.commands.system_errors import error_line, is_storage_error
from yt360.errors import BadItem, UserError
from yt360.terminal.output import OutputClosed, echo


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP was received; the command ends as after Ctrl-C.

    Attributes:
        signal: The signal.
    """

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__()
        self.signal = signal.Signals(number)


def run(group: click.Group, arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit.

    Exit codes: 0 after success; 2 with one line after `UserError`, `BadItem` or an error of the
    disk; 129, 130 and 143 with one line after SIGHUP, Ctrl-C and SIGTERM; 141 if the output is
    closed; the value of ``context.exit``; 1 with a traceback after a bug.
    """
    try:
        code = _call(group, arguments)
    except click.ClickException as error:
        _print_usage(error)
        sys.exit(error.exit_code)
    except click.Abort as abort:  # what click makes of an interrupt, and of an EOFError
        if not isinstance(abort.__cause__, KeyboardInterrupt):
            raise abort.__cause__ or abort from None
        _exit_interrupted(abort.__cause__)
    except KeyboardInterrupt as interrupt:
        _exit_interrupted(interrupt)
    except OutputClosed:
        sys.exit(128 + signal.SIGPIPE)
    except (UserError, BadItem, OSError, sqlite3.Error) as error:
        if isinstance(error, sqlite3.Error) and not is_storage_error(error):
            raise
        if not isinstance(error, UserError | BadItem) and "YT360_DEBUG" in os.environ:
            raise
        echo(f"error: {error_line(error)}", err=True)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


def _print_usage(error: click.ClickException) -> None:
    """Print click's message about a wrong command line, or the help if there is no command."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        echo(*error.format_message().splitlines(), err=True)
        return
    context = getattr(error, "ctx", None)
    if context is not None:
        echo(*context.get_usage().splitlines(), err=True)
        echo(f"Try '{context.command_path} --help' for help.", "", err=True)
    echo(f"Error: {' '.join(error.format_message().split())}", err=True)


def _call(group: click.Group, arguments: Sequence[str] | None) -> Any:
    """Return the result of a command. Signals end it as Ctrl-C does, so that it cleans up.

    C libraries ignore an interrupt during their import and fail later. Therefore any exception
    after a signal counts as the effect of that signal.
    """
    interrupts: list[KeyboardInterrupt] = []

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        interrupts.append(KeyboardInterrupt() if number == signal.SIGINT else Terminated(number))
        raise interrupts[-1]

    with _handling_signals(stop):
        try:
            return group.main(args=arguments, standalone_mode=False)
        except Exception:
            if interrupts:
                raise interrupts[-1] from None
            raise


@contextmanager
def _handling_signals(stop: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Call a function on SIGTERM, SIGINT and SIGHUP while the block runs.

    SIGINT and SIGHUP are left alone if they are ignored (background jobs, nohup).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        numbers.append(signal.SIGINT)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit_interrupted(interrupt: KeyboardInterrupt) -> NoReturn:
    number = interrupt.signal if isinstance(interrupt, Terminated) else signal.SIGINT
    what = {signal.SIGINT: "interrupted", signal.SIGHUP: "hung up"}.get(number, "terminated")
    echo(f"{what}; run the same command again to continue", err=True)
    sys.exit(128 + number)
