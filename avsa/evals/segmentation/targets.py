"""Targets of segmentation: label maps, looked up in the pixels of views.

Shapes: B clips, K views of a clip, (H, W) of a label map, (h, w) of a view.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsa.data.remote.mirror import is_mirror
from avsa.evals.segmentation.metrics import NO_TARGET
from avsa.views.batch import Batch
from avsa.views.sampling import Views
from yt360.devices import usable_cores
from yt360.errors import BadItem, UserError, did_you_mean
from yt360.labels.classes import NAMES, NUM_CLASSES, SUBSET, join
from yt360.labels.format.label_set import label_sets
from yt360.labels.format.reader import LabelReader
from yt360.sphere import sample_equirect, view_grid

CLASS_NAMES = tuple(NAMES[number] for number in SUBSET)
"""The 32 classes of the paper; their positions are the class numbers of targets."""
NUM_TARGETS = len(SUBSET)
MAX_SEARCHED = 200
"""About so many clips are searched for labels of the 32 classes before training."""

_TARGET_OF = np.full(NUM_CLASSES + 1, NO_TARGET, np.uint8)
_TARGET_OF[list(SUBSET)] = np.arange(NUM_TARGETS)
_JOINT_OF = np.full(256, NUM_CLASSES, np.uint8)
_JOINT_OF[:NUM_TARGETS] = SUBSET

ClassMap = NDArray[np.uint8]


def to_joint(targets: ClassMap) -> ClassMap:
    """Return the panoptic class numbers (`yt360.labels.classes`) of targets; none of 255."""
    return _JOINT_OF[targets]


class TargetReader:
    """The classes of a split on the panorama; safe to use from many threads.

    Args:
        dataset: Folder of shards.
        split: ``"train"`` or ``"test"``.
        name: Name of the label set.

    Raises:
        UserError: There is no such label set on this machine.
    """

    def __init__(self, dataset: Path, split: str, name: str) -> None:
        if is_mirror(dataset):
            raise UserError(
                "segmentation needs label shards on this machine; copy the dataset here",
                "unsupported",
                "--data",
            )
        known = label_sets(dataset)
        if name not in known:
            raise UserError(
                f"{dataset} has no label set {name!r}{did_you_mean(name, known) if known else ''}; "
                f"`yt360 pseudolabel {dataset}` makes one, and --labels chooses one",
                "missing",
                "--labels",
            )
        self._labels = LabelReader(dataset, split, name)
        self._shape = (self._labels.info.height, self._labels.info.width)

    @property
    def keys(self) -> list[str]:
        """Clips that have labels."""
        return self._labels.keys

    def fingerprint(self) -> str:
        """Return the number of clips with labels, and a hash of their keys and of the label set."""
        described = json.dumps(asdict(self._labels.info), sort_keys=True)
        digest = sha256("\n".join([*self.keys, described]).encode()).hexdigest()
        return f"{len(self.keys)} clips ({digest[:12]})"

    def read(self, key: str, time_s: float) -> ClassMap:
        """Return the map (H, W) at a time of a clip, or else the latest before; 255 is no target.

        A clip without labels, or with damaged ones, has no targets.
        """
        try:
            maps = self._labels.read(key)
            if maps.things.shape[1:] != self._shape or not len(maps.things):
                raise BadItem("labels-damaged", f"maps of {maps.things.shape}")
        except BadItem:
            return np.full(self._shape, NO_TARGET, np.uint8)
        frame = min(int(time_s * self._labels.info.fps + 1e-6), len(maps.things) - 1)
        return _TARGET_OF[join(maps.things[frame], maps.stuff[frame])]

    def require_classes(self) -> None:
        """Check that the labels have some of the 32 classes.

        Raises:
            UserError: ``"empty"``: Not one of some hundred clips has any, or no clip has labels.
        """
        keys = self.keys
        name, split = self._labels.info.name, self._labels.folder.name
        if not keys:
            raise UserError(
                f"no clip of the split {split} has labels {name!r}; label it with `yt360 "
                "pseudolabel`, or choose other labels with --labels",
                "empty",
                "--labels",
            )
        searched = keys[:: max(1, len(keys) // MAX_SEARCHED)]
        if any((self.read(key, 0.0) != NO_TARGET).any() for key in searched):
            return
        raise UserError(
            f"the labels {name!r} of the split {split} have none of the 32 classes "
            f"({', '.join(CLASS_NAMES[:3])}, ...); make labels of COCO's panoptic classes with "
            "`yt360 pseudolabel`, and choose them with --labels",
            "empty",
            "--labels",
        )


def view_targets(panoramas: Tensor, views: Views, height: int, width: int) -> Tensor:
    """Return the classes of the pixels of views, uint8 (B, K, h, w), by nearest lookup.

    Args:
        panoramas: uint8 (B, H, W).
        views: (B, K) views; mirrored ones have mirrored targets.
        height: h.
        width: w.
    """
    angles = (views.azimuth, views.elevation, views.hfov, views.vfov, views.hflip)
    azimuth, elevation, hfov, vfov, hflip = (each.to(panoramas.device) for each in angles)
    grid = view_grid(azimuth, elevation, hfov, height, width, vfov=vfov)
    grid = torch.where(hflip[..., None, None, None], grid.flip(-2), grid)
    # The views of a clip are stacked vertically, for one lookup in its map.
    found = sample_equirect(panoramas[:, None], grid.flatten(1, 2), "nearest")
    return found[:, 0].unflatten(1, grid.shape[1:3])


@dataclass(frozen=True)
class Sample:
    """A batch with targets.

    Attributes:
        batch: The views; its raw tensors are no longer valid.
        targets: uint8 (B, K, h, w), 255 for none.
        labelled: Whether the panorama of each clip has any of the classes.
    """

    batch: Batch
    targets: Tensor
    labelled: list[bool]


def with_targets(
    batches: Generator[Batch], labels: TargetReader, audio_duration_s: float
) -> Generator[Sample]:
    """Yield batches with their targets, in the middle of each clip window.

    Labels are read in threads, one batch ahead.
    """
    waiting: deque[tuple[Batch, list[Future[ClassMap]]]] = deque()
    with closing(batches), ThreadPoolExecutor(usable_cores()) as pool:
        for batch in batches:
            raw = batch.raw
            times = [start + audio_duration_s / 2 for start in raw.audio_start_s]
            waiting.append(
                (batch, [*map(pool.submit, [labels.read] * len(times), raw.keys, times)])
            )
            if len(waiting) > 1:
                yield _with_targets(*waiting.popleft())
        while waiting:
            yield _with_targets(*waiting.popleft())


def _with_targets(batch: Batch, reads: Sequence[Future[ClassMap]]) -> Sample:
    panoramas = np.stack([each.result() for each in reads])
    device_maps = torch.from_numpy(panoramas).to(batch.video.device)
    targets = view_targets(device_maps, batch.views, *batch.video.shape[-2:])
    return Sample(batch, targets, (panoramas != NO_TARGET).any((1, 2)).tolist())
