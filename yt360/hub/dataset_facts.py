"""What the card and the metadata of a dataset tell about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yt360.hub.licences import UNKNOWN, forbidding
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.stats.counts import DatasetCounts


@dataclass(frozen=True)
class LabelFacts:
    """A set of labels.

    Attributes:
        name: Its name.
        made_by: What determines the labels.
        fps: Maps per second.
        classes: Fractions of pixels of its most frequent classes.
    """

    name: str
    made_by: Mapping[str, Any]
    fps: float
    classes: Mapping[str, float]


@dataclass(frozen=True)
class DatasetFacts:
    """A dataset as it is pushed.

    Attributes:
        name: ``OWNER/REPOSITORY``.
        url: Page of the repository.
        date: When the dataset was built, ``YYYY-MM-DD``.
        info: The content of ``dataset.json``.
        counts: What ``yt360 stats`` counts.
        labels: Its sets of labels.
        features: Names of files of features.
        has_media: Whether shards of clips are pushed.
    """

    name: str
    url: str
    date: str
    info: DatasetInfo
    counts: DatasetCounts
    labels: tuple[LabelFacts, ...]
    features: tuple[str, ...]
    has_media: bool

    @property
    def address(self) -> str:
        """Its address."""
        return f"hf://datasets/{self.name}"

    @property
    def licences(self) -> dict[str, int]:
        """Number of videos by licence, most frequent first."""
        return licences_of(self.counts)

    @property
    def hours(self) -> float:
        """Hours of all clips."""
        return self.counts.rows["total"].hours

    @property
    def summary(self) -> str:
        """What it is, in a sentence or two."""
        total = self.counts.rows["total"]
        form = self.info.options.get("form")
        sizes = ""
        if isinstance(form, Mapping) and {"width", "height", "fps", "sample_rate_hz"} <= set(form):
            sizes = (
                f", {form['width']}x{form['height']} at {form['fps']} frames per second, with"
                f" {form['sample_rate_hz']} Hz audio"
            )
        media = (
            "It holds the clips themselves."
            if self.has_media
            else "It holds lists, labels and metadata, and no media."
        )
        return (
            f"{total.clips} clips ({total.hours:.2f} hours) of {total.videos} 360° videos with "
            f"first-order ambisonic audio: mono equirectangular video{sizes} in four channels "
            f"(ambiX: W, Y, Z, X; SN3D). {media}"
        )


def licences_of(counts: DatasetCounts) -> dict[str, int]:
    """Return the number of videos by licence, most frequent first."""
    found = counts.categories.get("licence")
    return dict(found.most_common()) if found else {UNKNOWN: counts.rows["total"].videos}


def licence_name(licences: Mapping[str, int]) -> str:
    """Return the licence of the whole, as hubs name it.

    ``cc``: each video may be shared under a Creative Commons licence or is in the public domain;
    ``other``: some may not, or it is not known.
    """
    return "other" if forbidding(licences) else "cc"
