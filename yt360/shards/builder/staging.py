"""Results that are not in a shard yet, stored in ``DATASET/.staging``.

Everything in `clips` and `analyses` is complete: it is written in `work` and renamed. After a kill,
the next build can use it, and processes of the killed build that still run, also on other machines,
cannot damage it: each build has a folder of its own in `work`, named at random, and the next build
removes it, so they have no place to write any more. Of two processes of one build that convert the
same clip, since one of them was thought to be lost, the first one wins; both have the same bytes.

The folder also holds the build's lock, so it is never emptied in place: it is renamed while the
lock is held, and the next build creates a new folder with a new lock.
"""

from __future__ import annotations

import errno
import json
import secrets
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from yt360.errors import UserError
from yt360.files import atomic_write, sync_folder, write_json
from yt360.media.layout.field_gain import FieldGain
from yt360.media.layout.warnings import LayoutWarning
from yt360.retry import RetryPolicy
from yt360.shards.builder.clip_selection import SelectedClip
from yt360.shards.builder.inputs.input_video import InputVideo
from yt360.shards.format.clip_facts import MAX_FACTS_BYTES, ClipFacts, parse_facts
from yt360.shards.format.dataset_info import Rejection
from yt360.shards.format.schema import CLIP_MEMBERS
from yt360.shards.format.writer import member_bytes
from yt360.untrusted.files import MAX_JSON_BYTES, read_limited
from yt360.untrusted.parsing import read_json

STAGING_FOLDER = ".staging"
STAGING_VERSION = 4
"""Files that another version staged are not used."""
_TRASH = f"{STAGING_FOLDER}-trash-"
_OLD_WORK = "old-work-"
_REJECTED_FILE = "rejected.json"
_MAX_MEMBER_BYTES = 1 << 40
# Some file systems keep files that an ending process has open.
_REMOVAL_RETRY = RetryPolicy(max_attempts=20, first_delay_s=0.1, factor=1.0)


@dataclass(frozen=True)
class InputAnalysis:
    """The selected clips and the rejected parts of an input.

    Attributes:
        fingerprint: Fingerprint of the input when it was analyzed.
        clips: Clips in order of time.
        rejected: Rejections of the whole file or of parts of it.
        notes: Notes on the input, one line each.
        doubts: Warnings about its audio layout, under the name that the staging folder stores.
        field_gain: Gain of W of the input; None if it is unknown or not wanted.
    """

    fingerprint: str
    clips: tuple[SelectedClip, ...]
    rejected: tuple[Rejection, ...]
    notes: tuple[str, ...] = ()
    doubts: tuple[LayoutWarning, ...] = ()
    field_gain: FieldGain | None = None


