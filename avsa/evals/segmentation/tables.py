"""The numbers and tables of segmentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from avsa.evals.bootstrap import bootstrap_interval
from avsa.evals.result import VIDEOS, Metric, Result, Row
from avsa.evals.segmentation.metrics import Numbers, class_iou, mean_iou, pixel_accuracy
from avsa.evals.segmentation.targets import CLASS_NAMES
from avsa.evals.segmentation.testing import Tested
from avsa.evals.unreadable import unreadable_split
from yt360.errors import UserError
from yt360.shards.format.reader import ShardReader


def to_result(
    tested: Tested,
    epochs: tuple[Row, ...],
    pictures: Mapping[str, str],
    notes: Sequence[str],
    seed: int,
) -> Result:
    """Return the result of a test.

    Args:
        tested: What it found.
        epochs: Rows of training.
        pictures: See `Result`.
        notes: Notes on the data.
        seed: Seed of the intervals.
    """
    total = tested.confusion.sum(0)
    # Guessing: always the class that is most frequent.
    guess = np.zeros_like(total)
    guess[:, total.sum(1).argmax()] = total.sum(1)
    return Result(
        metrics={
            "pixel_accuracy": _metric(pixel_accuracy, tested.confusion, guess, seed),
            "miou": _metric(mean_iou, tested.confusion, guess, seed),
            "batch_pixel_accuracy": Metric(value=tested.pixel_accuracy),
            "image_miou": Metric(value=tested.image_iou),
        },
        tables={
            "classes": class_table(total),
            "confusion": confusion_table(total),
            "epochs": epochs,
            VIDEOS: video_rows(tested.videos, tested.confusion),
        },
        pictures=pictures,
        notes=(*_notes(tested, total), *notes),
    )


def require_targets(tested: Tested, clips: ShardReader) -> None:
    """Check that the test has something to compare.

    Raises:
        UserError: ``"empty"``: No clip can be read, or no pixel of a test view has a target.
    """
    if not tested.clips:
        raise unreadable_split(clips)
    if not tested.confusion.any():
        raise UserError(
            "no pixel of the test views has a label of the 32 classes; label more clips of the "
            "test split (`yt360 pseudolabel`)",
            "empty",
            "--labels",
        )


def class_table(confusion: Numbers) -> tuple[Row, ...]:
    """Return a row for each class: IoU, recall, precision, labelled pixels, and their fraction."""
    targets, predicted, hits = confusion.sum(1), confusion.sum(0), np.diagonal(confusion)
    iou = class_iou(confusion)
    return tuple(
        {
            "class": name,
            "iou": _number(iou[i]),
            "recall": hits[i] / targets[i] if targets[i] else None,
            "precision": hits[i] / predicted[i] if predicted[i] else None,
            "pixels": int(targets[i]),
            "fraction": targets[i] / targets.sum(),
        }
        for i, name in enumerate(CLASS_NAMES)
    )


def confusion_table(confusion: Numbers) -> tuple[Row, ...]:
    """Return a row for each class that is a target somewhere: pixels by predicted class."""
    return tuple(
        {"target": name, **dict(zip(CLASS_NAMES, map(int, row), strict=True))}
        for name, row in zip(CLASS_NAMES, confusion, strict=True)
        if row.any()
    )


def video_rows(videos: Sequence[str], confusion: Numbers) -> tuple[Row, ...]:
    """Return a row for each video with labelled pixels, for pairing with another record.

    ``items`` are its labelled pixels; ``video_miou`` is the mean over the classes that are targets
    or predictions in this video.

    Args:
        videos: V ids.
        confusion: (V, classes, classes).
    """
    return tuple(
        {
            "video": video,
            "items": float(each.sum()),
            "pixel_accuracy": float(pixel_accuracy(each)),
            "video_miou": float(mean_iou(each)),
        }
        for video, each in zip(videos, confusion, strict=True)
        if each.any()
    )


def _metric(
    statistic: Callable[[Numbers], Numbers], confusion: Numbers, guess: Numbers, seed: int
) -> Metric:
    low, high = bootstrap_interval(confusion, statistic, seed) or (None, None)
    value, chance = (float(statistic(each)) for each in (confusion.sum(0), guess))
    return Metric(value=value, low=low, high=high, chance=chance)


def _notes(tested: Tested, confusion: Numbers) -> tuple[str, ...]:
    known = int(np.isfinite(class_iou(confusion)).sum())
    notes = [
        "pixel_accuracy and miou are those of the whole test split; miou is the mean over the "
        f"{known} classes that are targets or predictions.",
        "batch_pixel_accuracy and image_miou are means over batches, as in the published code; "
        "image_miou is the mean over all images and classes of a batch.",
        f"{100 * confusion.sum() / tested.pixels:.1f} % of the pixels of test views are of the 32 "
        "classes.",
    ]
    if tested.without_classes:
        notes.append(
            f"{tested.without_classes} of {tested.clips} test samples have none of the 32 classes."
        )
    return tuple(notes)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
