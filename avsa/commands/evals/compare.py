"""``avsa compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from yt360.commands.group import examples
from yt360.terminal.output import echo
from yt360.terminal.text import table

if TYPE_CHECKING:
    from avsa.evals.comparison.runs import Compared

HEADING = ("metric", "difference", "95 % interval", "p", "by seed")


@examples(
    "avsa compare runs/avsa --with runs/avc",
    "avsa compare runs/avsa-0 runs/avsa-1 --with runs/avc-0 --with runs/avc-1",
)
@click.command("compare")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--with",
    "others",
    metavar="RUN",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Run of the other model; repeatable, for each training seed.",
)
def command(runs: tuple[Path, ...], others: tuple[Path, ...]) -> None:
    """Compare two models video by video, by the results of avsa eval.

    Prints the difference RUN minus --with of every metric of the evaluations that all runs have,
    with a 95 % interval and a p-value by a bootstrap over training seeds and test videos. Give
    several runs of a model if they differ by the training seed, both models in the same order.
    """
    from avsa.evals.comparison.runs import compare

    compared = compare(runs, others)
    for title in dict.fromkeys(each.evaluation for each in compared):
        rows = [_row(each) for each in compared if each.evaluation == title]
        echo(title, *table([HEADING, *rows], left=1))


def _row(compared: Compared) -> tuple[str, ...]:
    found, percent = compared.difference, compared.unit == "%"
    factor, digits = (100, 2) if percent else (1, 3)

    def text(value: float) -> str:
        return f"{factor * value:+.{digits}f}"

    interval = ""
    if found.low is not None and found.high is not None:
        interval = f"{text(found.low)} to {text(found.high)}"
    unit = " points" if percent else compared.unit
    return (
        compared.metric,
        text(found.value) + unit,
        interval,
        f"{found.p_value():.3f}",
        " ".join(map(text, found.by_seed)),
    )
