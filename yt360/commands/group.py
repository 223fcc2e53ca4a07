"""The click group of both command lines, which imports a command when it is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import click

from yt360.buckets.address import as_url
from yt360.errors import UserError, did_you_mean
from yt360.plugins import load_plugins

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


class PathOrUrl(click.ParamType):
    """The type of a parameter that takes a local path or the URL of a folder in a bucket."""

    name = "path"

    def convert(self, value: Any, param: Any, ctx: Any) -> Path:  # noqa: ARG002
        """Return a `Path`, in which two slashes are one (`yt360.buckets.address.as_url`)."""
        return Path(value)


PATH_OR_URL = PathOrUrl()


class StrictGroup(click.Group):
    """A group that suggests names of commands, and whose commands refuse what click accepts.

    Those are an option given twice, of which click would use the last value silently (``--data A
    --data B`` would train on B), a URL where a path on this machine is meant (``--out s3://B/C``
    would write to a folder named ``s3:``), and an empty path (an unset variable of a shell), which
    would mean the current folder.
    """

    group_class = type  # groups made with `@group.group` are strict, too

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command and its arguments; refuse repeated options and wrong paths.

        Raises:
            UserError: There is no such command (``unknown-name``), an option that takes one value
                is given twice (``conflict``), or a path is a URL (``unsupported``) or empty
                (``empty``).
        """
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            known = did_you_mean(args[0], self.list_commands(ctx))
            raise UserError(
                f"{ctx.command_path} has no command {args[0]!r}{known}", "unknown-name", args[0]
            )
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            if not any(parameter.name == "plugin" for parameter in command.params):
                command.params.append(plugin_option(hidden=True))
            context = click.Context(command, parent=ctx, info_name=name)
            values, _, given = command.make_parser(context).parse_args(list(rest))
            options = [each for each in given if isinstance(each, click.Option)]
            if not any(option.is_eager and option.is_flag for option in options):
                _refuse_repeats(options)  # --help and --version do nothing else
                _check_paths(command, values)
        return name, command, rest


class LazyGroup(StrictGroup):
    """A group whose commands are imported only when they are called.

    ``yt360 --help`` must not wait for torch. Each command is the attribute ``command`` of a module.

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


def examples(*lines: str) -> Callable[[click.Command], click.Command]:
    """Return a decorator (above ``@click.command``) that adds an Examples block to the help."""

    def add(command: click.Command) -> click.Command:
        command.epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
        return command

    return add


def renamed_options(new_names: Mapping[str, str]) -> Callable[[_Decorated], _Decorated]:
    """Return a decorator (beside ``@click.option``) that refuses the former options of a command.

    Args:
        new_names: Former option -> new option: ``{"--old": "--new"}``. The former option may take a
            value or be a flag.
    """

    def refuse(context: click.Context, parameter: click.Parameter, value: str | None) -> None:  # noqa: ARG001
        if value is not None:
            old = parameter.opts[0]
            raise UserError(
                f"{old} was renamed; use {new_names[old]}", code="unknown-name", key=old
            )

    def add(command: _Decorated) -> _Decorated:
        for old in new_names:
            # Eager, so that it is refused before the rest of the command line is checked.
            command = click.option(
                old,
                is_flag=False,
                flag_value="",  # the value may be missing
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


def _check_paths(command: click.Command, values: Mapping[str, Any]) -> None:
    """Raise UserError if a parameter that takes local paths is given a URL, or an empty text."""
    for parameter in command.params:
        kind, value = parameter.type, values.get(parameter.name or "")
        is_local = isinstance(kind, click.Path) or getattr(kind, "func", None) is Path
        if not is_local and not isinstance(kind, PathOrUrl):
            continue
        is_option = isinstance(parameter, click.Option)
        shown = parameter.opts[0] if is_option else parameter.human_readable_name
        for each in value if isinstance(value, list | tuple) else [value]:
            if not isinstance(each, str):
                continue
            url = as_url(each, shown)
            if url and is_local:
                raise UserError(
                    f"{url} is not on this machine, and {shown} takes a path; give one, and copy "
                    "files by the tools of the bucket or the server",
                    code="unsupported",
                    key=url,
                )


def _refuse_repeats(options: Sequence[click.Option]) -> None:
    """Raise UserError if a flag, or an option with one value, is given more than once."""
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
    """Refuse ``KEY=VALUE`` texts that set the same key; a callback of click.

    ``optimizer=VALUE`` also sets ``optimizer.lr``.
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
