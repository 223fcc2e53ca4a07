"""Carry out an evaluation, or find its record.

The name of a record contains a hash of evaluation, options, weights and data. An evaluation is not
repeated if its record exists, and evaluations with different options have different records.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from avsa import __version__
from avsa.evals import EVALUATIONS
from avsa.evals.base import Context, EvaluationConfig, describe_test_dataset
from avsa.evals.config_options import default_options, option_text
from avsa.evals.result import (
    FOLDER,
    PATH,
    PICTURES,
    TEST_PATH,
    Record,
    Subject,
    read_record,
    write_record,
)
from avsa.evals.subject import KINETICS, SCRATCH, Evaluated
from avsa.evals.workers.pool import Workers
from avsa.training.distributed import World, on_first_rank, require_agreement
from avsa.training.repeatability import deterministic_kernels
from yt360.config import flatten, to_mapping
from yt360.errors import UserError
from yt360.locks import exclusive_lock
from yt360.plugins import loaded_plugins
from yt360.terminal.text import printable

WORK, FEATURES = ".work", "features"
MAX_WORD, MAX_WORDS = 40, 4
"""Length of an option in the name of a record, and number of options."""


def evaluate(
    config: EvaluationConfig,
    subject: Evaluated,
    dataset: Path | None,
    out: Path,
    world: World,
    test_dataset: Path | None = None,
    workers: Workers | None = None,
) -> tuple[Record, Path]:
    """Evaluate a model, or return the record of an equal evaluation; a collective call.

    An evaluation that was killed is continued by a call with the same arguments.

    Args:
        config: The evaluation and its options.
        subject: The model.
        dataset: Folder of shards, for evaluations that need one.
        out: Folder in which ``eval/`` is created, usually that of the run.
        world: This process and the other ranks.
        test_dataset: Folder of shards whose split test replaces that of `dataset`.
        workers: Processes that compute what is needed of each clip; None for this one. The record
            is the same.

    Returns:
        The record, and its file.

    Raises:
        UserError: Model, data and options do not fit together.
        Locked: Another process makes the same record.
    """
    if test_dataset is not None:
        _require(config, "takes_test_data", "--test-data")
    if workers is not None:
        _require(config, "takes_workers", "--executor" if workers.is_elsewhere else "--workers")
    if dataset is None and (config.needs_dataset or test_dataset is not None):
        raise UserError(
            f"the evaluation {config.kind} needs a dataset; give --data DATASET",
            "missing",
            "--data",
        )
    described, data = subject.describe(), config.describe_data(subject, dataset)
    if dataset is not None and test_dataset is not None:
        data |= describe_test_dataset(dataset, test_dataset)
    command = command_line(config, subject.name, data.get(PATH), out, data.get(TEST_PATH))
    _require_text(command)
    name = record_name(config, described, data)
    require_agreement({"the evaluation": name, "--out": str(out)})
    path = out / FOLDER / f"{name}.json"
    work = out / FOLDER / WORK / name
    if on_first_rank(world, path.exists):
        if world.is_first:  # a process may have been killed between writing and removing
            shutil.rmtree(work, ignore_errors=True)
        return on_first_rank(world, lambda: read_record(path)), path
    with ExitStack() as opened:
        on_first_rank(world, lambda: opened.enter_context(_work_folder(work, path)))
        if on_first_rank(world, path.exists):  # another process has just made it
            return on_first_rank(world, lambda: read_record(path)), path
        context = Context(
            subject=subject,
            dataset=dataset,
            world=world,
            work=work,
            features=out / FOLDER / FEATURES,
            pictures=out / FOLDER / PICTURES,
            name=name,
            test_dataset=test_dataset,
            workers=workers,
        )
        on_first_rank(world, lambda: context.pictures.mkdir(parents=True, exist_ok=True))
        deterministic = subject.config is not None and subject.config.compute.deterministic
        with deterministic_kernels(deterministic):
            result = config.evaluate(context)
        record = Record(
            kind=config.kind,
            settings=to_mapping(config),
            subject=described,
            data=data,
            command=command,
            version=__version__,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            device=f"{world.device.type}, {world.size} rank{'s' * (world.size > 1)}",
            result=result,
        )
        on_first_rank(world, lambda: write_record(record, path))
    return record, path


def _require(
    config: EvaluationConfig,
    attribute: Literal["takes_test_data", "takes_workers"],
    option: str,
) -> None:
    """Check that an attribute, which says whether an evaluation has an option, is true."""
    if not getattr(config, attribute):
        able = [name for name in EVALUATIONS if getattr(EVALUATIONS.load(name), attribute)]
        raise UserError(
            f"the evaluation {config.kind} has no {option}, which {', '.join(able)} have; "
            "leave it out",
            "unsupported",
            option,
        )


@contextmanager
def _work_folder(work: Path, path: Path) -> Iterator[None]:
    """Lock the folder of the saved state; remove it once the record at `path` exists."""
    with exclusive_lock(work / ".lock", path):
        try:
            yield
        finally:
            if path.exists():
                shutil.rmtree(work, ignore_errors=True)
            (work / ".lock").unlink(missing_ok=True)
            with suppress(OSError):  # it is not empty
                work.rmdir()


def record_name(config: EvaluationConfig, subject: Subject, data: Mapping[str, str]) -> str:
    """Return ``KIND.OPTIONS.HASH``: options that differ from their defaults, and a hash of all."""
    settings = {k: v for k, v in to_mapping(config).items() if k not in config.addresses}
    identity = [
        settings,
        subject.weights_sha256 or subject.name,
        subject.statistics_sha256,
        {key: value for key, value in data.items() if key not in (PATH, TEST_PATH)},
    ]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:10]
    words = {k: v for k, v in _changed(config).items() if k not in config.addresses}
    tested_elsewhere = ["test-data"] if TEST_PATH in data else []
    return ".".join([config.kind, *_short_words(words), *tested_elsewhere, digest])


def command_line(
    config: EvaluationConfig,
    subject: str,
    data: str | None,
    out: Path,
    test_data: str | None = None,
) -> str:
    """Return the command that repeats an evaluation from any folder; all paths are absolute."""
    if subject not in (SCRATCH, KINETICS):
        subject = str(Path(subject).absolute())
    plugins = [f"--plugin={name}" for name in loaded_plugins()]
    words = ["avsa", *plugins, "eval", config.kind, subject]
    if data is not None:
        words += ["--data", data]
    if test_data is not None:
        words += ["--test-data", test_data]
    words += ["--out", str(out.absolute())]
    for key, value in _changed(config).items():
        text = str(Path(value).absolute()) if key in config.addresses else option_text(value)
        words += ["--set", f"{key}={text}"]
    return shlex.join(words)


def _require_text(command: str) -> None:
    """Check before the work that the record, which names all paths, can be written."""
    try:
        command.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"a path is not UTF-8: {printable(command)}; rename the file or folder"
        ) from None


def _changed(config: EvaluationConfig) -> dict[str, Any]:
    """Return the options that differ from their defaults, by dotted name."""
    default = flatten(default_options(type(config)))
    given = flatten(to_mapping(config))
    return {k: v for k, v in given.items() if k != "kind" and v != default.get(k)}


def _short_words(options: Mapping[str, Any]) -> list[str]:
    """Return ``KEY-VALUE`` of the options that are short enough for the name of a file."""
    words = []
    for key, value in options.items():
        text = key if value is True else f"{key}-{value}"
        if len(text) <= MAX_WORD and re.fullmatch(r"[\w+-]+", text, re.ASCII):
            words.append(text.replace("_", "-"))
    return words[:MAX_WORDS]
