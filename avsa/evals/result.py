"""The result of an evaluation, and the JSON file that records it with everything to repeat it.

The file ``eval/NAME.json`` in the folder of a run holds a `Record`. `avsa report` reads these files
only, so they also hold what tables and figures need.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from yt360.errors import UserError
from yt360.files import atomic_write
from yt360.untrusted.parsing import Count, read_json

FOLDER, PICTURES = "eval", "pictures"
"""Folder of records in the folder of a run, and folder of pictures in it."""
PATH, TEST_PATH = "path", "test path"
"""Addresses in the data of a record, of which everything else is a fingerprint: that of the
dataset, and that of the dataset of the test if it is another one."""
VIDEOS = "videos"
"""Name of the table with the values of each video (`avsa.evals.bootstrap.video_table`)."""
MAX_RECORD_BYTES = 64 << 20
Unit = Literal["%", "°", ""]
Row = Mapping[str, str | int | float | bool | None]
"""A row of a table: values by column."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number.

    Attributes:
        value: The number; a fraction if the unit is ``%``.
        low: Lower end of its 95 % interval over videos, if it has one.
        high: Upper end of it.
        chance: The value of guessing, if there is one.
        unit: ``%`` (of a fraction), ``°``, or empty.
    """

    value: float
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    unit: Unit = "%"

    def texts(self) -> tuple[str, str, str]:
        """Return value, interval and chance as texts with their unit; empty without a number."""
        numbers = (self.value, self.low, self.high, self.chance)
        value, low, high, chance = (
            "" if each is None else number_text(each, self.unit) + unit_text(self.unit)
            for each in numbers
        )
        return value, f"{low} to {high}" if low and high else "", chance


def number_text(value: float, unit: str) -> str:
    """Return a number in its unit, which is not written."""
    if not math.isfinite(value):
        return str(value)
    if unit == "%":
        return f"{100 * value:.2f}"
    return f"{value:.1f}" if unit == "°" else f"{value:.4g}"


def unit_text(unit: str) -> str:
    """Return what follows a number in a unit."""
    return " %" if unit == "%" else unit


@dataclass(frozen=True, kw_only=True)
class Result:
    """Result of an evaluation.

    Attributes:
        metrics: Numbers by name, the most important first.
        tables: Further tables by name, such as ``classes`` or ``epochs``.
        pictures: Caption by file name, in `Context.pictures`.
        notes: Sentences that explain the numbers, and say what limits them.
    """

    metrics: Mapping[str, Metric]
    tables: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The model that was evaluated.

    Attributes:
        name: Folder or file of the model, or ``scratch`` or ``kinetics``.
        weights_sha256: Hash of the weights; empty for ``scratch``.
        statistics_sha256: Hash of its audio statistics; empty if it has none.
        step: Training steps.
        stage: Stage of the recipe in which the weights were saved; empty if there is no recipe.
        recipe: The recipe of training; empty for ``scratch`` and ``kinetics``.
    """

    name: str
    weights_sha256: str = ""
    statistics_sha256: str = ""
    step: Count = 0
    stage: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Record:
    """A result with everything that is needed to repeat it.

    Attributes:
        kind: Name of the evaluation.
        settings: All its options.
        subject: The model that was evaluated.
        data: Address of the dataset and fingerprint of the clips of each split that was used; and
            the address of the dataset of the test, if it is another one.
        command: The command that repeats it.
        version: Version of avsa.
        made_at: Time at its end, UTC, ISO 8601.
        device: Device, and the number of ranks.
        result: The result.
    """

    format: Literal["avsa-evaluation"] = "avsa-evaluation"
    format_version: Literal[1] = 1
    kind: Annotated[str, Field(max_length=100)]
    settings: Mapping[str, Any]
    subject: Subject
    data: Mapping[str, str]
    command: str
    version: str
    made_at: str
    device: str
    result: Result


def write_record(record: Record, path: Path) -> None:
    """Write a record as JSON, with metrics, columns and stages in their order.

    Numbers in tables that are not finite become null.

    Raises:
        UserError: ``"empty"``: A metric is not a number, because the test data contain nothing that
            it measures.
    """
    for name, metric in record.result.metrics.items():
        if not math.isfinite(metric.value):
            raise UserError(
                f"{record.kind}: {name} is {metric.value}, because the test split contains nothing "
                "that it measures; use a dataset with more test clips",
                "empty",
                name,
            )
    content = asdict(record)
    content["result"]["tables"] = _finite(content["result"]["tables"])
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=_scalar)
    with atomic_write(path, "w") as file:
        file.write(text + "\n")


def _finite(value: Any) -> Any:
    """Return nested values with None instead of numbers that are not finite."""
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _scalar(value: Any) -> Any:
    """Return the number in a scalar of NumPy or torch."""
    try:
        return value.item()
    except (AttributeError, ValueError, RuntimeError):
        raise TypeError(f"a result has plain values only, not {type(value).__name__}") from None


def read_record(path: Path, inside: Path | None = None) -> Record:
    """Read a record.

    Args:
        path: Its file.
        inside: Folder that a link must not lead out of; None allows any link.

    Raises:
        UserError: It is damaged, or of another version.
    """
    try:
        return read_json(path, Record, MAX_RECORD_BYTES, inside)
    except ValueError as error:
        raise UserError(
            f"{path} is not a result of avsa eval ({error}); move it away, and evaluate again",
            key=path,
        ) from None


def records_of(run: Path) -> Iterable[tuple[Path, Record]]:
    """Yield the records in the folder of a run with their files, by name."""
    for path in sorted((run / FOLDER).glob("*.json")):
        yield path, read_record(path, inside=run)
