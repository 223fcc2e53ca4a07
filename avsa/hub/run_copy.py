"""A run in a bucket: it trains in a local folder, and each checkpoint is uploaded."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from avsa.data.remote.mirror import cache_folder
from avsa.training.checkpoint import FOLDER, checkpoints_of
from avsa.training.distributed import World, on_first_rank
from avsa.training.metrics_log import FILE_NAME as LOG_FILE
from avsa.training.run_folder import CONFIG_FILE, DATASET_FILE, PLUGINS_FILE, SUMS_FILE
from yt360.buckets.address import as_bucket_url
from yt360.buckets.bucket import Bucket
from yt360.buckets.cache import folder_name
from yt360.buckets.failures import Changed
from yt360.buckets.lease import LEASE_FILE, WriterLease
from yt360.errors import UserError
from yt360.files import atomic_write, private_folder, sha256_of
from yt360.locks import exclusive_lock
from yt360.terminal.output import echo

_SMALL_FILES = (DATASET_FILE, SUMS_FILE, PLUGINS_FILE, CONFIG_FILE, LOG_FILE)
_CHECKPOINT = re.compile(rf"{FOLDER}/step-[0-9]{{8,}}\.pt")


@contextmanager
def run_copy(
    url: str, cache: Path, resume: bool, bucket: Bucket | None = None
) -> Iterator[RunCopy]:
    """Lock a run in a bucket and its local folder; with `resume`, copy its newest checkpoint here.

    Args:
        url: URL of the run, such as ``s3://BUCKET/runs/avsa``.
        cache: Folder of the local folders of all runs.
        resume: Whether the run is to be resumed.
        bucket: The objects of the run; by default those at the URL.

    Raises:
        Locked: Another process trains there, on whatever machine.
        UserError: The bucket cannot be read or written, holds a run that is not to be resumed, or
            no run to resume.
    """
    bucket = bucket or Bucket(url)
    home = cache / folder_name(url)
    private_folder(cache)
    home.mkdir(exist_ok=True)
    with (
        exclusive_lock(home / "lock", url),
        WriterLease(bucket, _workspace_name(home / "workspace")) as lease,
    ):
        copy = RunCopy(bucket, home / home.name.rpartition("-")[0], lease.check)
        copy.pull(resume)
        yield copy


@contextmanager
def opened_run(
    out: str | None, resume: bool, world: World
) -> Iterator[tuple[Path | None, RunCopy | None]]:
    """Yield the local folder of a run on every rank and, on rank 0, its copy in a bucket if any.

    The copy is complete when the block ends without an error. Ranks must share the local disk.

    Args:
        out: Folder of the run, or its URL; None leaves the choice to the caller.
        resume: Whether the run is to be resumed.
        world: This process and the other ranks.

    Raises:
        UserError: See `run_copy`; or the last checkpoint cannot be uploaded.
    """
    url = None if out is None else as_bucket_url(out)
    if url is None:
        yield (None if out is None else Path(out)), None
        return
    copies: list[RunCopy] = []
    with ExitStack() as opened:

        def open_copy() -> Path:
            copies.append(opened.enter_context(run_copy(url, cache_folder() / "runs", resume)))
            return copies[0].run

        folder = on_first_rank(world, open_copy)
        yield folder, copies[0] if copies else None
        for copy in copies:
            copy.push_last()


class RunCopy:
    """A run in a bucket that this process has locked.

    Args:
        bucket: The objects of the run.
        run: The local folder.
        still_ours: Raises an error if another process has taken over.
    """

    def __init__(self, bucket: Bucket, run: Path, still_ours: Callable[[], None]) -> None:
        self.run, self._bucket, self._still_ours = run, bucket, still_ours

    def pull(self, resume: bool) -> None:
        """Bring the local folder to the state of the bucket, unless it has a newer checkpoint.

        Raises:
            UserError: The bucket holds a run that is not to be resumed, other objects, or no run.
        """
        names = self._bucket.sizes().keys() - {LEASE_FILE}
        if not resume:
            if names:
                raise UserError(
                    f"{self._bucket.url} already contains {min(names)}; add --resume to resume a "
                    "run, or choose another --out",
                    code="exists",
                    key="--out",
                )
            shutil.rmtree(self.run, ignore_errors=True)
            return
        if CONFIG_FILE not in names:
            raise UserError(
                f"{self._bucket.url} contains no run to resume; leave out --resume to start one",
                code="missing",
                key="--out",
            )
        stored = sorted(filter(_CHECKPOINT.fullmatch, names), key=_step)
        local = checkpoints_of(self.run)
        if (
            local
            and (not stored or _step(local[-1].name) >= _step(stored[-1]))
            and all(self._is_same(name) for name in (CONFIG_FILE, DATASET_FILE))
        ):
            return  # a checkpoint that could not be uploaded
        shutil.rmtree(self.run, ignore_errors=True)
        for name in (*_SMALL_FILES, *stored[-1:]):
            found = self._bucket.read(name)
            if found is not None:
                path = self.run / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with atomic_write(path) as file:
                    file.write(found.content)

    def _is_same(self, name: str) -> bool:
        stored, path = self._bucket.read(name), self.run / name
        return stored is not None and path.is_file() and path.read_bytes() == stored.content

    def push(self) -> None:
        """Upload the log and the checkpoints, and delete those that are not kept here.

        Raises:
            Changed: Another process has taken over.
            UserError: The bucket cannot be written.
        """
        self._still_ours()
        kept = [f"{FOLDER}/{path.name}" for path in checkpoints_of(self.run)]
        for name in (*_SMALL_FILES, *kept):
            path = self.run / name
            if path.exists():
                self._bucket.upload(name, path, sha256_of(path), self._still_ours)
        for name in self._bucket.sizes():
            if _CHECKPOINT.fullmatch(name) and name not in kept:
                self._bucket.delete(name)

    def push_last(self) -> None:
        """Upload what is not there at the end of training.

        Raises:
            UserError: The bucket cannot be written; the message names the local folder.
        """
        try:
            self.push()
        except UserError as error:
            raise UserError(f"{error}; the run is in {self.run}", error.code, error.key) from None

    def push_or_note(self) -> None:
        """Upload a checkpoint during training, which goes on if the bucket cannot be written.

        Raises:
            Changed: Another process has taken over.
        """
        try:
            self.push()
        except Changed:
            raise
        except UserError as error:
            echo(f"note: {error}; training goes on, and the next checkpoint is tried", err=True)


def _step(name: str) -> int:
    return int(name.rpartition("-")[2].removesuffix(".pt"))


def _workspace_name(path: Path) -> str:
    """Return the random name of a local folder, by which its killed process is recognized."""
    with suppress(FileNotFoundError):
        return path.read_text()[:100]
    name = secrets.token_hex(16)
    with atomic_write(path, "w") as file:
        file.write(name)
    return name
