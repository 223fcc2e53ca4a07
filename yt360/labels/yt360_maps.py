"""Import the label maps that YT-360's authors released.

They consist of one folder per clip, ``VIDEOID-START``, with ``things-NNNN.png`` and
``stuff-NNNN.png``: map NNNN shows second NNNN / 4 of the clip. A missing map repeats the one before
it, as in the authors' loader.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import numpy as np
from PIL import Image

from yt360.clips import clip_key, video_id_of
from yt360.errors import BadItem, UserError
from yt360.labels.classes import NO_STUFF, NO_THING
from yt360.labels.format.label_set import MAX_ROWS, LabelSet, check_name
from yt360.labels.format.maps import MAX_MAP_BYTES, LabelMaps, encode_maps
from yt360.labels.image_files import open_image
from yt360.labels.shard_task import ShardTask, remove_leftovers, shard_tasks
from yt360.splits import SPLITS
from yt360.terminal.progress import Progress

YT360_FPS = 4.0
_FORMATS = ("PNG",)
_CLIP = re.compile(r"([A-Za-z0-9_-]+)-([0-9]{1,6})")
_MAP = re.compile(r"(things|stuff)-(\d{1,9})\.png")


@dataclass
class ImportReport:
    """The result of an import.

    Attributes:
        clips: Clips that got labels.
        without_maps: Clips of the dataset without maps.
        skipped: Clips whose maps cannot be used, by reason.
        elsewhere: Shards that another process was labelling.
    """

    clips: int = 0
    without_maps: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    elsewhere: int = 0


def import_yt360_maps(dataset: Path, folder: Path, name: str) -> ImportReport:
    """Write released maps as a set of labels of a dataset; clips with labels are not changed.

    Args:
        dataset: The dataset folder.
        folder: Contains one folder per clip.
        name: Name of the set of labels. Its maps have the size of the first map found.

    Raises:
        UserError: `dataset` or `folder` cannot be read, or no clip of the dataset has maps.
    """
    check_name(name)
    folders = clip_folders(folder)
    tasks = list(shard_tasks(dataset, SPLITS))
    known = {key: folders[key] for task in tasks for key in _keys(task) if key in folders}
    if not known:
        example = next((key for task in tasks for key in _keys(task)), "none")
        raise UserError(
            f"none of the {len(set(folders.values()))} folders in {folder} belongs to a clip of "
            f"{dataset} (such as {example}); folders are named VIDEOID-START",
            code="missing",
            key=folder,
        )
    height, width = _first_size(known)
    made_by = {"segmenter": "released maps"}
    labels = LabelSet(name=name, fps=YT360_FPS, height=height, width=width, made_by=made_by)
    labels.check(dataset)
    remove_leftovers(dataset, tasks, name)
    report = ImportReport()
    with Progress("importing", len(known), "clips") as progress:
        for task in tasks:
            with task.locked(name) as is_ours:
                if is_ours:
                    _import_shard(task, labels, known, report, progress)
                else:
                    report.elsewhere += 1
    return report


def clip_folders(folder: Path) -> dict[str, Path]:
    """Return clip key -> folder of its maps; a name with two meanings has two keys.

    Raises:
        UserError: `folder` is not a folder.
    """
    if not folder.is_dir():
        raise UserError(
            f"{folder} is not a folder; give the one that contains VIDEOID-START folders",
            code="missing",
            key=folder,
        )
    found: dict[str, Path] = {}
    for each in sorted(folder.iterdir()):
        if each.is_dir():
            # With a suffix, a dot in the name of a folder is not taken for one.
            found.setdefault(clip_key(video_id_of(PurePath(f"{each.name}.mp4")), 0), each)
            if (clip := _CLIP.fullmatch(each.name)) is not None:
                found[clip_key(clip[1], int(clip[2]))] = each
    return found


def read_yt360_maps(folder: Path, num_maps: int, size: tuple[int, int]) -> LabelMaps:
    """Read the maps of one clip.

    Args:
        folder: Contains ``things-NNNN.png`` and ``stuff-NNNN.png``.
        num_maps: Number of maps of the clip.
        size: Height and width of the result; other maps are resized to it.

    Raises:
        BadItem: There are no maps, or one cannot be read or holds a number that is not a class.
    """
    files = _files(folder)
    numbers = sorted(files["things"].keys() & files["stuff"].keys())
    if not numbers:
        raise BadItem("no-maps", f"{folder} has no pair of things-NNNN.png and stuff-NNNN.png")
    if num_maps * size[0] * size[1] > MAX_MAP_BYTES:
        raise BadItem("too-long", f"{num_maps} maps of {size[1]}x{size[0]} are too many")
    chosen = [max((n for n in numbers if n <= t), default=numbers[0]) for t in range(num_maps)]
    things = {n: _read_map(files["things"][n], size, NO_THING) for n in set(chosen)}
    stuff = {n: _read_map(files["stuff"][n], size, NO_STUFF) for n in set(chosen)}
    return LabelMaps(np.stack([things[n] for n in chosen]), np.stack([stuff[n] for n in chosen]))


def _import_shard(
    task: ShardTask,
    labels: LabelSet,
    folders: Mapping[str, Path],
    report: ImportReport,
    progress: Progress,
) -> None:
    made: dict[str, bytes] = {}
    for clip in task.missing(labels.name):
        key = task.reader.keys[clip]
        if key not in folders:
            report.without_maps += 1
            continue
        try:
            maps = read_yt360_maps(
                folders[key], task.num_maps(clip, labels.fps), (labels.height, labels.width)
            )
        except BadItem as error:
            progress.note(f"skipped {key}: {error.detail}")
            report.skipped[error.reason] += 1
        else:
            made[key] = encode_maps(maps)
            report.clips += 1
        progress.advance()
    if made:
        labels.create(task.dataset)
        task.write(labels.name, made)


def _keys(task: ShardTask) -> list[str]:
    return [task.reader.keys[clip] for clip in task.clips]


def _files(folder: Path) -> dict[str, dict[int, Path]]:
    files: dict[str, dict[int, Path]] = {"things": {}, "stuff": {}}
    for path in folder.iterdir():
        match = _MAP.fullmatch(path.name)
        if match:
            files[match[1]][int(match[2])] = path
    return files


def _first_size(folders: Mapping[str, Path]) -> tuple[int, int]:
    for folder in folders.values():
        for path in sorted(_files(folder)["things"].values()):
            with suppress(BadItem), open_image(path, _FORMATS, folder) as image:
                if image.height <= MAX_ROWS and image.width <= 2 * MAX_ROWS:
                    return image.height, image.width
    raise UserError(
        "none of the clips' folders contains a readable things-NNNN.png", code="missing"
    )


def _read_map(path: Path, size: tuple[int, int], largest: int) -> np.ndarray:
    try:
        with open_image(path, _FORMATS, path.parent) as image:
            values = np.asarray(image.convert("RGB"))[..., 0]  # as the authors' loader reads them
    except BadItem as error:
        raise BadItem("unreadable-map", error.detail) from None
    if values.max(initial=0) > largest:
        raise BadItem("unknown-class", f"{path} contains {values.max()}; the largest is {largest}")
    if values.shape != size:
        resized = Image.fromarray(values).resize((size[1], size[0]), Image.Resampling.NEAREST)
        values = np.asarray(resized)
    return values
