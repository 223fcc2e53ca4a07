"""The split lists of UCF101 and HMDB51, and the videos that they name.

Layout of UCF101: videos ``CLASS/v_CLASS_gXX_cYY.avi``, lists ``ucfTrainTestlist/trainlist0N.txt``
(``CLASS/NAME.avi NUMBER``), ``testlist0N.txt`` (``CLASS/NAME.avi``) and ``classInd.txt`` (``NUMBER
CLASS``). Layout of HMDB51: videos ``CLASS/NAME.avi``, lists
``testTrainMulti_7030_splits/CLASS_test_splitN.txt`` (``NAME.avi FLAG``; 1 train, 2 test, 0 unused).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from yt360.errors import UserError
from yt360.splits import SPLITS
from yt360.terminal.text import printable
from yt360.untrusted.files import read_limited

DatasetName = Literal["ucf101", "hmdb51"]
MAX_LIST_BYTES = 16 << 20


class Entry(NamedTuple):
    """A video of a list.

    Attributes:
        split: ``"train"`` or ``"test"``.
        label: Name of the class, which is also the folder of the video.
        file: Name of the file.
    """

    split: str
    label: str
    file: str


@dataclass(frozen=True)
class ActionVideo:
    """A video of a fold.

    Attributes:
        name: ``CLASS/NAME.avi``.
        path: The file.
        label: Row of the class in `Fold.classes`.
        source: What videos that were cut from one recording have in common; the unit of intervals.
    """

    name: str
    path: Path
    label: int
    source: str


@dataclass(frozen=True)
class Fold:
    """A split of a data set into training and testing.

    Attributes:
        number: Number of the fold.
        classes: Names of the classes, sorted.
        train: Videos for training, in the order of the lists.
        test: Videos for testing.
        fingerprint: Numbers of videos, and a hash of their names, sizes and split.
    """

    number: int
    classes: tuple[str, ...]
    train: tuple[ActionVideo, ...]
    test: tuple[ActionVideo, ...]
    fingerprint: str


@dataclass(frozen=True)
class Layout:
    """How a data set lies in its folder.

    Attributes:
        title: Name of the data set.
        list_folder: Name of the folder of lists, in the root or beside it.
        video_folder: Name of a folder in the root that may hold the folders of the classes.
        list_pattern: Matches the names of lists; its group is the number of the fold.
        entries: Yields the entries of a fold, from the folder of the lists.
        source: Returns the `ActionVideo.source` of (class, file).
        num_classes: Classes of the whole data set.
        draws_per_video: Draws of each video in an epoch of training.
    """

    title: str
    list_folder: str
    video_folder: str
    list_pattern: re.Pattern[str]
    entries: Callable[[Path, int], Iterator[Entry]]
    source: Callable[[str, str], str]
    num_classes: int
    draws_per_video: int


def read_fold(dataset: DatasetName, root: Path, number: int) -> Fold:
    """Read a fold, and check that its videos exist.

    Args:
        dataset: Name of the data set.
        root: Folder that holds the folders of the classes, or `Layout.video_folder`. The lists lie
            in it or beside it.
        number: Number of the fold, from 1.

    Raises:
        UserError: ``"missing"``: There is no such folder, there are no lists, or none of this fold,
            or listed videos do not exist. ``"conflict"``: The lists are those of another data set,
            or contradict each other. ``"invalid"``: A line has another form.
    """
    layout = LAYOUTS[dataset]
    if not root.is_dir():
        raise UserError(
            f"there is no folder {root}; give the folder of {layout.title}", "missing", "--root"
        )
    entries = list(layout.entries(_lists_of_fold(layout, root, number), number))
    counts = Counter(f"{entry.label}/{entry.file}" for entry in entries)
    if repeated := [name for name, count in counts.items() if count > 1]:
        raise _conflict(layout, number, f"name {printable(repeated[0])} twice")
    labels = {split: {e.label for e in entries if e.split == split} for split in SPLITS}
    for split, other in (SPLITS, SPLITS[::-1]):
        if alone := sorted(labels[split] - labels[other]):
            raise _conflict(layout, number, f"have the class {alone[0]} in {split} only")
    if not entries:
        raise _conflict(layout, number, "name no video")
    return _fold(layout, root, number, entries)


def _fold(layout: Layout, root: Path, number: int, entries: list[Entry]) -> Fold:
    folder = root / layout.video_folder
    folder = folder if folder.is_dir() else root
    classes = sorted({entry.label for entry in entries})
    digest, missing = hashlib.sha256(), []
    videos: dict[str, list[ActionVideo]] = {split: [] for split in SPLITS}
    for entry in entries:
        name = f"{entry.label}/{entry.file}"
        try:
            size = (folder / name).stat().st_size
        except OSError:
            missing.append(name)
            continue
        digest.update(f"{entry.split} {name} {size}\n".encode("utf-8", "surrogateescape"))
        source = layout.source(entry.label, entry.file)
        videos[entry.split].append(
            ActionVideo(name, folder / name, classes.index(entry.label), source)
        )
    if missing:
        raise UserError(
            f"{len(missing)} of the {len(entries)} videos that fold {number} of {layout.title} "
            f"lists are not in {folder}, such as {printable(missing[0])}; unpack all of its videos "
            "there, or give another --root",
            "missing",
            "--root",
        )
    train, test = (tuple(videos[split]) for split in SPLITS)
    counts = f"{len(train)} + {len(test)} videos"
    return Fold(number, tuple(classes), train, test, f"{counts} ({digest.hexdigest()[:12]})")


def _lists_of_fold(layout: Layout, root: Path, number: int) -> Path:
    """Return the folder of the lists, which has some of this fold."""
    lists = _list_folder(layout, root)
    if lists is None:
        for name, other in LAYOUTS.items():
            if _list_folder(other, root) is not None:
                raise UserError(
                    f"{root} has the lists of {other.title}, not of {layout.title}; give "
                    f"--dataset {name}, or another --root",
                    "conflict",
                    "--dataset",
                )
        raise UserError(
            f"there is no folder {layout.list_folder} in {root} or beside it; unpack the split "
            f"lists of {layout.title} there, or give another --root",
            "missing",
            "--root",
        )
    matches = [layout.list_pattern.fullmatch(path.name) for path in lists.iterdir()]
    folds = sorted({int(match[1]) for match in matches if match})
    if number not in folds:
        known = ",".join(map(str, folds))
        then = f"give --folds {known}" if folds else "unpack all lists there"
        raise UserError(
            f"{lists} has no lists of fold {number}; {then}",
            "missing",
            "--folds",
        )
    return lists


def _list_folder(layout: Layout, root: Path) -> Path | None:
    places = (root / layout.list_folder, root.absolute().parent / layout.list_folder)
    return next((place for place in places if place.is_dir()), None)


def _ucf_entries(lists: Path, number: int) -> Iterator[Entry]:
    """Yield the entries of a fold of UCF101.

    The numbers of classes are only compared: with ``classInd.txt`` if it is there, and with each
    other.
    """
    numbers: dict[str, str] = {}
    if (lists / "classInd.txt").exists():
        for where, line in _lines(lists / "classInd.txt"):
            match line.split():
                case [digits, label] if digits.isdecimal():
                    numbers[label] = digits
                case _:
                    raise _bad_line(where, line, "NUMBER CLASS")
    complete = bool(numbers)
    for split in SPLITS:
        for where, line in _lines(lists / f"{split}list{number:02d}.txt"):
            path, *rest = line.rsplit(maxsplit=1) if split == "train" else [line]
            label, _, file = path.partition("/")
            numbered = len(rest) == 1 and rest[0].isdecimal()
            if not _is_plain(label) or not _is_plain(file) or numbered != (split == "train"):
                raise _bad_line(where, line, "CLASS/NAME.avi" + " NUMBER" * (split == "train"))
            if complete and label not in numbers:
                raise _foreign(where, f"the class {label} is not in classInd.txt")
            if rest and numbers.setdefault(label, rest[0]) != rest[0]:
                raise _foreign(where, f"{label} has the numbers {numbers[label]} and {rest[0]}")
            yield Entry(split, label, file)


def _hmdb_entries(lists: Path, number: int) -> Iterator[Entry]:
    """Yield the entries of a fold of HMDB51; unused videos are left out."""
    end = f"_test_split{number}.txt"
    for path in sorted(lists.glob(f"*{end}")):
        for where, line in _lines(path):
            file, *rest = line.rsplit(maxsplit=1)
            if not _is_plain(file) or rest not in (["0"], ["1"], ["2"]):
                raise _bad_line(where, line, "NAME.avi FLAG, the flag 0, 1 or 2")
            if rest != ["0"]:
                yield Entry(SPLITS[int(rest[0]) - 1], path.name.removesuffix(end), file)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines of a list that are not empty, each with its place."""
    try:
        text = read_limited(path, MAX_LIST_BYTES).decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        raise UserError(
            f"the split list {path} does not exist; unpack all lists there", "missing", path
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f"the split list {path} cannot be read: {error}", key=path) from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield f"{path}:{number}", line.strip()


