"""The commands that are compared between one process and an engine."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from subprocess import Popen
from typing import Literal

from kill.compare import Snapshot, snapshot

from yt360.catalog import Catalog, MediaFile
from yt360.shards.format.dataset_info import DatasetInfo

VIDEOS = 3
"""Scenes that are rendered, and videos in the catalog."""
ROLES: tuple[tuple[Literal["video", "sound"], str], ...] = (("video", ".mp4"), ("sound", ".flac"))
"""Roles and suffixes of a scene's media."""
SPEED = "per panorama"
"""Text in the one line of output that states a speed, and is left out."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A command that runs in a folder of its own.

    Attributes:
        name: Name to print.
        command: Its words, without those that choose the engine.
        prepare: Puts what it needs into its folder.
        makes: Pattern of an entry that its outcome has, or nothing would be compared.
        exit_code: Its exit code.
    """

    name: str
    command: tuple[str, ...]
    prepare: Callable[[Path], None] = lambda _: None
    makes: str
    exit_code: int = 0

    def faults(self, outcome: Snapshot) -> list[str]:
        """Return why an outcome is not that of a command that has done its work."""
        found = []
        if outcome["exit code"] != str(self.exit_code):
            found.append(f"exit code {outcome['exit code']}, not {self.exit_code}")
        if not any(fnmatchcase(name, self.makes) for name in outcome):
            found.append(f"there is no {self.makes}")
        return found


def trials(scenes: Path, dataset: Path, run: Path) -> list[Trial]:
    """Return a trial of each command that works on every engine, except ``build-shards``.

    Args:
        scenes: Folder of at least `VIDEOS` scenes.
        dataset: A dataset of them, with both splits.
        run: Folder of a run on it.
    """
    scenes, dataset, run = scenes.absolute(), dataset.absolute(), run.absolute()
    data = partial(copy_dataset, dataset)
    return [
        Trial(
            name="scenes",
            command=("yt360", "scenes", "made", "--videos", str(VIDEOS), "--size", "64x32",
                     "--duration-s", "2"),
            makes="made/*.mp4",
        ),
        Trial(
            name="inspect",
            command=("yt360", "inspect", "my.catalog"),
            prepare=partial(make_catalog, scenes),
            makes="my.catalog: verdicts *",
        ),
        Trial(
            name="pseudolabel",
            command=("yt360", "pseudolabel", "data", "--segmenter", "truth", "--scenes",
                     str(scenes), "--views", "panorama", "--height", "32"),
            prepare=data,
            makes="data/train/panoptic-*.tar",
        ),
        Trial(
            name="dedup",
            command=("yt360", "dedup", "data"),
            prepare=data,
            makes="data/duplicates/fingerprints/*",
        ),
        Trial(
            name="check",
            command=("yt360", "check", "data"),
            prepare=partial(copy_damaged_dataset, dataset),
            makes="printed",
            exit_code=1,
        ),
        Trial(
            name="localization",
            command=("avsa", "eval", "localization", str(run), "--data", str(dataset), "--out",
                     "results", "--device", "cpu", "--scenes", str(scenes), "--pictures", "1"),
            makes="results/eval/pictures/*",
        ),
    ]  # fmt: skip


def start(trial: Trial, folder: Path, words: Sequence[str]) -> Popen[bytes]:
    """Prepare a folder and start a trial's command in it; its output goes beside the folder.

    Args:
        trial: The trial.
        folder: A folder that does not exist.
        words: Words that choose the engine.
    """
    folder.mkdir(parents=True)
    trial.prepare(folder)
    program = [sys.executable, "-c", f"from {trial.command[0]}.cli import main; main()"]
    with _printed(folder).open("wb") as output, folder.with_suffix(".err").open("wb") as errors:
        return Popen(
            [*program, *trial.command[1:], *words], cwd=folder, stdout=output, stderr=errors
        )


def outcome(folder: Path, exit_code: int) -> Snapshot:
    """Return the exit code, the lines of standard output and the files of a command that ended.

    See `kill.compare.snapshot` for what is left out; so is the line with `SPEED`.
    """
    lines = _printed(folder).read_text().splitlines()
    kept = [line for line in lines if SPEED not in line]
    return {"exit code": str(exit_code), "printed": "\n".join(kept), **snapshot(folder)}


def make_catalog(scenes: Path, folder: Path) -> None:
    """Make a catalog that has downloaded some scenes."""
    with Catalog(folder / "my.catalog", create=True) as catalog:
        media = catalog.make_media()
        for number, video in enumerate(sorted(scenes.glob("*.mp4"))[:VIDEOS]):
            video_id = f"scene-{number:05d}"
            catalog.videos.add(video_id)
            for role, suffix in ROLES:
                source = video.with_suffix(suffix)
                shutil.copy(source, media / source.name)
                size = source.stat().st_size
                catalog.files.put(video_id, MediaFile(role=role, path=source.name, bytes=size))
            catalog.videos.requeue([video_id], "downloaded")


def copy_dataset(dataset: Path, folder: Path) -> None:
    """Copy a dataset without its labels to ``data``."""
    shutil.copytree(dataset, folder / "data", ignore=shutil.ignore_patterns("*panoptic*"))


def copy_damaged_dataset(dataset: Path, folder: Path) -> None:
    """Copy a dataset to ``data`` and invert a byte in the middle of each shard of clips."""
    copy_dataset(dataset, folder)
    for split, content in DatasetInfo.load(folder / "data").splits.items():
        for shard in content.shards:
            path = folder / "data" / split / shard.name
            with path.open("r+b") as file:
                file.seek(shard.bytes // 2)
                byte = file.read(1)[0]
                file.seek(shard.bytes // 2)
                file.write(bytes([byte ^ 0xFF]))


def _printed(folder: Path) -> Path:
    return folder.with_suffix(".out")
