"""Shared parts of the commands of ``avsa eval``: arguments, and running an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from avsa.commands.options import device_option
from yt360.commands.executor_options import executor_options, workers_option
from yt360.commands.registry_options import set_option
from yt360.errors import UserError
from yt360.execution.collection import uncollected_imports
from yt360.terminal.output import echo
from yt360.terminal.text import table

if TYPE_CHECKING:
    from avsa.evals.result import Metric, Record

Decorated = Callable[..., Any]


def evaluation_options(command: Decorated) -> Decorated:
    """Add RUN and all options that evaluations of a dataset share.

    They arrive as ``subject``, ``data``, ``cache_gb``, ``out``, ``seed``, ``device`` and
    ``settings``; all but ``subject`` go on to `carry_out`.
    """
    return data_options(subject_options(setting_options(command)))


def subject_options(command: Decorated) -> Decorated:
    """Add RUN, --out, --seed and --device to a command."""
    return _with_options(
        command,
        device_option,
        click.option(
            "--seed", type=click.IntRange(min=0), help="Seed of the evaluation.  [default: 0]"
        ),
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            help="Folder in which eval/ is created.  [default: RUN]",
        ),
        click.argument("subject", metavar="RUN"),
    )


def data_options(command: Decorated) -> Decorated:
    """Add --data and --cache-gb to a command."""
    return _with_options(
        command,
        click.option(
            "--cache-gb", type=float, help="Size of the cache of a remote dataset in gigabytes."
        ),
        click.option("--data", help="Dataset folder, or its address (https://..., s3://...)."),
    )


def test_data_option(command: Decorated) -> Decorated:
    """Add --test-data, which arrives as ``test_data`` and goes on to `carry_out`."""
    return click.option(
        "--test-data",
        help="Test on the split test of another dataset, and train on --data.",
    )(command)


def worker_options(command: Decorated) -> Decorated:
    """Add --executor, --executor-config and --workers, which go on to `carry_out`."""
    return executor_options(workers_option(command))


def refused_worker_options(command: Decorated) -> Decorated:
    """Add the options of `worker_options` without help: `carry_out` says why they are refused."""
    return _with_options(
        command,
        click.option("--executor", default="local", hidden=True),
        click.option("--executor-config", type=click.Path(path_type=Path), hidden=True),
        click.option("--workers", type=click.IntRange(1), hidden=True),
    )


def setting_options(command: Decorated) -> Decorated:
    """Add --set and --help-config to a command whose name is that of the evaluation."""
    return _with_options(
        command,
        click.option(
            "--help-config",
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_reference,
            help="Print every option of the evaluation with its range and default.",
        ),
        set_option("Set an option that --help-config lists; repeatable.", "schedule.epochs=5"),
    )


def _with_options(command: Decorated, *options: Decorated) -> Decorated:
    """Add options to a command; the help lists them in reverse order."""
    for option in options:
        command = option(command)
    return command


def _print_reference(context: click.Context, _: click.Parameter, is_given: bool) -> None:
    if not is_given or context.resilient_parsing:
        return
    from avsa.evals import EVALUATIONS
    from yt360.config.reference import key_reference

    kind = str(context.command.name)
    echo(f"Options of {kind}, for --set KEY=VALUE.", *key_reference(EVALUATIONS.load(kind)))
    context.exit()


def carry_out(
    kind: str,
    subject: str,
    options: Mapping[str, Any],
    *,
    out: Path | None,
    seed: int | None,
    device: str,
    settings: Mapping[str, str],
    executor: str,
    executor_config: Path | None,
    workers: int | None,
    data: str | None = None,
    cache_gb: float | None = None,
    test_data: str | None = None,
) -> None:
    """Evaluate, and print the numbers.

    Args:
        kind: The evaluation.
        subject: Name or path of the model, from RUN.
        options: Options of the evaluation by name, of which those that are None are left out.
        out: See `evaluation_options`, as for the following.
        seed: Seed.
        device: Device.
        settings: Options given by ``--set``, as texts.
        executor: See `worker_options`, as for the following.
        executor_config: Options of the executor.
        workers: Number of processes.
        data: Dataset.
        cache_gb: Size of the cache.
        test_data: Dataset of the test, if it is another one.

    Raises:
        UserError: An option is unknown or given twice, or the evaluation fails.
    """
    with uncollected_imports():
        from avsa.data.remote.mirror import dataset_folder
        from avsa.evals.config_options import configure
        from avsa.evals.run import evaluate
        from avsa.evals.subject import open_subject
        from avsa.evals.workers.pool import choose_workers
        from avsa.training.distributed import joined_world

    given = {key: value for key, value in {**options, "seed": seed}.items() if value is not None}
    config = configure(kind, given, settings)
    with joined_world(device) as world:
        evaluated = open_subject(subject, str(world.device))
        folder = results_folder(subject, out)
        pool = choose_workers(executor, executor_config, workers, device, folder, world)
        dataset = None if data is None else dataset_folder(data, cache_gb)
        tested = None if test_data is None else dataset_folder(test_data, cache_gb)
        record, path = evaluate(config, evaluated, dataset, folder, world, tested, pool)
        if world.is_first:
            echo_record(record, path)


def results_folder(subject: str, out: Path | None) -> Path:
    """Return the folder in which the results of a model belong.

    Raises:
        UserError: ``"missing"``: It is not the folder of a run, and `out` is None.
    """
    from avsa.evals.subject import folder_of

    folder = out or folder_of(subject)
    if folder is None:
        raise UserError(
            f"{subject} is not the folder of a run; give --out, a folder for the results",
            "missing",
            "--out",
        )
    return folder


def echo_record(record: Record, path: Path) -> None:
    """Print the numbers and notes of a record, its file and those of its pictures."""
    from avsa.evals import EVALUATIONS
    from avsa.evals.result import PICTURES

    if metrics := record.result.metrics:
        echo(*table(metric_rows(metrics, EVALUATIONS.load(record.kind).columns), left=1))
    pictures = (path.parent / PICTURES / name for name in record.result.pictures)
    echo(*record.result.notes, path, *pictures)


def metric_rows(metrics: Mapping[str, Metric], columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the heading and the rows of the table of metrics.

    Args:
        metrics: Metrics by name.
        columns: Parts of names that have columns of their own, such as ``("linear", "k-nn")``. A
            row then has the metrics whose names are equal but for this part, and their chance.
    """
    names = tuple(columns) or ("value",)
    rows: dict[str, dict[str, tuple[str, str, str]]] = {}
    for name, metric in metrics.items():
        part = next((each for each in columns if f"_{each}" in name), "")
        row = name.replace(f"_{part}", "", 1) if part else name
        rows.setdefault(row, {})[part or "value"] = metric.texts()
    chances = {row: [chance for *_, chance in found.values()] for row, found in rows.items()}
    if columns and any(
        tuple(found) != names or len(set(chances[row])) > 1 for row, found in rows.items()
    ):
        return metric_rows(metrics, ())
    heading = [text for name in names for text in (name, "95 % interval")]
    cells = {
        row: [text for each in found.values() for text in each[:2]] for row, found in rows.items()
    }
    return [
        ("metric", *heading, "chance"),
        *((row, *texts, chances[row][0]) for row, texts in cells.items()),
    ]
