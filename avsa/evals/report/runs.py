"""Read the records and logs in the folders of runs, which are untrusted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsa.evals.report.approach import Approach, approach_of, approach_of_recipe
from avsa.evals.result import FOLDER, PATH, TEST_PATH, Record, records_of
from avsa.training.run_folder import CONFIG_FILE, DATASET_FILE, read_datasets
from yt360.errors import UserError
from yt360.files import resolved
from yt360.untrusted.yaml_files import read_yaml_mapping


@dataclass(frozen=True)
class Found:
    """A record, and where it is.

    Attributes:
        run: Folder of the run, as it was given.
        path: File of the record.
        record: Its content.
        anchor: Anchor of its details in the report.
        trained_on: Datasets of the training of the run; empty if unknown.
    """

    run: Path
    path: Path
    record: Record
    anchor: str
    trained_on: tuple[str, ...] = ()

    @property
    def approach(self) -> Approach:
        """How the model was trained."""
        return approach_of(self.record.subject)

    @property
    def data(self) -> dict[str, str]:
        """Fingerprints of the data."""
        addresses = (PATH, TEST_PATH)
        return {name: value for name, value in self.record.data.items() if name not in addresses}


@dataclass(frozen=True)
class Run:
    """A folder with records.

    Attributes:
        folder: As it was given.
        recipe: The recipe of its training; empty if it has none.
        datasets: Datasets of its training; empty if unknown.
        found: Its records, by name.
    """

    folder: Path
    recipe: Mapping[str, Any]
    datasets: tuple[str, ...]
    found: tuple[Found, ...]

    @property
    def approach(self) -> Approach:
        """How its model was trained, as its records say, or else its recipe."""
        if self.found:
            return self.found[0].approach
        return approach_of_recipe(self.recipe)


def read_runs(folders: Iterable[Path]) -> list[Run]:
    """Read the folders of runs; one that is given twice is read once.

    Raises:
        UserError: A folder has neither a run nor records, or one of its files is damaged.
    """
    runs: dict[Path, Run] = {}
    records = 0
    for folder in folders:
        if resolved(folder) not in runs:
            run = _read_run(folder, records)
            runs[resolved(folder)] = run
            records += len(run.found)
    return list(runs.values())


def _read_run(folder: Path, records: int) -> Run:
    trained = (folder / CONFIG_FILE).is_file()
    if not trained and not (folder / FOLDER).is_dir():
        raise UserError(
            f"{folder} has neither a run nor results of avsa eval; give the folder of a run, or "
            "the --out of its evaluations",
            "missing",
            folder,
        )
    recorded = trained and (folder / DATASET_FILE).exists()
    datasets = tuple(filter(None, read_datasets(folder))) if recorded else ()
    found = tuple(
        Found(folder, path, record, f"record-{number}", datasets)
        for number, (path, record) in enumerate(records_of(folder), records + 1)
    )
    recipe = read_yaml_mapping(folder / CONFIG_FILE, inside=folder) if trained else {}
    return Run(folder, recipe, datasets, found)


def all_found(runs: Sequence[Run]) -> list[Found]:
    """Return the records of all runs."""
    return [each for run in runs for each in run.found]
