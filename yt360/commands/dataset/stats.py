"""``yt360 stats``: count the content of a dataset or a catalog."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yt360.commands.exclusive_options import refuse
from yt360.commands.group import examples
from yt360.terminal.output import echo, echo_json

if TYPE_CHECKING:
    from yt360.stats.counts import DatasetCounts

BAR = 30
MAX_CATEGORIES = 8


@examples(
    "yt360 stats DATASET",
    "yt360 stats DATASET --plots figures",
    "yt360 stats DATASET --labels",
    "yt360 stats my.catalog --json",
    "yt360 stats my.catalog --survival",
)
@click.command("stats")
@click.argument("path", metavar="DATASET|CATALOG", type=Path)
@click.option("--plots", metavar="FOLDER", type=Path, help="Write the histograms as PNG files.")
@click.option("--labels", is_flag=True, help="Count the classes of the dataset's labels instead.")
@click.option(
    "--name", default="panoptic", show_default=True, help="Label set to count with --labels."
)
@click.option(
    "--survival",
    is_flag=True,
    help="Count, for each imported list of a catalog, the videos that are alive and gone instead.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(
    context: click.Context,
    path: Path,
    plots: Path | None,
    labels: bool,
    name: str,
    survival: bool,
    as_json: bool,
) -> None:
    """Count the videos, clips and hours of a dataset or a catalog, and print histograms.

    With --labels, count the classes in the labels of a dataset. With --survival, count the videos
    of each imported list of a catalog that are still available, with the dates of the checks.
    """
    if survival:
        refuse(context, ("plots", "labels", "name"), "cannot be combined with --survival")
        _survival(path, as_json)
        return
    if labels:
        refuse(context, ("plots",), "does not draw labels; use it without --labels")
        from yt360.labels.class_counts import count_labels

        found = count_labels(path, name)
        if as_json:
            echo_json(found.to_json())
        else:
            echo(*found.lines())
        return
    refuse(context, ("name",), "requires --labels")
    stats, more = _collect(path)
    if as_json:
        echo_json({**stats.to_json(), **more})
    else:
        _print(stats, more)
    if plots is not None:
        from yt360.stats.plots import plot_counts

        for file in plot_counts(stats, plots):
            echo(f"wrote {file}", err=as_json)


def _survival(path: Path, as_json: bool) -> None:
    from yt360.catalog.opening import is_catalog
    from yt360.errors import UserError

    if path.exists() and not is_catalog(path):
        message = f"--survival is for a catalog; {path} is none"
        raise UserError(message, "unsupported", path)
    from yt360.catalog import Catalog
    from yt360.catalog.reports.survival import survival_lines, survival_of

    with Catalog(path) as catalog:
        lists = survival_of(catalog)
    if as_json:
        echo_json([each.to_json() for each in lists])
    elif not lists:
        echo("the catalog has no videos; add some with `yt360 import` or `yt360 search`")
    else:
        echo(*survival_lines(lists))


def _collect(path: Path) -> tuple[DatasetCounts, dict[str, Any]]:
    """Return the counts, and further properties of a dataset."""
    from yt360.catalog.opening import is_catalog

    if is_catalog(path):
        from yt360.catalog import Catalog
        from yt360.stats.catalog_counts import count_catalog

        with Catalog(path) as catalog:
            return count_catalog(catalog), {}
    from yt360.labels.format.label_set import label_sets
    from yt360.shards.format.dataset_info import DatasetInfo, losses_by_reason
    from yt360.stats.dataset_counts import count_dataset

    info = DatasetInfo.load(path)
    losses = losses_by_reason(info.rejected)
    return count_dataset(path), {
        "rejected": {reason: count for reason, (count, _) in losses.items()},
        "lost_s": {reason: lost_s for reason, (_, lost_s) in losses.items()},
        "covered_s": info.covered_s,
        "labels": label_sets(path),
    }


def _print(stats: DatasetCounts, more: dict[str, Any]) -> None:
    echo(f"{'':<10}{'videos':>9}{'clips':>9}{'hours':>10}")
    for name, row in stats.rows.items():
        echo(f"{name:<10}{row.videos:>9}{row.clips:>9}{row.hours:>10.2f}")
    for reason, count in more.get("rejected", {}).items():
        echo(f"left out: {count} {reason}, {more['lost_s'][reason]:.1f} s")
    if "labels" in more:
        echo(f"labels: {', '.join(more['labels']) or 'none'}")
    for histogram in stats.histograms:
        echo("", f"{histogram.name}: {histogram.counts.sum()} values")
        ranges = _merged(histogram)
        most = max(count for _, _, count in ranges)
        for low, high, count in ranges:
            bar = "#" * round(BAR * count / most)
            echo(f"{low:>10.4g} to {high:<10.4g}{count:>8}  {bar}")
    for name, counts in stats.categories.items():
        words = [f"{word} {count}" for word, count in counts.most_common(MAX_CATEGORIES)]
        rest = len(counts) - len(words)
        echo("", f"{name}: {', '.join(words)}{f', {rest} more' if rest > 0 else ''}")


def _merged(histogram: Any, most_lines: int = 10) -> list[tuple[float, float, int]]:
    """Return (low, high, count) of at most `most_lines` neighbouring ranges taken together."""
    step = -(-len(histogram.counts) // most_lines)
    starts = range(0, len(histogram.counts), step)
    return [
        (
            float(histogram.edges[start]),
            float(histogram.edges[min(start + step, len(histogram.counts))]),
            int(histogram.counts[start : start + step].sum()),
        )
        for start in starts
    ]
