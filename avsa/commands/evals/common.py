"""What all commands below ``avsa eval`` share: arguments, and carrying out an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from avsa.commands.options import device_option
from yt360.commands.registry_options import set_option
from yt360.errors import UserError
from yt360.terminal.output import echo

if TYPE_CHECKING:
    from avsa.evals.result import Record

Decorated = Callable[..., Any]


def evaluation_options(command: Decorated) -> Decorated:
    """Add RUN, --data, --out, --seed, --set, --device and --cache-gb to a command.

    They arrive as ``subject``, ``data``, ``out``, ``seed``, ``settings``, ``device`` and
    ``cache_gb``; all but ``subject`` go on to `carry_out`.
    """
    setting = set_option("Set an option of the evaluation; repeatable.", "schedule.epochs=5")
    return subject_options(setting(command))


def subject_options(command: Decorated) -> Decorated:
    """Add the options of `evaluation_options` without --set."""
    for option in (
        click.option("--cache-gb", type=float, help="Size of the cache of a remote dataset."),
        device_option,
        click.option("--seed", type=click.IntRange(min=0), help="Seed.  [default: 0]"),
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            help="Folder in which eval/ is created.  [default: RUN]",
        ),
        click.option("--data", help="Dataset folder, or its address (https://..., s3://...)."),
        click.argument("subject", metavar="RUN"),
    ):
        command = option(command)
    return command


def carry_out(
    kind: str,
    subject: str,
    options: Mapping[str, Any],
    *,
    data: str | None,
    out: Path | None,
    seed: int | None,
    settings: Mapping[str, str],
    device: str,
    cache_gb: float | None,
) -> None:
    """Evaluate, and print the numbers.

    Args:
        kind: The evaluation.
        subject: What RUN names.
        options: Options of the evaluation by name, of which those that are None are left out.
        data: See `evaluation_options`, as for the following.
        out: Folder.
        seed: Seed.
        settings: Options given by ``--set``, as texts.
        device: Device.
        cache_gb: Size of the cache.

    Raises:
        UserError: An option is unknown or given twice, or the evaluation fails.
    """
    from avsa.data.remote.mirror import dataset_folder
    from avsa.evals.config_options import configure
    from avsa.evals.run import evaluate
    from avsa.evals.subject import open_subject
    from avsa.training.distributed import joined_world

    given = {key: value for key, value in {**options, "seed": seed}.items() if value is not None}
    config = configure(kind, given, settings)
    folder = results_folder(subject, out)
    with joined_world(device) as world:
        dataset = None if data is None else dataset_folder(data, cache_gb)
        evaluated = open_subject(subject, str(world.device))
        record, path = evaluate(config, evaluated, dataset, folder, world)
        if world.is_first:
            echo_record(record, path)


def results_folder(subject: str, out: Path | None) -> Path:
    """Return the folder in which the results of a model belong.

    Raises:
        UserError: ``"missing"``: It is not that of a run, and `out` is None.
    """
    from avsa.evals.subject import folder_of

    folder = out or folder_of(subject)
    if folder is None:
        raise UserError(
            f"{subject} is not the folder of a run; give --out, the folder for the results",
            "missing",
            "--out",
        )
    return folder


def echo_record(record: Record, path: Path) -> None:
    """Print the numbers and notes of a record, and where it is."""
    width = max(map(len, record.result.metrics), default=0)
    echo(*(f"{n:{width}}  {metric}" for n, metric in record.result.metrics.items()))
    echo(*record.result.notes, str(path))
