"""Label the clips of one shard."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from yt360.errors import BadItem, UserError
from yt360.execution.isolation import IsolatedProcess
from yt360.files import remove_abandoned
from yt360.labels.clip_labels import label_clips
from yt360.labels.format.label_set import LabelSet
from yt360.labels.format.shard_file import LabelShardFile, label_shard
from yt360.labels.frames import clip_frames
from yt360.labels.sphere.panorama import PanoramaLabeller
from yt360.locks import Locked, exclusive_lock
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.schema import parse_shard_name
from yt360.shards.format.writer import ShardWriter
from yt360.terminal.progress import Progress


@dataclass
class LabelReport:
    """The result of a run.

    Attributes:
        clips: Number of labelled clips.
        panoramas: Number of maps.
        skipped: Number of skipped clips by reason; the next run tries them again.
        elsewhere: Number of shards that other processes were labelling.
        elapsed_s: Time from the first requested frame to the last written shard.
        network_s: Part of the time that was spent inside the network.
    """

    clips: int = 0
    panoramas: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    elsewhere: int = 0
    elapsed_s: float = 0.0
    network_s: float = 0.0

    def __add__(self, other: LabelReport) -> LabelReport:
        """Return the sum of two reports, with the `elsewhere` of the later one."""
        return LabelReport(
            self.clips + other.clips,
            self.panoramas + other.panoramas,
            self.skipped + other.skipped,
            other.elsewhere,
            self.elapsed_s + other.elapsed_s,
            self.network_s + other.network_s,
        )

    @property
    def outside_fraction(self) -> float:
        """Fraction of the time that was spent outside the network, in [0, 1]."""
        return 1 - self.network_s / self.elapsed_s if self.elapsed_s > 0 else 0.0


@dataclass(frozen=True)
class ShardTask:
    """A shard of clips: its reader, its path, and the numbers of its clips."""

    reader: ShardReader
    path: Path
    clips: tuple[int, ...]

    @property
    def dataset(self) -> Path:
        """The dataset folder."""
        return self.path.parents[1]

    def labels_path(self, name: str) -> Path:
        """Return the path of its labels."""
        return label_shard(self.path, name)

    @contextmanager
    def locked(self, name: str) -> Iterator[bool]:
        """Lock the labels of this shard for the block.

        The lock only avoids duplicate work. Files are correct without it, because each process
        writes the same bytes to its own file and renames it.

        Yields:
            Whether this process has the lock.
        """
        path = self.labels_path(name).with_name(f".{self.labels_path(name).stem}.lock")
        with ExitStack() as stack:
            try:
                stack.enter_context(exclusive_lock(path))
            except Locked:
                yield False
            else:
                stack.callback(path.unlink, missing_ok=True)  # before the lock is released
                yield True

    def missing(self, name: str) -> list[int]:
        """Return the numbers of the clips that have no labels yet."""
        present = self._present(name)
        labelled = set() if present is None else present.contents.ranges.keys()
        return [clip for clip in self.clips if self.reader.keys[clip] not in labelled]

    def label(
        self,
        labels: LabelSet,
        labeller: PanoramaLabeller,
        isolated: IsolatedProcess,
        progress: Progress,
    ) -> LabelReport:
        """Label the clips that have no labels, and write the shard with old and new labels.

        Args:
            labels: The set that the labels belong to.
            labeller: Makes the maps.
            isolated: Decodes the clips.
            progress: Counts panoramas, and prints clips that are skipped.
        """
        report, started = LabelReport(), time.perf_counter()
        segmenter = labeller.batches.segmenter
        network_s = segmenter.network_s
        made: dict[str, bytes] = {}
        decode = partial(self._frames, isolated, labels.fps)
        keys = {clip: self.reader.keys[clip] for clip in self.missing(labels.name)}
        with closing(label_clips(keys, decode, labels.fps, labeller)) as parts:
            for part in parts:
                if isinstance(part.result, BadItem):
                    progress.note(f"skipped {part.key}: {part.result.detail}")
                    report.skipped[part.result.reason] += 1
                    progress.advance(self.num_maps(part.clip, labels.fps))
                    continue
                progress.advance(part.num_maps)
                report.panoramas += part.num_maps
                if part.result is not None:
                    made[part.key] = part.result
                    report.clips += 1
        if made:
            labels.create(self.dataset)
            self.write(labels.name, made)
        report.elapsed_s = time.perf_counter() - started
        report.network_s = segmenter.network_s - network_s
        return report

    def num_maps(self, clip: int, fps: float) -> int:
        """Return the number of maps of a clip."""
        return max(1, round(float(self.reader.durations_s[clip]) * fps))

    def write(self, name: str, made: Mapping[str, bytes]) -> None:
        """Write the shard of labels: `made` (key -> ``.npz``), and the labels that exist."""
        present = self._present(name)
        with ShardWriter(self.labels_path(name)) as writer:
            for clip in self.clips:
                key = self.reader.keys[clip]
                if key in made:
                    writer.add(key, {f"{name}.npz": made[key]})
                elif present is not None and key in present.contents.ranges:
                    writer.add(key, {f"{name}.npz": present.read(key)})

    def _frames(self, isolated: IsolatedProcess, fps: float, clip: int) -> Tensor:
        mp4 = bytes(self.reader.read(clip, "mp4"))
        duration_s = float(self.reader.durations_s[clip])
        frames = isolated.call(self.reader.keys[clip], clip_frames, mp4, fps, duration_s)
        return torch.from_numpy(frames)

    def _present(self, name: str) -> LabelShardFile | None:
        try:
            return LabelShardFile(self.labels_path(name), name)
        except (FileNotFoundError, UserError):
            return None  # a damaged shard of labels is written again


def shard_tasks(
    dataset: Path, splits: Sequence[str], shards: frozenset[int] | None = None
) -> Iterator[ShardTask]:
    """Yield the shards of clips of a dataset.

    Args:
        dataset: The dataset folder.
        splits: The splits wanted.
        shards: Numbers of the shards wanted; None for all.

    Raises:
        UserError: `dataset` is not a dataset, or has no shard of these numbers.
    """
    found = False
    for split in splits:
        reader = ShardReader(dataset, split)
        for name, clips in reader.clips_of_shards():
            parsed = parse_shard_name(name)
            if parsed is not None and (shards is None or parsed[1] in shards):
                found = True
                yield ShardTask(reader, dataset / split / name, tuple(clips))
    if shards is not None and not found:
        raise UserError(
            f"{dataset} has no shard with a number in {sorted(shards)[:10]}",
            code="missing",
            key="--shards",
        )


def remove_leftovers(dataset: Path, tasks: Sequence[ShardTask], name: str) -> None:
    """Remove half-written files and locks of labels that killed processes left."""
    for folder in {dataset, *(task.path.parent for task in tasks)}:
        for pattern in (f".labels-{name}.json.*.tmp", f".{name}-*.tar.*.tmp", f".{name}-*.lock"):
            for path in folder.glob(pattern):
                remove_abandoned(path)
