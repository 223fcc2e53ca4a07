"""Pushing a trained model to a hub."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from avsa.evals.result import PATH, Record, records_of
from avsa.hub.export import CARD_FILE, export_model
from avsa.hub.load import load
from avsa.hub.model_card import ResultRow, model_card
from avsa.hub.saved import RECIPE_FILE, WEIGHTS_FILE, read_saved
from yt360.errors import UserError
from yt360.hub.address import HubAddress
from yt360.hub.local_file import LocalFile
from yt360.hub.repository import Access, Head, HubRepository
from yt360.hub.upload import OWN_FILES, Pushed, upload


def push_model(
    checkpoint: Path,
    address: HubAddress,
    access: Access | None = None,
    *,
    private: bool = True,
    replace: bool = False,
) -> Pushed:
    """Push weights as safetensors, the recipe, and a card; an interrupted push goes on.

    The card has the numbers of the evaluations of these weights in the folder of the run.

    Args:
        checkpoint: A checkpoint file, the folder of a run, or an exported folder.
        address: Where to; created if it does not exist.
        access: How the hub is reached.
        private: Whether a new repository is private.
        replace: Whether to replace and remove whatever the repository holds; its history keeps it.

    Raises:
        UserError: `checkpoint` is not a checkpoint; the repository holds something else
            (``"exists"``); or as `yt360.hub.upload.upload`.
    """
    repository = HubRepository(address, access)
    with tempfile.TemporaryDirectory(prefix="avsa-push-") as name:
        folder = Path(name) / "model"
        export_model(checkpoint, folder)
        results = _results(checkpoint, load(folder).weights_hash())

        def make_files() -> list[LocalFile]:
            card = model_card(read_saved(folder), str(repository.address), results)
            return [
                *(
                    LocalFile(each, folder / each, is_last=True)
                    for each in (WEIGHTS_FILE, RECIPE_FILE)
                ),
                LocalFile(CARD_FILE, card.encode(), is_last=True),
            ]

        def check(head: Head, files: Sequence[LocalFile]) -> Collection[str]:
            extra = head.files.keys() - {file.path for file in files} - OWN_FILES
            if not replace:
                _require_same(repository, head, files, extra)
            return extra

        return upload(repository, make_files, check, private=private)


def _require_same(
    repository: HubRepository, head: Head, files: Sequence[LocalFile], extra: Collection[str]
) -> None:
    """Check that a repository is empty, or holds this model."""
    other = [*sorted(extra)]
    for file in files:
        there = head.files.get(file.path)
        if there is not None and file.path != CARD_FILE and not file.is_at(there):
            other.append(file.path)
    if other:
        raise UserError(
            f"{repository.address} exists and holds something else, such as {other[0]}; choose "
            "another name, or give --replace",
            "exists",
            repository.address,
        )


def _results(checkpoint: Path, weights_sha256: str) -> list[ResultRow]:
    """Return the numbers of evaluations of these weights in the folder of a run."""
    if not checkpoint.is_dir():
        return []
    return [
        row
        for _, record in records_of(checkpoint)
        if record.subject.weights_sha256 == weights_sha256
        for row in _rows(record)
    ]


def _rows(record: Record) -> list[ResultRow]:
    dataset = Path(record.data.get(PATH, "")).name
    return [
        ResultRow(record.kind, dataset, name, *metric.texts())
        for name, metric in record.result.metrics.items()
    ]
