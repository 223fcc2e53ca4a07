"""A click group that both command lines share: commands load on use, user errors are one line."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn, TypeVar

import click

from yt360.errors import BadItem, UserError
from yt360.plugins import load_plugins
from yt360.terminal.output import OutputClosed, echo
from yt360.terminal.text import shortened

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])

_ADVICE = {
    errno.EACCES: "change its permissions, or name another place",
    errno.EDQUOT: "free some of the quota and run the same command again",
    errno.EFBIG: "raise the limit (`ulimit -f`) and run the same command again",
    errno.EIO: "check the disk",
    errno.EISDIR: "name a file",
    errno.ELOOP: "links are not followed here; name the file itself, or remove the link",
    errno.EMFILE: "raise the limit (`ulimit -n`) or use fewer workers",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENFILE: "close other programs and run the same command again",
    errno.ENOENT: "check the path",
    errno.ENOMEM: "close other programs, or use fewer workers",
    errno.ENOSPC: "free some space and run the same command again",
    errno.ENOTDIR: "name a folder",
    errno.EPERM: "change its permissions, or name another place",
    errno.EROFS: "mount it for writing, or use a copy or another place",
}
"""What to do about an error of the system, by its number."""

_STORAGE_TROUBLE: dict[int, int | str] = {
    sqlite3.SQLITE_BUSY: "wait until the other program ends, or stop it",
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_CONSTRAINT: "get the catalog anew",
    sqlite3.SQLITE_CORRUPT: "go on with a copy of it",
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: "check the disk, and that there is room on it",
    sqlite3.SQLITE_LOCKED: "wait until the other program ends, or stop it",
    sqlite3.SQLITE_NOTADB: "go on with a copy of it",
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_PROTOCOL: "wait until the other program ends, or stop it",
    sqlite3.SQLITE_READONLY: errno.EACCES,
}
"""What SQLite says of the disk and of other processes, and what to do; all else is a bug of ours.

A number stands for the advice of that error of the system.
"""


class StrictGroup(click.Group):
    """A group whose commands refuse an option that is given twice.

    Of an option with one value, click takes the last one and says nothing of the others, which is
    how ``--data A --data B`` would train on B alone.
    """

    group_class = type  # what is made with `@group.group` is strict, too

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command and its arguments, which have been searched for such options."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            if not any(parameter.name == "plugin" for parameter in command.params):
                command.params.append(plugin_option(hidden=True))
            _refuse_repeats(command, click.Context(command, parent=ctx, info_name=name), rest)
        return name, command, rest


class LazyGroup(StrictGroup):
    """A group whose commands are imported only when they are called.

    ``yt360 --help`` must not wait for torch. Each command lives in a module of its own, as an
    attribute named ``command``.

    Args:
        modules: Command name -> (module path, one-line help).
    """

    def __init__(self, *args: Any, modules: dict[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.modules = modules
        self.params.append(plugin_option())

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of the pipeline."""
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the module behind a name and return its command."""
        if cmd_name not in self.modules:
            return None
        command: click.Command = import_module(self.modules[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.modules.items()])


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP came: everything ends as after Ctrl-C.

    Attributes:
        signal: Which one.
    """

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__()
        self.signal = signal.Signals(number)


