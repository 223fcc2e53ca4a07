"""Refuse options that cannot be combined, instead of ignoring one of them."""

from __future__ import annotations

from collections.abc import Collection

import click
from click.core import ParameterSource

from yt360.errors import UserError


def refuse(context: click.Context, names: Collection[str], why: str) -> None:
    """Raise UserError if one of these parameters of a command was given.

    Args:
        context: The command's context.
        names: The parameters, as the command's function names them.
        why: The end of the sentence that starts with the option: ``"is for files only"``.
    """
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in names and context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise UserError(f"{parameter.opts[0]} {why}", code="conflict", key=parameter.opts[0])
