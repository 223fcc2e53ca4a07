"""Pushing a dataset to a hub."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from yt360.errors import UserError
from yt360.hub.address import HubAddress
from yt360.hub.croissant import croissant
from yt360.hub.dataset_card import dataset_card
from yt360.hub.dataset_facts import DatasetFacts, LabelFacts, licences_of
from yt360.hub.dataset_files import (
    CARD_FILE,
    CLIP_LIST_FILE,
    CROISSANT_FILE,
    PICTURE_FILE,
    DatasetFiles,
    clip_list,
    dataset_files,
    is_earlier,
)
from yt360.hub.licences import forbidding
from yt360.hub.local_file import LocalFile
from yt360.hub.picture import card_picture
from yt360.hub.repository import Access, Head, HubRepository
from yt360.hub.upload import OWN_FILES, Pushed, upload
from yt360.labels.class_counts import count_labels
from yt360.labels.classes import NAMES
from yt360.labels.format.label_set import label_sets
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.schema import DATASET_FILE
from yt360.stats.counts import DatasetCounts
from yt360.stats.dataset_counts import count_dataset

MAX_CLASSES = 12


@dataclass(frozen=True)
class PushedDataset:
    """What was done.

    Attributes:
        pushed: The upload.
        withheld: Shards of clips that were not pushed.
        closed: Number of videos by licence that does not let everyone share changed copies.
    """

    pushed: Pushed
    withheld: tuple[LocalFile, ...]
    closed: dict[str, int]


def push_dataset(
    dataset: Path,
    address: HubAddress,
    access: Access | None = None,
    *,
    has_rights: bool = False,
    features: Sequence[Path] = (),
    private: bool = True,
    replace: bool = False,
    draw: Callable[[Path, DatasetCounts, bool], bytes] = card_picture,
) -> PushedDataset:
    """Push a dataset with a card, Croissant metadata and a picture; interrupted pushes go on.

    Clips are pushed if the licence of every video lets everyone share changed copies
    (`yt360.hub.licences`), or if `has_rights`; else lists, labels and features alone are.

    Args:
        dataset: Its folder, of a finished build.
        address: Where to; created if it does not exist.
        access: How the hub is reached.
        has_rights: The user states to have the right to share all clips.
        features: Files of `avsa embed` to push with it.
        private: Whether a new repository is private.
        replace: Whether to replace and remove whatever the repository holds; its history keeps it.
        draw: Draws the picture of the card.

    Raises:
        UserError: `dataset` is no dataset, or is being built (``"in-use"``); the repository holds
            something else (``"exists"``); or as `yt360.hub.upload.upload`.
    """
    repository = HubRepository(address, access)
    info = DatasetInfo.load(dataset)
    if not info.complete:
        raise UserError(
            f"the build of {dataset} has not finished; run `yt360 build-shards` again first",
            "in-use",
            dataset,
        )
    found = dataset_files(dataset, info, tuple(features))
    counts = count_dataset(dataset)
    closed = forbidding(licences_of(counts))
    has_media = has_rights or not closed
    data = [*(found.media if has_media else ()), *found.labels, *found.features, *found.lists]

    def make_files() -> list[LocalFile]:
        facts = _facts(dataset, repository, info, counts, found, has_media)
        listed = _generated(CLIP_LIST_FILE, clip_list(dataset, info))
        metadata = croissant(facts, [*data, listed], found.media if has_media else ())
        return [
            *data,
            listed,
            _generated(PICTURE_FILE, draw(dataset, counts, has_media)),
            _generated(CROISSANT_FILE, metadata),
            _generated(CARD_FILE, dataset_card(facts).encode()),
        ]

    def check(head: Head, files: Sequence[LocalFile]) -> Collection[str]:
        extra = head.files.keys() - {file.path for file in files} - OWN_FILES
        if replace:
            return extra
        _require_same(repository, head, info, found, files, extra)
        return ()

    pushed = upload(repository, make_files, check, private=private)
    return PushedDataset(pushed, () if has_media else found.media, closed)


def _require_same(
    repository: HubRepository,
    head: Head,
    info: DatasetInfo,
    found: DatasetFiles,
    files: Sequence[LocalFile],
    extra: Collection[str],
) -> None:
    """Check that a repository is empty, or holds this dataset or an earlier state of it."""
    advice = "choose another name, or give --replace"
    if left := sorted(set(extra) & {file.path for file in found.media}):
        raise UserError(
            f"{repository.address} holds clips of an earlier push, such as {left[0]}; give "
            "--i-have-the-rights again, or --replace to remove them",
            "conflict",
            left[0],
        )
    fixed = [file for file in files if not file.is_last and file.path in head.files]
    other = [*sorted(extra), *(f.path for f in fixed if not f.is_at(head.files[f.path]))]
    if not other and DATASET_FILE in head.files and not _is_older(repository, head, info):
        other = [DATASET_FILE]
    if other:
        raise UserError(
            f"{repository.address} exists and holds something else, such as {other[0]}; {advice}",
            "exists",
            repository.address,
        )


def _is_older(repository: HubRepository, head: Head, info: DatasetInfo) -> bool:
    """Return whether the dataset of a repository is this one, or this one before it grew."""
    with tempfile.TemporaryDirectory(prefix="yt360-push-") as folder:
        try:
            repository.download(DATASET_FILE, Path(folder), head.commit)
            there = DatasetInfo.load(Path(folder))
        except UserError as error:
            if error.code == "network":
                raise
            return False
    return is_earlier(there, info)


def _generated(path: str, content: bytes) -> LocalFile:
    return LocalFile(path, content, is_last=True)


def _facts(
    dataset: Path,
    repository: HubRepository,
    info: DatasetInfo,
    counts: DatasetCounts,
    found: DatasetFiles,
    has_media: bool,
) -> DatasetFacts:
    built = time.gmtime((dataset / DATASET_FILE).stat().st_mtime)
    return DatasetFacts(
        name=repository.address.name,
        url=repository.url,
        date=time.strftime("%Y-%m-%d", built),
        info=info,
        counts=counts,
        labels=tuple(_label_facts(dataset, name) for name in label_sets(dataset)),
        features=tuple(file.path for file in found.features),
        has_media=has_media,
    )


def _label_facts(dataset: Path, name: str) -> LabelFacts:
    counted = count_labels(dataset, name)
    fractions = counted.fractions
    classes = {
        NAMES[label]: float(fractions[label]) for label in counted.most_frequent(MAX_CLASSES)
    }
    return LabelFacts(name, counted.labels.made_by, counted.labels.fps, classes)