def run(group: click.Group, arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit.

    Exit codes: 0 after success; 2 with one line after `UserError`, `BadItem` or trouble with a
    disk; 129, 130, 143 with one line after SIGHUP, Ctrl-C and SIGTERM; 141 when nobody reads the
    output; what a command returns by ``context.exit``; 1 with a traceback after a bug.
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
        if isinstance(error, sqlite3.Error) and not _is_storage_trouble(error):
            raise
        if not isinstance(error, UserError | BadItem) and "YT360_DEBUG" in os.environ:
            raise
        echo(f"error: {_one_line(error)}", err=True)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


def _print_usage(error: click.ClickException) -> None:
    """Print what click says of a wrong command line: the help where no command is given."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        echo(*error.format_message().splitlines(), err=True)
        return
    context = getattr(error, "ctx", None)
    if context is not None:
        echo(*context.get_usage().splitlines(), err=True)
        echo(f"Try '{context.command_path} --help' for help.", "", err=True)
    echo(f"Error: {' '.join(error.format_message().split())}", err=True)


def _call(group: click.Group, arguments: Sequence[str] | None) -> Any:
    """Return what a command returns; signals end it as Ctrl-C does, so that all is given back.

    Libraries in C drop an interrupt that comes while they import, and fail on what is missing then:
    whatever is raised after a signal counts as its effect.
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
    """Let SIGTERM, SIGINT and SIGHUP call a function while the block runs.

    SIGINT is left alone where it is ignored (a job in the background), and SIGHUP likewise (nohup).
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
    echo(f"{what}; run the same command again to go on", err=True)
    sys.exit(128 + number)


def examples(*lines: str) -> Callable[[click.Command], click.Command]:
    """Return a decorator (above ``@click.command``) that adds an Examples block to the help."""

    def add(command: click.Command) -> click.Command:
        command.epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
        return command

    return add


def renamed_options(new_names: Mapping[str, str]) -> Callable[[_Decorated], _Decorated]:
    """Return a decorator (beside ``@click.option``) that refuses the former options of a command.

    Args:
        new_names: Former option -> what to give instead: ``{"--old": "--new"}``. The former one may
            have taken a value or been a flag.
    """

    def refuse(context: click.Context, parameter: click.Parameter, value: str | None) -> None:  # noqa: ARG001
        if value is not None:
            old = parameter.opts[0]
            raise UserError(
                f"{old} was renamed; use {new_names[old]}", code="unknown-name", key=old
            )

    def add(command: _Decorated) -> _Decorated:
        for old in new_names:
            # Eager, so that it is refused before anything else of the command line is checked.
            command = click.option(
                old,
                is_flag=False,
                flag_value="",  # its value may be missing
                is_eager=True,
                hidden=True,
                expose_value=False,
                callback=refuse,
            )(command)
        return command

    return add


def plugin_option(*, hidden: bool = False) -> click.Option:
    """Return the option ``--plugin``, which imports modules before other options are read."""
    return click.Option(
        ["--plugin"],
        multiple=True,
        metavar="MODULE",
        is_eager=True,
        expose_value=False,
        hidden=hidden,
        callback=lambda _context, _parameter, modules: load_plugins(modules),
        help="Import a module that registers entries of your own; repeatable, before or after the "
        "command. See docs/extending.md.",
    )


def _refuse_repeats(command: click.Command, context: click.Context, arguments: list[str]) -> None:
    """Raise UserError when an option with one value, or a flag, stands more than once."""
    _, _, given = command.make_parser(context).parse_args(list(arguments))
    options = [each for each in given if isinstance(each, click.Option)]
    if any(option.is_eager and option.is_flag for option in options):
        return  # --help and --version do nothing else
    counts = Counter(o.name for o in options if not (o.multiple or o.count))
    for option in options:
        if counts[option.name] > 1:
            spelled = "/".join([*option.opts, *option.secondary_opts])
            raise UserError(
                f"{spelled} is given {counts[option.name]} times; give it once",
                code="conflict",
                key=option.opts[0],
            )


def unique_keys(
    context: click.Context,  # noqa: ARG001
    parameter: click.Parameter,
    changes: tuple[str, ...],
) -> tuple[str, ...]:
    """Refuse ``KEY=VALUE`` texts of which one sets what another one sets, too; a callback.

    ``optimizer=VALUE`` sets ``optimizer.lr``, too.
    """
    keys: list[str] = []
    for change in changes:
        key = change.partition("=")[0].strip()
        for other in keys:
            if f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}."):
                twice = min(key, other, key=len)
                raise UserError(
                    f"{parameter.opts[0]} sets {twice} twice; set it once",
                    code="conflict",
                    key=twice,
                )
        keys.append(key)
    return changes


def _is_storage_trouble(error: sqlite3.Error) -> bool:
    """Say whether the disk or another process is to blame."""
    return _primary_code(error) in _STORAGE_TROUBLE


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _one_line(error: Exception) -> str:
    text = str(error)
    if isinstance(error, OSError):
        text = _os_error_text(error)
    elif isinstance(error, sqlite3.Error):
        text = _sqlite_error_text(error)
    return shortened(" ".join(text.split())) or type(error).__name__


def _sqlite_error_text(error: sqlite3.Error) -> str:
    """Return what failed, with the name of the file that the error was given as a note."""
    where = "".join(f"{note}: " for note in getattr(error, "__notes__", [])[:1])
    hint = _STORAGE_TROUBLE[_primary_code(error)]
    return f"{where}{error}; {_ADVICE.get(hint, hint) if isinstance(hint, int) else hint}"


def _os_error_text(error: OSError) -> str:
    """Return what failed, with the names of the files, and what to do."""
    if not error.errno or not error.strerror:
        return str(error)
    names = [each for each in (error.filename, error.filename2) if isinstance(each, str | bytes)]
    where = " to ".join(os.fsdecode(name) for name in names)
    what = str(error.strerror)
    if what == os.strerror(error.errno):  # else it is a sentence of ours, which says what to do
        hint = _ADVICE.get(error.errno)
        what = what[0].lower() + what[1:] + (f"; {hint}" if hint else "")
    return f"{where}: {what}" if where else what
