"""``yt360 doctor``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from yt360.commands.group import examples
from yt360.terminal.output import echo, echo_marked

MARKS = {"ok": ("ok", "green"), "missing": ("MISSING", "red"), "optional": ("absent", "yellow")}


@examples("yt360 doctor")
@click.command("doctor")
def command() -> None:
    """Check what this machine can do, and print how to install what is missing.

    The exit code is 1 if a required part is missing. Parts marked "absent" are optional.
    """
    from yt360.doctor import examine

    findings = examine(Path.cwd())
    width = max(len(finding.job) for finding in findings)
    for finding in findings:
        mark, colour = MARKS[finding.state]
        echo_marked(f"{mark:>7}", colour, f"  {finding.job:<{width}}  {finding.found}")
        if finding.fix:
            echo(f"{'':>7}  {'':<{width}}  -> {finding.fix}")
    if any(finding.state == "missing" for finding in findings):
        sys.exit(1)
