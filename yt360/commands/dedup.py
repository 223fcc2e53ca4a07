"""``yt360 dedup``: find videos of the same footage."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yt360.commands.executor_options import executor_options, workers_option
from yt360.commands.group import examples
from yt360.duplicates.kinds import GROUPINGS, KINDS
from yt360.files import check_page_path
from yt360.terminal.output import echo, echo_json

if TYPE_CHECKING:
    from yt360.duplicates.run import DedupReport

MAX_LINES = 20


@examples(
    "yt360 dedup my.catalog --report pairs.html",
    "yt360 dedup DATASET --workers 8",
    "yt360 dedup DATASET --group same-place",
)
@click.command("dedup")
@click.argument("path", metavar="CATALOG | DATASET", type=Path)
@click.option("--report", type=Path, help="Write an HTML page with frames of the pairs.")
@click.option("--json", "as_json", is_flag=True, help="Print the pairs as a JSON list.")
@click.option(
    "--group",
    type=click.Choice(list(GROUPINGS)),
    default="same-footage",
    show_default=True,
    help="Pairs whose videos are kept in one split: those that show the same moment, or also those "
    "that show another moment from the same position.",
)
@click.option(
    "--min-match-s", default=4.0, show_default=True, help="Shortest common part in seconds."
)
@workers_option
@executor_options
def command(
    path: Path,
    report: Path | None,
    as_json: bool,
    workers: int | None,
    executor: str,
    executor_config: Path | None,
    **options: Any,
) -> None:
    """Find videos of the same footage, even if re-encoded, trimmed, scaled or rotated.

    Compares the video and the audio of the downloaded videos of a catalog, or of the clips of a
    dataset. Groups of videos are stored beside the catalog or in the dataset, and `yt360
    build-shards` keeps each group in one split. A second run fingerprints only new media.
    """
    from yt360.duplicates.config import DedupConfig
    from yt360.duplicates.run import dedup, open_inputs
    from yt360.execution.engines.choice import open_executor
    from yt360.execution.executor import limited_pools, workers_of

    engine = open_executor(executor, executor_config, path)
    config = DedupConfig(**options, workers=workers_of(engine, workers, 1))
    if report is not None:
        check_page_path(report)
    inputs = open_inputs(path)
    found = dedup(inputs, config, limited_pools(engine))
    if as_json:
        echo_json([pair.row() for pair in found.pairs])
    else:
        _print(found)
    if report is not None:
        from yt360.duplicates.report import write_report

        write_report(found, report, config.workers, limited_pools(engine))
        echo(f"{report}: pictures of the pairs", err=as_json)


def _print(found: DedupReport) -> None:
    for skipped in found.skipped[:MAX_LINES]:
        echo(f"skipped: {skipped.name}: {skipped.reason}: {skipped.detail}")
    if len(found.skipped) > MAX_LINES:
        echo(f"skipped: {len(found.skipped) - MAX_LINES} more")
    for pair in found.pairs[:MAX_LINES]:
        match = pair.match
        echo(
            f"{match.kind:<13} {match.score:4.2f}  {pair.video_a} at {match.start_a_s:g} s, "
            f"{pair.video_b} at {match.start_b_s:g} s, for {match.duration_s:g} s, "
            f"turned by {match.yaw_deg:g}°"
        )
    if len(found.pairs) > MAX_LINES:
        echo(f"{len(found.pairs) - MAX_LINES} more pairs, see {found.folder / 'pairs.parquet'}")
    counts = Counter(pair.match.kind for pair in found.pairs)
    shown = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS)
    echo(f"{found.recordings} recordings compared; pairs: {shown}")
    videos = sum(map(len, found.groups))
    echo(f"{found.folder / 'groups.json'}: {len(found.groups)} groups of {videos} videos")
    for group in found.crossing[:MAX_LINES]:
        echo(f"warning: in both train and test: {', '.join(group)}")
    if found.crossing:
        echo(
            f"warning: {len(found.crossing)} groups are in both train and test; a split never "
            "changes: build into another --out with --groups and this groups.json"
        )