def _is_plain(name: str) -> bool:
    """Return whether a name stays in its folder."""
    return bool(name) and "/" not in name and name not in (".", "..") and "\0" not in name


def _bad_line(where: str, line: str, form: str) -> UserError:
    return UserError(
        f"{where} is {printable(line[:80])!r}; a line of this list is {form}; unpack the lists "
        "again",
        "invalid",
        where,
    )


def _foreign(where: str, problem: str) -> UserError:
    return UserError(
        f"{where}: {problem}; use lists that belong together", "conflict", where.rpartition(":")[0]
    )


def _conflict(layout: Layout, number: int, problem: str) -> UserError:
    return UserError(
        f"the lists of fold {number} of {layout.title} {problem}; unpack the lists again",
        "conflict",
        "--root",
    )


LAYOUTS: dict[str, Layout] = {
    "ucf101": Layout(
        title="UCF101",
        list_folder="ucfTrainTestlist",
        video_folder="UCF-101",
        list_pattern=re.compile(r"(?:train|test)list(\d{2})\.txt"),
        entries=_ucf_entries,
        source=lambda label, file: f"{label}/{re.sub(r'_c[0-9]+[.].*$', '', file)}",
        num_classes=101,
        draws_per_video=5,
    ),
    "hmdb51": Layout(
        title="HMDB51",
        list_folder="testTrainMulti_7030_splits",
        video_folder="hmdb51_org",
        list_pattern=re.compile(r".+_test_split(\d+)\.txt"),
        entries=_hmdb_entries,
        source=lambda label, file: file.rpartition(f"_{label}_")[0] or file,
        num_classes=51,
        draws_per_video=10,
    ),
}
"""The data sets by name."""
