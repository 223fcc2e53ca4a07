"""``avsa report``."""

from __future__ import annotations

from pathlib import Path

import click

from yt360.commands.group import examples
from yt360.files import check_page_path
from yt360.terminal.output import echo


@examples(
    "avsa report runs/avsa --out report.html",
    "avsa report runs/avsa runs/avsa-seed1 runs/avc --out report.html --markdown report.md",
)
@click.command("report")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The report: a page that needs no other file (.html), or Markdown (.md).",
)
@click.option(
    "--markdown",
    type=click.Path(path_type=Path),
    help="Write the report also to this file, as Markdown (.md).",
)
def command(runs: tuple[Path, ...], out: Path, markdown: Path | None) -> None:
    """Show the results of avsa eval in the paper's tables, beside the paper's numbers.

    RUN is the folder of a run, or the --out of evaluations. Runs that differ only in their seeds
    are averaged. Missing numbers are listed with the commands that fill them.
    """
    from avsa.evals.report.write import MARKDOWN, write_report

    if markdown is not None:
        check_page_path(markdown, MARKDOWN)
    outputs = [out] if markdown is None else [out, markdown]
    report = write_report(runs, *outputs)
    missing = sum(len(table.fills) for table in (*report.tables, *report.further))
    echo(f"{len(report.records)} results, and {missing} commands for missing ones", *outputs)
