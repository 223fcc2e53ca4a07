"""``avsa eval all``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from avsa.commands.evals.common import (
    data_options,
    echo_record,
    results_folder,
    subject_options,
    worker_options,
)
from yt360.commands.group import examples
from yt360.commands.registry_options import set_option
from yt360.execution.collection import uncollected_imports
from yt360.terminal.output import echo

if TYPE_CHECKING:
    from avsa.evals.all import Planned
    from avsa.evals.subject import Evaluated

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@examples(
    "avsa eval all runs/avsa --data DATASET",
    "avsa eval all runs/avsa --data DATASET --scenes SCENES --ucf101 UCF-101 --hmdb51 HMDB51",
    "avsa eval all runs/avsa --data DATASET --set segmentation.batch_size=8 --dry-run",
)
@click.command("all")
@data_options
@subject_options
@worker_options
@click.option(
    "--scenes", type=FOLDER, help="Folder of the synthetic scenes from which the dataset was built."
)
@click.option("--ucf101", type=FOLDER, help="Folder of UCF101.")
@click.option("--hmdb51", type=FOLDER, help="Folder of HMDB51.")
@set_option("Set EVALUATION.OPTION of one evaluation; repeatable.", "segmentation.batch_size=8")
@click.option(
    "--skip",
    metavar="NAME",
    multiple=True,
    help="Leave out an evaluation, or one of its variants, such as 'segmentation "
    "inputs=video+audio'; repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Print the commands, and what is skipped and why.")
@click.pass_context
def command(
    context: click.Context,
    subject: str,
    data: str | None,
    out: Path | None,
    seed: int | None,
    device: str,
    cache_gb: float | None,
    executor: str,
    executor_config: Path | None,
    workers: int | None,
    scenes: Path | None,
    ucf101: Path | None,
    hmdb51: Path | None,
    settings: dict[str, str],
    skip: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Carry out every evaluation that the model and the data allow.

    Each evaluation writes a record of its own, so a second call continues where the first one
    stopped. An evaluation that fails does not stop the others; the exit code is then 2, or 1 after
    an internal error. --executor and --workers hold for what is computed clip by clip: features of
    frozen encoders, and the maps of localization.
    """
    with uncollected_imports():
        from avsa.data.remote.mirror import dataset_folder
        from avsa.evals.all import Failure, evaluate_all, leave_out, plan
        from avsa.evals.base import Offer, describe_dataset
        from avsa.evals.subject import open_subject
        from avsa.evals.workers.pool import choose_workers
        from avsa.training.distributed import joined_world

    with joined_world(device) as world:

        def open_again() -> Evaluated:
            return open_subject(subject, str(world.device))

        offer = Offer(
            subject=open_again(),
            dataset=None if data is None else dataset_folder(data, cache_gb),
            scenes=scenes,
            ucf101=ucf101,
            hmdb51=hmdb51,
        )
        folder = results_folder(subject, out)
        pool = choose_workers(executor, executor_config, workers, device, folder, world)
        if offer.dataset is not None:
            describe_dataset(offer.dataset)  # raises if it is not a dataset
        planned = leave_out(plan(offer, seed or 0, settings), skip)
        if dry_run:
            echo(*(each.command(offer, folder) for each in planned if each.config))
            echo(*_skipped(planned), err=True)
            return
        failures = []
        for outcome in evaluate_all(planned, offer, folder, world, open_again, pool):
            if isinstance(outcome, Failure):
                failures.append(outcome)
                if world.is_first:
                    echo(f"{outcome.title}: failed: {outcome.reason}", err=True)
            elif world.is_first:
                done, record, path = outcome
                echo(done.title)
                echo_record(record, path)
    if world.is_first:
        echo(*_skipped(planned), *(f"failed: {f.title}: {f.reason}" for f in failures), err=True)
    if failures:
        context.exit(1 if any(each.is_bug for each in failures) else 2)


def _skipped(planned: list[Planned]) -> list[str]:
    return [f"skipped: {each.title}: needs {each.lacks}" for each in planned if each.lacks]
