"""Metrics and tables over all folds, and notes on videos that cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from avsa.evals.action.lists import Layout
from avsa.evals.action.testing import TOP, VideoScore
from avsa.evals.bootstrap import Numbers, bootstrap_interval
from avsa.evals.result import Metric, Result, Row
from avsa.evals.unreadable import named

NUMBERS = {
    "clip@1": "clip_1",
    "video@1": "video_1",
    "clip@5": f"clip_{TOP}",
    "video@5": f"video_{TOP}",
}
"""Attribute of `VideoScore` by the name of the number."""


@dataclass(frozen=True)
class FoldResult:
    """Result of a fold.

    Attributes:
        fold: Number of the fold.
        classes: Names of the classes.
        train_videos: Number of training videos.
        scores: Of the test videos that could be read.
        epochs: See `avsa.evals.fit.Fit.run`.
        replaced: Reason by name of the training videos that could not be read.
        missing: Reason by name of the test videos that could not be read.
    """

    fold: int
    classes: tuple[str, ...]
    train_videos: int
    scores: tuple[VideoScore, ...]
    epochs: tuple[dict[str, float], ...]
    replaced: dict[str, str]
    missing: dict[str, str]


def summarize(folds: Sequence[FoldResult], layout: Layout, seed: int) -> Result:
    """Return the result of an evaluation."""
    num_classes = len(folds[0].classes)
    metrics = {}
    for name, attribute in NUMBERS.items():
        chance = min(1.0, (TOP if name.endswith(str(TOP)) else 1) / num_classes)
        metrics[name] = mean_of_folds([each.scores for each in folds], attribute, chance, seed)
    tables: dict[str, tuple[Row, ...]] = {
        "folds": tuple(_fold_row(each) for each in folds),
        "classes": tuple(_class_rows(folds)),
        "confusion": tuple(_confusion_rows(folds)),
        "epochs": tuple({"fold": each.fold, **row} for each in folds for row in each.epochs),
    }
    return Result(metrics=metrics, tables=tables, notes=tuple(_notes(folds, layout)))


def mean_of_folds(
    folds: Sequence[Sequence[VideoScore]], attribute: str, chance: float, seed: int
) -> Metric:
    """Return the mean of the folds' means, with its interval.

    The interval draws recordings (`ActionVideo.source`), each with all of its videos in all folds,
    since videos of one recording resemble each other and a video may be tested in several folds.
    """
    sources = sorted({score.source for fold in folds for score in fold})
    row = {source: number for number, source in enumerate(sources)}
    sums = np.zeros((len(sources), len(folds), 2))
    for column, fold in enumerate(folds):
        for score in fold:
            sums[row[score.source], column] += getattr(score, attribute), 1

    def statistic(resampled: Numbers) -> Numbers:
        with np.errstate(invalid="ignore"):  # a resample may have no video of a fold
            means: Numbers = (resampled[..., 0] / resampled[..., 1]).mean(-1)
        return means

    low, high = bootstrap_interval(sums, statistic, seed) or (None, None)
    value = float(statistic(sums.sum(0)[None])[0])
    return Metric(value=value, low=low, high=high, chance=chance)


def _fold_row(result: FoldResult) -> Row:
    means = {name: _mean(result.scores, attribute) for name, attribute in NUMBERS.items()}
    videos = {"train_videos": result.train_videos, "test_videos": len(result.scores)}
    return {"fold": result.fold, **means, **videos}


def _class_rows(folds: Sequence[FoldResult]) -> Iterable[Row]:
    """Yield the numbers of each class, over the videos of all folds together."""
    for label, name in enumerate(folds[0].classes):
        scores = [each for fold in folds for each in fold.scores if each.label == label]
        means = {number: _mean(scores, attribute) for number, attribute in NUMBERS.items()}
        yield {"class": name, "videos": len(scores), **means}


def _confusion_rows(folds: Sequence[FoldResult]) -> Iterable[Row]:
    """Yield how often a class was predicted for another, or for itself; zeros are left out."""
    classes = folds[0].classes
    pairs = Counter((each.label, each.predicted) for fold in folds for each in fold.scores)
    for (label, predicted), videos in sorted(pairs.items()):
        yield {"class": classes[label], "predicted": classes[predicted], "videos": videos}


def _mean(scores: Sequence[VideoScore], attribute: str) -> float | None:
    return float(np.mean([getattr(each, attribute) for each in scores])) if scores else None


def _notes(folds: Sequence[FoldResult], layout: Layout) -> Iterable[str]:
    num_classes = len(folds[0].classes)
    if num_classes != layout.num_classes:
        yield f"The lists have {num_classes} classes; {layout.title} has {layout.num_classes}."
    for fold in folds:
        for videos, count, what in (
            (fold.replaced, fold.train_videos, "training videos cannot be read and were replaced"),
            (fold.missing, len(fold.scores) + len(fold.missing), "test videos cannot be read and "
             "are left out"),
        ):  # fmt: skip
            if videos:
                yield f"Fold {fold.fold}: {len(videos)} of {count} {what}: {named(videos)}."
