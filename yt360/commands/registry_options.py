"""Options that choose an entry of a registry and set its options."""

from __future__ import annotations

from typing import Any

import click

from yt360.commands.group import unique_keys
from yt360.errors import UserError
from yt360.registry import Registry
from yt360.terminal.text import shortened


class EntryName(click.ParamType):
    """The name of an entry; the help lists the entries, those of plugins included.

    Args:
        registry: The registry that it is looked up in.
    """

    name = "entry"

    def __init__(self, registry: Registry[Any]) -> None:
        self.registry = registry

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        """Return the name.

        Raises:
            UserError: There is no such entry.
        """
        return self.registry[value].name

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return the names as click shows choices."""
        return f"[{'|'.join(self.registry)}]"


class EntryOption(click.Option):
    """An option of type `EntryName` whose help describes every entry."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option and its help, with a sentence an entry."""
        record = super().get_help_record(ctx)
        if record is None or not isinstance(self.type, EntryName):
            return record
        entries = self.type.registry.entries()
        return record[0], " ".join([record[1], *(f"{each.name}: {each.line}" for each in entries)])


def set_option(help_text: str, example: str = "threshold=0.5") -> Any:
    """Return a decorator that adds ``--set KEY=VALUE``, passed as the dict ``settings``."""

    def parsed(
        context: click.Context, parameter: click.Parameter, settings: tuple[str, ...]
    ) -> dict[str, str]:
        unique_keys(context, parameter, settings)
        for setting in settings:
            if "=" not in setting:
                raise UserError(
                    f"--set {shortened(setting, 80)!r} is not KEY=VALUE, such as {example}",
                    key="--set",
                )
        return {key.strip(): value for key, _, value in (each.partition("=") for each in settings)}

    return click.option(
        "--set", "settings", multiple=True, metavar="KEY=VALUE", callback=parsed, help=help_text
    )