class StagingFolder:
    """The staging folder of a dataset.

    Args:
        dataset: The dataset folder.
        run: Name of the build (see `new_run`), to write; not needed to read.

    Raises:
        UserError: A part of the staging folder is a link.
    """

    def __init__(self, dataset: Path, run: str = "") -> None:
        self.folder = dataset / STAGING_FOLDER
        self.lock = self.folder / "lock"
        self._analyses, self._clips = self.folder / "analyses", self.folder / "clips"
        self._work = self.folder / "work"
        self._run = self._work / run
        self._options = self.folder / "options.json"
        for folder in (self.folder, self._analyses, self._clips, self._work):
            if folder.is_symlink():
                raise UserError(
                    f"{folder} is a link, which a build does not follow; remove it",
                    code="forbidden",
                    key=folder,
                )

    def prepare(self, options: Mapping[str, Any]) -> None:
        """Create the folders; remove unfinished results and results of other options."""
        wanted = json_bytes({"staging_version": STAGING_VERSION, **options})
        if self._staged_options() != wanted:
            _remove(self._clips)
            _remove(self._analyses)
            with atomic_write(self._options) as file:
                file.write(wanted)
        if self._work.exists():
            # Renamed at once: processes of a killed build may be adding files.
            self._work.rename(self.folder / f"{_OLD_WORK}{secrets.token_hex(4)}")
        for folder in (self._analyses, self._clips, self._run):
            folder.mkdir(parents=True, exist_ok=True)
        for pattern in (f"{_OLD_WORK}*", ".*.tmp", "analyses/.*.tmp"):
            for leftover in self.folder.glob(pattern):
                _remove(leftover)

    def _staged_options(self) -> bytes | None:
        try:
            return read_limited(self._options, MAX_JSON_BYTES, inside=self.folder)
        except (FileNotFoundError, ValueError):
            return None

    def exists(self) -> bool:
        """Return whether a build has left results or files to remove."""
        return self.folder.exists() or any(self._trash())

    def has_results(self) -> bool:
        """Return whether an analysis or a clip is staged."""
        return any(any(folder.glob("[!.]*")) for folder in (self._analyses, self._clips))

    def remove(self) -> None:
        """Remove the staging folder, and renamed folders that killed builds left."""
        self.folder.rename(self.folder.with_name(f"{_TRASH}{secrets.token_hex(4)}"))
        for trash in self._trash():
            _remove_with_retries(trash)

    def _trash(self) -> list[Path]:
        return list(self.folder.parent.glob(f"{_TRASH}*"))

    def scratch(self) -> Path:
        """Return a new folder for unfinished work."""
        return Path(mkdtemp(dir=self._run))

    def save_analysis(self, item: InputVideo, analysis: InputAnalysis) -> None:
        """Store the analysis of an input."""
        write_json(self._analysis_file(item), asdict(analysis))

    def load_analysis(
        self, item: InputVideo, fingerprint: str, retry: bool = False
    ) -> InputAnalysis | None:
        """Return the analysis of an input, or None if the input must be analyzed.

        An analysis is removed if it cannot be read, if the input has changed (its staged clips are
        removed too), or if `retry` is set and it has rejections other than leftover time.
        """
        file = self._analysis_file(item)
        try:
            analysis = read_json(file, InputAnalysis, inside=self.folder)
        except FileNotFoundError:
            return None
        except ValueError:
            file.unlink(missing_ok=True)
            return None
        is_outdated = analysis.fingerprint != fingerprint
        if is_outdated:
            self.discard(item.clip_key(clip.start_s) for clip in analysis.clips)
        if is_outdated or (retry and not all(each.is_rest for each in analysis.rejected)):
            file.unlink(missing_ok=True)
            return None
        return analysis

    def publish(self, key: str, scratch: Path) -> None:
        """Turn a scratch folder with all members of a clip into the staged clip `key`.

        If the clip is staged already, by another process of this build, nothing changes.
        """
        for path in (*scratch.iterdir(), scratch):
            sync_folder(path)
        try:
            scratch.rename(self._clips / key)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            _remove(scratch)

    def publish_rejection(self, key: str, rejection: Rejection) -> None:
        """Record that the clip `key` is rejected."""
        scratch = self.scratch()
        write_json(scratch / _REJECTED_FILE, asdict(rejection))
        self.publish(key, scratch)

    def find(self, key: str) -> int | Rejection | None:
        """Return the size or the rejection of the staged clip `key`; None if it is not staged."""
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
        return sum(member_bytes(size) for size in sizes)

    def members(self, key: str) -> dict[str, bytes]:
        """Return the members of a staged clip."""
        folder = self._clips / key
        try:
            return {
                member: read_limited(folder / f"clip.{member}", _MAX_MEMBER_BYTES, self.folder)
                for member in CLIP_MEMBERS
            }
        except ValueError as error:
            raise UserError(f"{error}; remove {folder}", key=folder) from None

    def facts(self, key: str) -> ClipFacts | None:
        """Return the facts of a staged clip; None if it is not staged, or rejected."""
        try:
            content = read_limited(member_file(self._clips / key, "json"), MAX_FACTS_BYTES)
            return parse_facts(content)
        except (FileNotFoundError, ValueError):
            return None

    def discard(self, keys: Iterable[str]) -> None:
        """Remove staged clips and rejections, each atomically."""
        for key in keys:
            folder = self._clips / key
            if folder.exists():
                trash = self.scratch() / key
                folder.rename(trash)
                _remove(trash.parent)

    def _analysis_file(self, item: InputVideo) -> Path:
        return self._analyses / f"{item.key}.json"


def new_run() -> str:
    """Return a new name for a build."""
    return secrets.token_hex(8)


def member_file(folder: Path, member: str) -> Path:
    """Return the path of a member of a clip, inside its scratch folder."""
    return folder / f"clip.{member}"


def json_bytes(value: Any) -> bytes:
    """Return `value` as one line of JSON with sorted keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def _remove_with_retries(folder: Path) -> None:
    with suppress(FileNotFoundError):  # another builder may remove it
        _REMOVAL_RETRY.call(
            lambda: shutil.rmtree(folder),
            is_transient=lambda error: isinstance(error, OSError) and folder.exists(),
        )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
