"""The picture of a dataset card: clips if they are pushed, else histograms."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from yt360.errors import UserError
from yt360.labels.format.label_set import default_label_set
from yt360.stats.counts import DatasetCounts


def _draw_clips(dataset: Path, path: Path) -> None:
    from yt360.labels.clip_sheet import draw_clip_sheet

    labels = default_label_set(dataset)
    try:
        draw_clip_sheet(dataset, path, labels=labels)
    except UserError as error:
        if error.code != "empty" or labels is None:
            raise
        draw_clip_sheet(dataset, path)  # no clip has labels yet


def card_picture(
    dataset: Path,
    counts: DatasetCounts,
    has_media: bool,
    draw_clips: Callable[[Path, Path], None] = _draw_clips,
) -> bytes:
    """Return a PNG. Frames of videos are shown only if the videos are pushed.

    Args:
        dataset: The dataset folder.
        counts: What is in it.
        has_media: Whether its clips are pushed.
        draw_clips: Writes a PNG of clips of a dataset to a path.

    Raises:
        UserError: ``"empty"``: No clip can be drawn.
    """
    with tempfile.TemporaryDirectory(prefix="yt360-card-") as folder:
        path = Path(folder) / "picture.png"
        if has_media:
            draw_clips(dataset, path)
        else:
            from yt360.stats.plots import plot_sheet

            plot_sheet(counts, path)
        return path.read_bytes()
