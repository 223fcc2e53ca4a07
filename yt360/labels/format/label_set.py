"""A set of labels of a dataset, described by ``labels-NAME.json``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from yt360.errors import UserError, did_you_mean
from yt360.files import write_json
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.differences import first_difference
from yt360.shards.format.schema import CLIPS
from yt360.untrusted.files import read_limited
from yt360.untrusted.parsing import parse_json

FORMAT = "yt360-labels"
FORMAT_VERSION = 1
DEFAULT_NAME = "panoptic"
MIN_FPS, MAX_FPS = 1e-3, 60
MAX_ROWS = 1 << 14
_NAME = re.compile(r"[a-z][a-z0-9_]{0,23}")
_MAX_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class LabelSet:
    """How a set of labels was made.

    Attributes:
        name: Its name.
        fps: Maps per second; map i shows second i / fps of its clip.
        height: Rows of the maps.
        width: Columns of the maps.
        made_by: Everything that determines the labels: segmenter, checkpoint, views.
    """

    name: str
    fps: Annotated[float, Field(ge=MIN_FPS, le=MAX_FPS)]
    height: Annotated[int, Field(ge=1, le=MAX_ROWS)]
    width: Annotated[int, Field(ge=1, le=2 * MAX_ROWS)]
    made_by: Mapping[str, Any]

    @staticmethod
    def path(dataset: Path, name: str) -> Path:
        """Return the path of the description of a set."""
        return dataset / f"labels-{name}.json"

    @classmethod
    def load(cls, dataset: Path, name: str) -> LabelSet:
        """Read the description of a set.

        Raises:
            UserError: `dataset` is not a dataset, has no such set, or its description is damaged.
        """
        DatasetInfo.load(dataset)
        path = cls.path(dataset, name)
        known = label_sets(dataset)
        if name not in known:
            hint = did_you_mean(name, known) if known else "; `yt360 pseudolabel` makes them"
            raise UserError(
                f"{dataset} has no label set {name!r}{hint}", code="missing", key="--name"
            )
        try:
            content = read_limited(path, _MAX_BYTES, inside=dataset)
            if parse_json(content, _Head) != _Head(format=FORMAT, format_version=FORMAT_VERSION):
                raise UserError(
                    f"{path} has an unknown format or version", code="unsupported", key=path
                )
            labels = parse_json(content, cls)
            if labels.name != name:
                raise ValueError(f"it describes the label set {labels.name!r}")
        except ValueError as error:
            raise UserError(
                f"{path} is damaged: {error}; restore it, or label the dataset again (`yt360 "
                "pseudolabel`)",
                key=path,
            ) from None
        return labels

    def create(self, dataset: Path) -> None:
        """Write the description of a new set, or check that an existing set has the same options.

        Call this when there are labels to write, so that a failed run leaves no empty set.

        Raises:
            UserError: The name cannot be used, or the existing set was made with other options.
        """
        check_name(self.name)
        path = self.path(dataset, self.name)
        content = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        if not path.exists():
            write_json(path, content, replace=False)  # another process may have written it
        self.check(dataset)

    def check(self, dataset: Path) -> None:
        """Check that the set of this name, if it exists, was made with the same options.

        Raises:
            UserError: It was made with other options.
        """
        if not self.path(dataset, self.name).exists():
            return
        present = self.load(dataset, self.name)
        difference = first_difference(asdict(self), asdict(present))
        if difference is not None:
            raise UserError(
                f"the label set {self.name!r} of {dataset} was made with other options "
                f"({difference}); give the same options, or another --name",
                code="conflict",
                key="--name",
            )


@dataclass(frozen=True, kw_only=True)
class _Head:
    """The fields that decide whether the rest of a description can be read."""

    format: str
    format_version: int


def check_name(name: str) -> str:
    """Return the name of a set of labels if it is valid.

    Raises:
        UserError: The name is reserved or has invalid characters.
    """
    if not _NAME.fullmatch(name) or name == CLIPS:
        raise UserError(
            f"{name!r} is not a valid name of a label set; use up to 24 lower-case letters, digits "
            f"and '_', starting with a letter, and not {CLIPS!r}",
            key="--name",
        )
    return name


def default_label_set(dataset: Path) -> str | None:
    """Return the set `DEFAULT_NAME` if the dataset has it, else its first set; None without any."""
    names = label_sets(dataset)
    return DEFAULT_NAME if DEFAULT_NAME in names else next(iter(names), None)


def label_sets(dataset: Path) -> list[str]:
    """Return the names of a dataset's sets of labels."""
    names = (path.stem.removeprefix("labels-") for path in dataset.glob("labels-*.json"))
    return sorted(name for name in names if _NAME.fullmatch(name))
