"""Find the duplicates in a catalog or a dataset: fingerprint, look up, compare, group."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yt360.catalog import Catalog
from yt360.catalog.opening import is_catalog
from yt360.duplicates.compare import Comparable, Match, compare
from yt360.duplicates.config import DedupConfig
from yt360.duplicates.fingerprint import (
    Skipped,
    load_fingerprint,
    load_words,
    save_fingerprints,
)
from yt360.duplicates.groups import (
    GROUPS_FILE,
    Groups,
    crossing,
    folder_of_catalog,
    folder_of_dataset,
    join,
    write_groups,
)
from yt360.duplicates.index import WORDS, Candidates, Words, find_candidates
from yt360.duplicates.kinds import GROUPINGS
from yt360.duplicates.pairs import PAIRS_FILE, Pair, write_pairs
from yt360.duplicates.sources import Source, catalog_sources, dataset_sources
from yt360.duplicates.store import FingerprintStore
from yt360.errors import UserError
from yt360.execution.local import Crashed, Pool, limited_pool
from yt360.locks import exclusive_lock
from yt360.shards.format.reader import ShardReader
from yt360.splits import SPLITS
from yt360.terminal.progress import Progress

PAIRS_PER_TASK = 8  # comparing two recordings of ten minutes takes about a second
Candidate = tuple[tuple[int, int], NDArray[np.int64]]
"""Numbers of two recordings, and frames (N, 2) that may show the same."""


@dataclass(frozen=True)
class DedupReport:
    """What was found.

    Attributes:
        folder: Folder of the results.
        recordings: Number of recordings that were compared.
        pairs: The pairs, best first.
        groups: Videos that must not cross the split.
        crossing: Groups that cross it in the existing split.
        skipped: Media without a fingerprint.
    """

    folder: Path
    recordings: int
    pairs: tuple[Pair, ...]
    groups: Groups
    crossing: Groups
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class Inputs:
    """What is searched.

    Attributes:
        sources: Files of media.
        split_of: Split of each video that has one.
        folder: Folder for the results.
    """

    sources: Sequence[Source]
    split_of: Mapping[str, str]
    folder: Path


def open_inputs(path: Path) -> Inputs:
    """Return the media of a catalog or a dataset.

    Raises:
        UserError: `path` is neither, or cannot be read.
    """
    if is_catalog(path):
        with Catalog(path) as catalog:
            splits = {each: name for name in SPLITS for each in catalog.splits.members(name)}
            return Inputs(catalog_sources(catalog), splits, folder_of_catalog(path))
    sources = dataset_sources(path)
    splits = {each: name for name in SPLITS for each in ShardReader(path, name).video_ids}
    return Inputs(sources, splits, folder_of_dataset(path))


def dedup(
    inputs: Inputs,
    config: DedupConfig,
    make_pool: Callable[[int], AbstractContextManager[Pool]] = limited_pool,
) -> DedupReport:
    """Find pairs of videos that hold the same footage, and store pairs and groups.

    Args:
        inputs: From `open_inputs`.
        config: Options.
        make_pool: Creates the worker pool.

    Raises:
        UserError: Another process writes to the folder, or a process died comparing.
        OSError: The folder cannot be written.
    """
    with make_pool(config.workers) as pool, exclusive_lock(inputs.folder / ".lock", inputs.folder):
        store = FingerprintStore(inputs.folder / "fingerprints")
        crashed = make_fingerprints(pool, store, inputs.sources)
        store.remove_others([source.identity for source in inputs.sources])
        index = Index.read(store, [each for each in inputs.sources if each not in crashed])
        found = compare_all(pool, index, list(index.candidates()), store, config)
        pairs = tuple(sorted(found, key=lambda pair: pair.order))
        joined = GROUPINGS[config.group]
        groups = join((p.video_a, p.video_b) for p in pairs if p.match.kind in joined)
        write_pairs(inputs.folder / PAIRS_FILE, pairs)
        write_groups(inputs.folder / GROUPS_FILE, config.group, groups)
    skipped = (*index.skipped, *(crashed[each] for each in inputs.sources if each in crashed))
    crossed = crossing(groups, inputs.split_of)
    return DedupReport(inputs.folder, len(index.facts), pairs, groups, crossed, skipped)


@dataclass(frozen=True)
class _FingerprintTask:
    source: Source
    path: Path


def _fingerprint(task: _FingerprintTask) -> None:
    """Write the fingerprints of a source."""
    save_fingerprints(task.path, *task.source.fingerprints())


def make_fingerprints(
    pool: Pool, store: FingerprintStore, sources: Sequence[Source]
) -> dict[Source, Skipped]:
    """Fingerprint what has none yet; return the sources at which a process died."""
    missing = [each for each in sources if not store.has(each.identity)]
    tasks = deque(_FingerprintTask(each, store.path(each.identity)) for each in missing)
    crashed: dict[Source, Skipped] = {}
    done = len(sources) - len(missing)
    with Progress("fingerprinting", len(sources), "files", done=done) as progress:
        for task, result in pool.run(_fingerprint, tasks):
            if isinstance(result, Crashed):
                name = task.source.identity
                skipped = Skipped(name=name, reason=result.reason, detail=result.describe())
                crashed[task.source] = skipped
            progress.advance()
    return crashed


class Index:
    """The words of all recordings.

    Attributes:
        facts: Source, number in its file, and video of each recording.
        skipped: What has no fingerprint.
    """

    def __init__(self) -> None:
        self.facts: list[tuple[Source, int, str]] = []
        self.skipped: list[Skipped] = []
        self._lengths: dict[str, list[int]] = {"picture": [], "audio": []}
        self._words: dict[str, list[Words]] = {
            what: [np.zeros((0, WORDS), np.uint32)] for what in self._lengths
        }
        self._picture_at = [np.zeros(0, np.int32)]

    @classmethod
    def read(cls, store: FingerprintStore, sources: Sequence[Source]) -> Index:
        """Read the words of all fingerprints."""
        index = cls()
        for source in sources:
            file = load_words(store.path(source.identity))
            index.skipped += file.skipped
            for number, facts in enumerate(file.recordings):
                index.facts.append((source, number, facts.video_id))
                index._lengths["picture"].append(facts.picture_words)
                index._lengths["audio"].append(facts.audio_words)
            index._words["picture"].append(file.picture_words)
            index._words["audio"].append(file.audio_words)
            index._picture_at.append(file.picture_at)
        return index

    def candidates(self) -> Iterator[Candidate]:
        """Yield pairs of numbers of recordings, and frames (N, 2) that may show the same."""
        seen, at = self._find("picture"), np.concatenate(self._picture_at)
        pairs = set()
        for pair, rows in zip(seen.pairs.tolist(), seen.moments, strict=True):
            pairs.add(tuple(pair))
            yield (pair[0], pair[1]), at[rows[rows[:, 0] >= 0]].astype(np.int64)
        for first, second in self._find("audio").pairs.tolist():
            if (first, second) not in pairs:
                yield (first, second), np.zeros((0, 2), np.int64)

    def _find(self, what: str) -> Candidates:
        recordings = np.repeat(np.arange(len(self.facts)), self._lengths[what])
        names = np.array([video for _, _, video in self.facts], dtype=str)
        videos = np.unique(names, return_inverse=True)[1]
        return find_candidates(np.concatenate(self._words[what]), recordings, videos)


@dataclass(frozen=True)
class _CompareTask:
    """Pairs to compare: fingerprint file and number in it of both, and frames to try."""

    pairs: tuple[tuple[int, int], ...]
    files: tuple[tuple[Path, int, Path, int], ...]
    moments: tuple[NDArray[np.int64], ...]
    config: DedupConfig


def _compare(task: _CompareTask) -> list[Match | None]:
    """Return what each pair has in common."""
    opened: dict[tuple[Path, int], Comparable] = {}

    def recording(path: Path, number: int) -> Comparable:
        if (path, number) not in opened:
            opened[path, number] = Comparable(load_fingerprint(path, number))
        return opened[path, number]

    return [
        compare(recording(path_a, a), recording(path_b, b), moments, task.config)
        for (path_a, a, path_b, b), moments in zip(task.files, task.moments, strict=True)
    ]


def compare_all(
    pool: Pool,
    index: Index,
    candidates: Sequence[Candidate],
    store: FingerprintStore,
    config: DedupConfig,
) -> Iterator[Pair]:
    """Yield the candidates that have something in common."""

    def tasks() -> Iterator[_CompareTask]:
        # In the order of files, so that a task opens few of them.
        rest = iter(sorted(candidates, key=lambda each: each[0]))
        while chunk := list(islice(rest, PAIRS_PER_TASK)):
            files = []
            for (a, b), _ in chunk:
                (source_a, number_a, _), (source_b, number_b, _) = index.facts[a], index.facts[b]
                path_a, path_b = store.path(source_a.identity), store.path(source_b.identity)
                files.append((path_a, number_a, path_b, number_b))
            pairs, moments = zip(*chunk, strict=True)
            yield _CompareTask(pairs, tuple(files), moments, config)

    with Progress("comparing", len(candidates), "pairs") as progress:
        for task, results in pool.run(_compare, deque(tasks())):
            if isinstance(results, Crashed):
                raise UserError(
                    f"comparing {task.files[0][0]} with others: {results.describe()}; run the "
                    "command again, with fewer --workers if memory is short",
                    code="system",
                )
            for (a, b), match in zip(task.pairs, results, strict=True):
                if match is not None:
                    yield Pair(*index.facts[a][::2], *index.facts[b][::2], match)
            progress.advance(len(task.pairs))
