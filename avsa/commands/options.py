"""Options that several commands share."""

from __future__ import annotations

import click

from yt360.commands.group import unique_keys

set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    callback=unique_keys,
    metavar="KEY=VALUE",
    help="Change a key of the recipe (`avsa train --help-config`); repeatable.",
)
device_option = click.option(
    "--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."
)
