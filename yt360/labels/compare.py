"""Compare two sets of labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yt360.errors import BadItem, UserError
from yt360.labels.classes import NAMES, NUM_CLASSES
from yt360.labels.format.label_set import DEFAULT_NAME
from yt360.labels.format.reader import LabelReader
from yt360.splits import SPLITS
from yt360.terminal.progress import Progress


@dataclass(frozen=True)
class Agreement:
    """Confusion matrix of two sets of labels.

    Attributes:
        confusion: (135, 135) int64 pixels by joint class in A (rows) and in B (columns); 134 is
            "none".
        clips: Clips compared.
        only_a: Clips with labels only in A.
        only_b: Clips with labels only in B.
        damaged: Clips whose labels cannot be read in one of them.
    """

    confusion: np.ndarray
    clips: int
    only_a: int
    only_b: int
    damaged: int

    @property
    def pixel_agreement(self) -> float:
        """Fraction of all pixels that have the same class in both, or no class in both."""
        return float(np.trace(self.confusion) / max(1, self.confusion.sum()))

    @property
    def unlabelled(self) -> tuple[float, float]:
        """Fractions of all pixels without a class in A and in B."""
        total = max(1, self.confusion.sum())
        rows, columns = self.confusion[NUM_CLASSES].sum(), self.confusion[:, NUM_CLASSES].sum()
        return float(rows / total), float(columns / total)

    @property
    def labelled_in_one(self) -> float:
        """Fraction of all pixels that have a class in exactly one of the sets."""
        both = self.confusion[NUM_CLASSES, NUM_CLASSES] / max(1, self.confusion.sum())
        return float(sum(self.unlabelled) - 2 * both)

    @property
    def pixel_accuracy(self) -> float:
        """Fraction of the pixels labelled in A that have the same class in B."""
        labelled = self.confusion[:NUM_CLASSES]
        return float(np.trace(labelled) / max(1, labelled.sum()))

    @property
    def iou(self) -> np.ndarray:
        """Intersection over union (134,) of each class, over pixels labelled in A.

        Pixels without a class in A are ignored, as in common benchmarks; NaN for classes that
        neither set has.
        """
        table = self.confusion[:NUM_CLASSES]
        both = np.diagonal(table).astype(float)
        union = table.sum(1) + table[:, :NUM_CLASSES].sum(0) - both
        return np.divide(both, union, out=np.full(NUM_CLASSES, np.nan), where=union > 0)

    @property
    def mean_iou(self) -> float:
        """Mean IoU over the classes in at least one of the sets; NaN if there are none."""
        values = self.iou[~np.isnan(self.iou)]
        return float(values.mean()) if len(values) else float("nan")

    def lines(self) -> list[str]:
        """Return a table for people: totals, then classes by decreasing fraction in A."""
        table = self.confusion[:NUM_CLASSES]
        total = max(1, self.confusion.sum())
        unlabelled_a, unlabelled_b = self.unlabelled
        lines = [
            f"clips compared   {self.clips}",
            f"only in A        {self.only_a}",
            f"only in B        {self.only_b}",
            f"damaged          {self.damaged}",
            "",
            "of all pixels",
            f"  same answer        {self.pixel_agreement:.4f}  (a class, or none)",
            f"  unlabelled in A    {unlabelled_a:.4f}",
            f"  unlabelled in B    {unlabelled_b:.4f}",
            f"  labelled in one    {self.labelled_in_one:.4f}",
            "of pixels labelled in A",
            f"  pixel accuracy     {self.pixel_accuracy:.4f}",
            f"  mean IoU           {self.mean_iou:.4f}",
            "",
            f"{'class':<16}  % in A   % in B     IoU  recall precision",
        ]
        rows, columns = table.sum(1), self.confusion[:, :NUM_CLASSES].sum(0)
        seen = table[:, :NUM_CLASSES].sum(0)
        for label in np.argsort(-rows, kind="stable"):
            if np.isnan(self.iou[label]):
                continue
            hit = table[label, label]
            lines.append(
                f"{NAMES[label]:<16} {rows[label] / total:8.2%} {columns[label] / total:8.2%} "
                f"{self.iou[label]:7.3f} {_ratio(hit, rows[label]):>7} "
                f"{_ratio(hit, seen[label]):>9}"
            )
        return lines


def compare(first: str, second: str) -> Agreement:
    """Compare two sets of labels clip by clip.

    Maps of another size or rate are sampled at the pixels and times of those of A.

    Args:
        first: A, the reference: ``DATASET`` or ``DATASET:NAME``.
        second: B, in the same form; of the same dataset or another one with the same clips.

    Raises:
        UserError: One of them does not exist, or they have no clip in common.
    """
    confusion = np.zeros((NUM_CLASSES + 1, NUM_CLASSES + 1), dtype=np.int64)
    a, b = _readers(first), _readers(second)
    common = [key for key in a if key in b]
    if not common:
        raise UserError(
            f"{first} ({len(a)} clips) and {second} ({len(b)}) have no clip in common", code="empty"
        )
    damaged = 0
    with Progress("comparing", len(common), "clips") as progress:
        for key in common:
            try:
                one, other = a[key].read(key).joint, b[key].read(key).joint
            except BadItem as error:
                progress.note(f"skipped {key}: {error.detail}")
                damaged += 1
            else:
                matched = align(other, one.shape, b[key].info.fps / a[key].info.fps)
                pairs = one.astype(np.int64) * (NUM_CLASSES + 1) + matched
                confusion += np.bincount(pairs.ravel(), minlength=confusion.size).reshape(
                    confusion.shape
                )
            progress.advance()
    done = len(common) - damaged
    return Agreement(confusion, done, len(a) - len(common), len(b) - len(common), damaged)


def parse_set(text: str) -> tuple[Path, str]:
    """Return dataset and name of ``DATASET`` or ``DATASET:NAME``."""
    path, colon, name = text.rpartition(":")
    return (Path(path), name) if colon and not Path(text).is_dir() else (Path(text), DEFAULT_NAME)


def align(maps: np.ndarray, shape: tuple[int, ...], rate: float) -> np.ndarray:
    """Sample maps on another grid, at the nearest pixel and time.

    Args:
        maps: (T, H, W).
        shape: (T', H', W') of the result; both grids cover the whole sphere.
        rate: Maps per second of `maps`, divided by that of the result.
    """
    times = np.minimum((np.arange(shape[0]) * rate + 0.5).astype(int), len(maps) - 1)
    rows, columns = (
        ((np.arange(wanted) + 0.5) * have / wanted).astype(int)
        for wanted, have in zip(shape[1:], maps.shape[1:], strict=True)
    )
    return maps[np.ix_(times, rows, columns)]


def _readers(labels: str) -> dict[str, LabelReader]:
    """Return clip key -> reader of its labels."""
    dataset, name = parse_set(labels)
    readers = [LabelReader(dataset, split, name) for split in SPLITS]
    return {key: reader for reader in readers for key in reader.keys}


def _ratio(part: float, whole: float) -> str:
    return f"{part / whole:.3f}" if whole else "-"
