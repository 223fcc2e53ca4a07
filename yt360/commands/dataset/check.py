"""``yt360 check``: verify a dataset."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from yt360.commands.executor_options import executor_options, workers_option
from yt360.commands.group import examples
from yt360.terminal.output import echo
from yt360.terminal.text import counted


@examples("yt360 check DATASET", "yt360 check DATASET --quick --workers 4")
@click.command("check")
@click.argument("dataset", type=Path)
@click.option(
    "--quick", is_flag=True, help="Compare checksums, names and the index; do not decode."
)
@workers_option
@executor_options
def command(
    dataset: Path,
    quick: bool,
    workers: int | None,
    executor: str,
    executor_config: Path | None,
) -> None:
    """Verify the checksums, keys, members, order and index of a dataset, and decode every clip.

    Prints one line for each fault. The exit code is 1 if there is a fault.
    """
    from yt360.execution.engines.choice import open_executor
    from yt360.execution.executor import limited_pools, workers_of
    from yt360.shards.check.dataset import check_dataset
    from yt360.shards.format.dataset_info import DatasetInfo

    faults = 0
    engine = open_executor(executor, executor_config, dataset)
    pools = limited_pools(engine)
    for fault in check_dataset(dataset, quick, workers_of(engine, workers, 1), pools):
        echo(fault)
        faults += 1
    info = DatasetInfo.load(dataset)
    shards = sum(len(split.shards) for split in info.splits.values())
    checked = f"{counted(info.num_clips, 'clip')}, {counted(shards, 'shard')}"
    if faults:
        echo(f"{counted(faults, 'fault')} in {checked}")
        sys.exit(1)
    echo(f"{dataset}: no faults in {checked}")
