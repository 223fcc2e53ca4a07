"""``yt360 stats``: what a dataset holds."""

from __future__ import annotations

import json
from pathlib import Path

import click

from yt360.cli_group import examples


@examples("yt360 stats DATASET", "yt360 stats DATASET --labels", "yt360 stats DATASET --json")
@click.command("stats")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--labels", is_flag=True, help="Histogram of the classes of its labels.")
@click.option("--name", default="panoptic", show_default=True, help="Set of labels to count.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(dataset: Path, labels: bool, name: str, as_json: bool) -> None:
    """Say what DATASET holds: clips, videos, hours; with --labels, how often each class occurs."""
    if labels:
        from yt360.labels.stats import label_stats

        stats = label_stats(dataset, name)
        click.echo(json.dumps(stats.to_json(), indent=2) if as_json else "\n".join(stats.lines()))
        return
    from yt360.labels.store import label_sets
    from yt360.shards.schema import DatasetInfo

    info = DatasetInfo.load(dataset)
    content = {
        split: {"clips": part.clips, "videos": part.videos, "hours": part.duration_s / 3600}
        for split, part in info.splits.items()
    }
    rejected = info.rejected_by_reason()
    sets = label_sets(dataset)
    if as_json:
        click.echo(json.dumps({"splits": content, "rejected": rejected, "labels": sets}, indent=2))
        return
    for split, facts in content.items():
        click.echo(
            f"{split:<6} {facts['clips']:>7} clips {facts['videos']:>6} videos "
            f"{facts['hours']:8.2f} h"
        )
    for reason, count in rejected.items():
        click.echo(f"left out: {count} {reason}")
    click.echo(f"labels: {', '.join(sets) or 'none'}")
