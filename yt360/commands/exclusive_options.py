"""Options that do not go together: refused in one line, so that none is dropped in silence."""

from __future__ import annotations

from collections.abc import Collection

import click
from click.core import ParameterSource

from yt360.errors import UserError


def refuse(context: click.Context, names: Collection[str], why: str) -> None:
    """Raise UserError when one of these parameters of a command was given.

    Args:
        context: Of the command.
        names: As the command's function has them.
        why: Ends the sentence that begins with the option: ``"goes with files"``.
    """
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in names and context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise UserError(f"{parameter.opts[0]} {why}")
