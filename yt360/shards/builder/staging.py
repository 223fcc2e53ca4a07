"""Finished work that is not in a shard yet, kept in ``DATASET/.staging``.

Whatever lies under `clips` or `plans` is whole: it was made in `work` and renamed. So a killed
build goes on with it, and a build that is still dying can harm nothing.

The folder holds the builder's lock, too. So it is never emptied in place: it gets another name
while the lock is held, and the next builder makes a folder, and a lock, of its own.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from yt360.errors import UserError
from yt360.files import atomic_write, sync_folder, write_json
from yt360.media.layout.doubts import Doubt
from yt360.shards.builder.cuts import ClipPlan
from yt360.shards.builder.inputs import InputVideo
from yt360.shards.format.schema import CLIP_MEMBERS, Rejection
from yt360.shards.format.writer import member_bytes
from yt360.untrusted.files import MAX_JSON_BYTES, read_limited
from yt360.untrusted.parsing import read_json

STAGING_FOLDER = ".staging"
STAGING_VERSION = 2
"""What another version has staged is made anew."""
_TRASH = f"{STAGING_FOLDER}-trash-"
_REJECTED_FILE = "rejected.json"
_MAX_MEMBER_BYTES = 1 << 40
_ATTEMPTS, _ATTEMPT_S = 20, 0.1


@dataclass(frozen=True)
class VideoPlan:
    """What an input gives: its clips, and what was turned down and why.

    Attributes:
        fingerprint: Of the input when it was looked at.
        clips: In order of time.
        rejected: The whole file, or stretches of it.
        notes: What a person should know of it, a line each.
        doubts: What speaks against the layout that its sound is taken for.
    """

    fingerprint: str
    clips: tuple[ClipPlan, ...]
    rejected: tuple[Rejection, ...]
    notes: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True)
class StagedClip:
    """A clip that waits for its shard, and the bytes that it will take there."""

    shard_bytes: int


class Staging:
    """The staging folder of a dataset; see the module.

    Args:
        dataset: The dataset folder.
    """

    def __init__(self, dataset: Path) -> None:
        self.folder = dataset / STAGING_FOLDER
        self.lock = self.folder / "lock"
        self._plans, self._clips = self.folder / "plans", self.folder / "clips"
        self._work = self.folder / "work"
        self._options = self.folder / "options.json"
        for folder in (self.folder, self._plans, self._clips, self._work):
            if folder.is_symlink():
                raise UserError(f"{folder} is a link, which a build does not follow; remove it")

    def prepare(self, options: Mapping[str, Any]) -> None:
        """Make the folders; drop what a killed build was in the middle of, or made otherwise."""
        wanted = json_bytes({"staging_version": STAGING_VERSION, **options})
        if self._staged_options() != wanted:
            _remove(self._clips)
            _remove(self._plans)
            with atomic_write(self._options) as file:
                file.write(wanted)
        for folder in (self._plans, self._clips, self._work):
            folder.mkdir(parents=True, exist_ok=True)
        leftovers = [*self.folder.glob(".*.tmp"), *self._plans.glob(".*.tmp")]
        for leftover in [*self._work.iterdir(), *leftovers]:
            _remove(leftover)

    def _staged_options(self) -> bytes | None:
        try:
            return read_limited(self._options, MAX_JSON_BYTES, inside=self.folder)
        except (FileNotFoundError, ValueError):
            return None

    @property
    def is_there(self) -> bool:
        """Whether there is anything to go on with, or to remove."""
        return self.folder.exists() or any(self._trash())

    def remove(self) -> None:
        """Remove the whole staging folder, and what killed builds left of theirs."""
        self.folder.rename(self.folder.with_name(f"{_TRASH}{secrets.token_hex(4)}"))
        for trash in self._trash():
            _remove_stubborn(trash)

    def _trash(self) -> list[Path]:
        return list(self.folder.parent.glob(f"{_TRASH}*"))

    def scratch(self) -> Path:
        """Return a new folder for unfinished work."""
        return Path(mkdtemp(dir=self._work))

    def save_plan(self, item: InputVideo, plan: VideoPlan) -> None:
        """Keep a plan."""
        write_json(self._plan_file(item), asdict(plan))

    def load_plan(
        self, item: InputVideo, fingerprint: str, retry: bool = False
    ) -> VideoPlan | None:
        """Return the plan of an input, if there is one.

        One for other content is dropped with its clips. With `retry` one that turns anything down
        is dropped, too, so that it is made anew; so is one that cannot be read.
        """
        try:
            plan = read_json(self._plan_file(item), VideoPlan, inside=self.folder)
        except FileNotFoundError:
            return None
        except ValueError:
            self.discard_plan(item)
            return None
        if plan.fingerprint != fingerprint:
            self.discard(item.clip_key(clip.start_s) for clip in plan.clips)
            self.discard_plan(item)
            return None
        if retry and not all(each.is_rest for each in plan.rejected):
            self.discard_plan(item)
            return None
        return plan

    def discard_plan(self, item: InputVideo) -> None:
        """Drop the plan of an input."""
        self._plan_file(item).unlink(missing_ok=True)

    def publish(self, key: str, made: Path) -> None:
        """Make a folder with all members of a clip the staged clip `key`."""
        for file in made.iterdir():
            _sync_file(file)
        sync_folder(made)
        made.rename(self._clips / key)

    def publish_rejection(self, key: str, rejection: Rejection) -> None:
        """Record that the clip `key` cannot be made."""
        made = self.scratch()
        write_json(made / _REJECTED_FILE, asdict(rejection))
        self.publish(key, made)

    def find(self, key: str) -> StagedClip | Rejection | None:
        """Return what is staged as `key`, if anything is."""
        folder = self._clips / key
        try:
            return read_json(folder / _REJECTED_FILE, Rejection, inside=self.folder)
        except FileNotFoundError:
            pass
        except ValueError:
            self.discard([key])
            return None
        try:
            sizes = [(folder / f"clip.{member}").lstat().st_size for member in CLIP_MEMBERS]
        except FileNotFoundError:
            return None
        return StagedClip(sum(member_bytes(size) for size in sizes))

    def members(self, key: str) -> dict[str, bytes]:
        """Return the members of a staged clip."""
        folder = self._clips / key
        try:
            return {
                member: read_limited(folder / f"clip.{member}", _MAX_MEMBER_BYTES, self.folder)
                for member in CLIP_MEMBERS
            }
        except ValueError as error:
            raise UserError(f"{error}; remove {folder}") from None

    def discard(self, keys: Iterable[str]) -> None:
        """Drop staged clips and rejections; each is there whole or gone, even after a kill."""
        for key in keys:
            folder = self._clips / key
            if folder.exists():
                trash = self.scratch() / key
                folder.rename(trash)
                _remove(trash.parent)

    def _plan_file(self, item: InputVideo) -> Path:
        return self._plans / f"{item.key}.json"


def member_file(folder: Path, member: str) -> Path:
    """Return where a member of a clip is made, inside a scratch folder."""
    return folder / f"clip.{member}"


def json_bytes(value: Any) -> bytes:
    """Return `value` as one line of JSON with sorted keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stubborn(folder: Path) -> None:
    for _ in range(_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_ATTEMPT_S)  # some file systems keep files that a dying process has open
    with suppress(FileNotFoundError):  # another builder may remove it, too
        shutil.rmtree(folder)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
