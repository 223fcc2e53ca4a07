"""Pictures of segmentation: predictions beside targets (Fig. 5 and 6), and the confusion matrix."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from itertools import cycle
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from torch import Tensor

from avsa.data.order import Draw
from avsa.evals.base import Context
from avsa.evals.segmentation.metrics import NO_TARGET, Numbers
from avsa.evals.segmentation.targets import CLASS_NAMES, Sample, to_joint
from avsa.views.colors import to_rgb_bytes
from yt360.files import atomic_write
from yt360.labels.overlay import NONE_NAME, colored
from yt360.terminal.text import plot_text, shortened

MAX_CLIPS, MAX_VIEWS = 6, 2
SIZE_IN, DPI = 1.55, 110


class PicturedOrder:
    """One batch of a clip each of some videos, spread over the split, as the test draws them.

    Args:
        video_ids: Video of each clip, in the order of the index.
    """

    full_batches = False

    def __init__(self, video_ids: Sequence[str]) -> None:
        first = {video: clip for clip, video in reversed(list(enumerate(video_ids)))}
        clips = sorted(first.values())
        chosen = np.unique(np.linspace(0, len(clips) - 1, MAX_CLIPS).round().astype(int))
        self._clips = [clips[number] for number in chosen]
        self.batch_size = len(self._clips)

    def batch(self, step: int) -> list[Draw]:
        """Return the samples in the first step; empty past it."""
        return [Draw(clip, 0, clip) for clip in self._clips] if step == 0 else []

    def replacements(self, draw: Draw) -> Iterator[int]:  # noqa: ARG002 - the protocol's signature
        """Return nothing: clips are not replaced."""
        return iter(())


def save_pictures(
    context: Context,
    samples: Generator[Sample],
    predict: Callable[[Sample], Tensor],
    confusion: Numbers,
) -> dict[str, str]:
    """Save the pictures; return their captions by file name.

    Args:
        context: Says where.
        samples: A batch to show.
        predict: Returns classes (B, K, h, w).
        confusion: (V, C, C) of the test.
    """
    with closing(samples), torch.no_grad():
        sample = next(samples, None)  # None if these clips cannot be read
        predicted = None if sample is None else predict(sample).to(torch.uint8).cpu().numpy()
    figures = {
        "confusion": (
            "Targets (rows) and predictions (columns): fractions of the labelled pixels of a row",
            _draw_confusion(confusion.sum(0)),
        ),
    }
    if sample is not None and predicted is not None:
        caption = "Views, targets and predictions, on clips spread over the test split"
        figures = {"predictions": (caption, _draw_predictions(sample, predicted)), **figures}
    captions = {}
    for name, (caption, figure) in figures.items():
        file_name = f"{context.name}.{name}.png"
        with atomic_write(context.pictures / file_name) as file:
            figure.savefig(file, format="png", metadata={"Software": None})
        captions[file_name] = caption
    return captions


def _draw_predictions(sample: Sample, predicted: NDArray[np.uint8]) -> Figure:
    """Return a figure with a row for each clip: view, target, prediction, for up to two views."""
    video, targets = sample.batch.video.cpu(), sample.targets.cpu().numpy()
    clips, views = len(video), min(MAX_VIEWS, video.shape[1])
    size = (SIZE_IN * (3 * views + 0.3), SIZE_IN * (clips + 0.8))
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    pictures, key = figure.subfigures(2, 1, squeeze=False, height_ratios=(clips, 0.5))[:, 0]
    grid = pictures.subplots(clips, 3 * views, squeeze=False)
    for b, k in np.ndindex(clips, views):
        _draw_view(
            grid[b, 3 * k : 3 * k + 3],
            to_rgb_bytes(video[b, k, :, video.shape[3] // 2].double().numpy()),
            colored(to_joint(targets[b, k])),
            colored(to_joint(predicted[b, k])),
        )
    for axes, text in zip(grid[0], cycle(("view", "target", "prediction"))):
        axes.set_title(text, size=9)
    for axes, clip in zip(grid[:, 0], sample.batch.raw.keys, strict=True):
        axes.set_ylabel(plot_text(shortened(clip, 24)), size=7)
    _draw_key(key, np.concatenate([targets[:, :views], predicted[:, :views]]))
    return figure


def _draw_view(row: Sequence[Any], *images: NDArray[np.uint8]) -> None:
    for axes, image in zip(row, images, strict=True):
        axes.imshow(image)
        axes.set(xticks=[], yticks=[])


def _draw_key(part: SubFigure, shown: NDArray[np.uint8]) -> None:
    """Draw the colours and names of the classes that are shown, the most frequent first."""
    counts = np.bincount(shown.ravel(), minlength=256)
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)].astype(np.uint8)
    names = {**dict(enumerate(CLASS_NAMES)), NO_TARGET: NONE_NAME}
    patches = [
        Patch(facecolor=color / 255, edgecolor="0.5", label=names[number])
        for number, color in zip(order.tolist(), colored(to_joint(order)), strict=True)
    ]
    part.legend(handles=patches, loc="center", ncols=6, fontsize=8, frameon=False)


def _draw_confusion(confusion: Numbers) -> Figure:
    """Return the confusion matrix of the classes that are targets or predictions somewhere."""
    used = np.flatnonzero(confusion.sum(0) + confusion.sum(1))
    matrix = confusion[np.ix_(used, used)]
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    names = [CLASS_NAMES[number] for number in used]
    side = max(4.0, 0.28 * len(used) + 2)
    figure = Figure(figsize=(side + 1, side), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    axes.set_xticks(range(len(used)), names, rotation=90, size=8)
    axes.set_yticks(range(len(used)), names, size=8)
    axes.set(xlabel="prediction", ylabel="target")
    if len(used) <= 16:
        for row, column in zip(*np.nonzero(shares >= 0.005), strict=True):
            share = shares[row, column]
            color = "white" if share > 0.6 else "black"
            text = f"{100 * share:.0f}"
            axes.text(column, row, text, ha="center", va="center", size=7, color=color)
    figure.colorbar(image, label="fraction of the pixels of the target", shrink=0.8)
    return figure
