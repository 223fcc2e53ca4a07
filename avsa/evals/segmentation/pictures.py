"""Pictures of segmentation: predictions beside targets (Fig. 5 and 6), and the confusion matrix."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from torch import Tensor

from avsa.data.order import Draw
from avsa.evals.base import Context
from avsa.evals.segmentation.metrics import NO_TARGET, Numbers
from avsa.evals.segmentation.targets import CLASS_NAMES, Sample, to_joint
from avsa.views.colors import to_rgb_bytes
from yt360.files import atomic_write
from yt360.labels.overlay import colored, overlay
from yt360.terminal.text import plot_text

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
    figures = {
        "predictions": (
            "Views, targets and predictions, on clips spread over the test split",
            _draw_predictions(samples, predict),
        ),
        "confusion": (
            "Targets (rows) by predicted class (columns), shares of the labelled pixels of a row",
            _draw_confusion(confusion.sum(0)),
        ),
    }
    captions = {}
    for name, (caption, figure) in figures.items():
        file_name = f"{context.name}.{name}.png"
        with atomic_write(context.pictures / file_name) as file:
            figure.savefig(file, format="png", metadata={"Software": None})
        captions[file_name] = caption
    return captions


def _draw_predictions(samples: Generator[Sample], predict: Callable[[Sample], Tensor]) -> Figure:
    """Return a figure with a row for each clip: view, target, prediction, for up to two views."""
    with closing(samples), torch.no_grad():
        sample = next(samples)
        predicted = predict(sample).to(torch.uint8).cpu().numpy()
    video, targets = sample.batch.video.cpu(), sample.targets.cpu().numpy()
    clips, views = len(video), min(MAX_VIEWS, video.shape[1])
    figure = Figure(
        figsize=(SIZE_IN * (3 * views + 0.3), SIZE_IN * (clips + 1.1)),
        dpi=DPI,
        layout="constrained",
    )
    pictures, key = figure.subfigures(2, 1, squeeze=False, height_ratios=(clips, 0.8))[:, 0]
    grid = pictures.subplots(clips, 3 * views, squeeze=False)
    for row, axes in enumerate(grid):
        for view in range(views):
            image = to_rgb_bytes(video[row, view, :, video.shape[3] // 2].double().numpy())
            shown = (
                image,
                overlay(image, to_joint(targets[row, view])),
                overlay(image, to_joint(predicted[row, view])),
            )
            for column, (title, each) in enumerate(
                zip(("view", "target", "prediction"), shown, strict=True), start=3 * view
            ):
                axes[column].imshow(each)
                axes[column].set(xticks=[], yticks=[])
                if row == 0:
                    axes[column].set_title(title, size=9)
        axes[0].set_ylabel(plot_text(_shortened(sample.batch.raw.keys[row])), size=7)
    _draw_key(key, targets[:, :views], predicted[:, :views])
    return figure


def _draw_key(part: object, targets: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> None:
    """Draw the colours and names of the classes that are shown, the most frequent first."""
    shown = np.bincount(np.concatenate([targets.ravel(), predicted.ravel()]), minlength=256)
    order = [number for number in np.argsort(-shown, kind="stable") if shown[number]]
    patches = [
        Patch(fc=colored(to_joint(np.uint8(n))) / 255, ec="0.5", label=CLASS_NAMES[n])  # type: ignore
        for n in order
        if n != NO_TARGET
    ]
    if patches:
        columns = min(len(patches), 6)
        part.legend(handles=patches, loc="center", ncols=columns, fontsize=8, frameon=False)  # type: ignore


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
    figure.colorbar(image, label="share of the target's pixels", shrink=0.8)
    return figure


def _shortened(text: str, most: int = 24) -> str:
    return text if len(text) <= most else f"{text[: math.ceil(most / 2)]}…{text[-most // 2 + 1 :]}"
