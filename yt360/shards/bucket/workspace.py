"""The local folder in which a dataset of a bucket is built.

The bucket holds the truth. The folder has copies of its lists, hollow shards
(`yt360.shards.bucket.hollow_shards`), and the staged clips of the build. It may be deleted when no
build runs; what is staged is then made again.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from yt360.buckets.bucket import MAX_OBJECT_BYTES, Bucket
from yt360.buckets.cache import cache_folder, folder_name
from yt360.buckets.failures import changed
from yt360.buckets.lease import LEASE_FILE, WriterLease
from yt360.duplicates.groups import GROUPS_FILE, folder_of_dataset
from yt360.errors import UserError
from yt360.files import atomic_write, private_folder, sha256_of
from yt360.locks import exclusive_lock
from yt360.shards.bucket.hollow_shards import KEPT, hollow_out, write_hollow
from yt360.shards.builder.staging import STAGING_FOLDER
from yt360.shards.format.columns import table_rows
from yt360.shards.format.dataset_info import DatasetInfo, ShardInfo
from yt360.shards.format.index_file import read_index
from yt360.shards.format.schema import CLIPS, DATASET_FILE, INDEX_FILE, ClipRow, parse_shard_name
from yt360.splits import SPLITS, Split
from yt360.untrusted.files import MAX_JSON_BYTES, read_limited

_WORKSPACE_FILE = "workspace"
_GROUPS = f"{folder_of_dataset(Path()).name}/{GROUPS_FILE}"


@contextmanager
def open_workspace(
    url: str, cache: Path | None = None, bucket: Bucket | None = None
) -> Iterator[Workspace]:
    """Lock the workspace of a dataset, and bring it to the state of the bucket.

    Args:
        url: URL of the dataset.
        cache: Folder of all workspaces; by default `cache_folder`.
        bucket: The objects of the dataset; by default those at the URL.

    Raises:
        Locked: Another process of this machine writes the dataset.
        UserError: The bucket cannot be read, or holds something else there.
    """
    bucket = bucket or Bucket(url)
    cache = cache or cache_folder()
    home = cache / folder_name(url)
    private_folder(cache)
    home.mkdir(exist_ok=True)
    with exclusive_lock(home / "lock", url):
        workspace = Workspace(bucket, home)
        workspace.pull()
        yield workspace


class Workspace:
    """A workspace that this process has locked; the `Publisher` of a build in it.

    Shards are uploaded and verified before ``dataset.json`` lists them. While a build runs, that
    list names the session of its writer, so its version changes with every writer: a writer whose
    lease was taken cannot replace it any more, whatever the clocks say.

    Args:
        bucket: The objects of the dataset.
        home: The locked folder.

    Attributes:
        folder: The dataset folder in it.
    """

    def __init__(self, bucket: Bucket, home: Path) -> None:
        self.folder = home / "dataset"
        self._bucket, self._home = bucket, home
        self._listed: str | None = None
        self._lease: WriterLease | None = None
        self._cleaned = False

    def pull(self) -> None:
        """Bring the lists to the state of the bucket, and remove shards that it does not list.

        Raises:
            UserError: The bucket cannot be read, or holds something else there.
        """
        stored = self._bucket.read(DATASET_FILE, MAX_JSON_BYTES)
        self.folder.mkdir(exist_ok=True)
        if stored is None:
            self._require_free()
            self._clear()
            return
        self._listed = stored.version
        for split in SPLITS:
            (self.folder / split).mkdir(exist_ok=True)
        incoming = self._home / "incoming"
        incoming.mkdir(exist_ok=True)
        _write(incoming / DATASET_FILE, stored.content)
        try:
            info = DatasetInfo.load(incoming)
        except UserError as error:
            raise UserError(
                str(error).replace(str(incoming), self._bucket.url), error.code, self._bucket.url
            ) from None
        self._drop_shards(_shards_of(info) & self._present())
        for name in (*(f"{split}/{INDEX_FILE}" for split in SPLITS), _GROUPS):
            self.pull_file(name)
        (incoming / DATASET_FILE).replace(self.folder / DATASET_FILE)
        if info.complete and not all(self._has_whole_index(split, info) for split in SPLITS):
            self._complete_shards()  # from which the build makes it again

    @contextmanager
    def writing(self) -> Iterator[None]:
        """See `Publisher`.

        Raises:
            Locked: Another writer, also on another machine, writes to the dataset.
            Changed: Another one has written since the lists were read.
        """
        with self.locked():
            self._complete_shards()
            yield

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lease of the dataset during the block, to write something other than shards.

        Raises:
            Locked: Another writer, also on another machine, writes to the dataset.
            Changed: Another one has written since the lists were read.
        """
        with WriterLease(self._bucket, self._workspace_name()) as self._lease:
            self._require_unchanged()
            yield

    @contextmanager
    def whole_shard(self, path: Path) -> Iterator[None]:
        """Copy a listed shard to its path in the workspace for the block; then it is hollow."""
        split, name = path.parent.name, path.name
        shards = DatasetInfo.load(self.folder).splits[split].shards
        shard = next(shard for shard in shards if shard.name == name)
        self._download(split, shard, path)
        try:
            yield
        finally:
            hollow_out(path)

    def shard(self, split: Split, shard: ShardInfo) -> None:
        """See `Publisher`; the local file is hollow afterwards."""
        path = self.folder / split / shard.name
        if shard.bytes > MAX_OBJECT_BYTES:
            raise UserError(
                f"{path} has {shard.bytes} bytes, and objects of buckets at most "
                f"{MAX_OBJECT_BYTES} here; give a smaller --shard-mb",
                code="out-of-range",
                key="--shard-mb",
            )
        name = f"{split}/{shard.name}"
        self._bucket.upload(name, path, shard.sha256, self._require_unchanged)
        hollow_out(path)

    def index(self, split: Split) -> None:
        """See `Publisher`."""
        self.push_file(f"{split}/{INDEX_FILE}")

    def lists(self, info: DatasetInfo) -> None:
        """See `Publisher`."""
        assert self._lease is not None, "the build writes inside of `writing`"
        self._lease.check()
        content = (self.folder / DATASET_FILE).read_bytes()
        if not info.complete:
            content = _signed(content, self._lease.session)
        self._listed = self._bucket.put(DATASET_FILE, content, self._listed)
        if not self._cleaned:  # now no other writer can list them
            self._remove_leftovers(info)
            self._cleaned = True

    def pull_file(self, name: str) -> None:
        """Copy a small file of the bucket; remove the local one if there is none."""
        stored, path = self._bucket.read(name), self.folder / name
        if stored is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(exist_ok=True)
        with suppress(OSError, ValueError):
            if read_limited(path, len(stored.content), self.folder) == stored.content:
                return
        _write(path, stored.content)

    def push_file(self, name: str) -> None:
        """Upload a file of the dataset folder whole, and verify it."""
        path = self.folder / name
        self._bucket.upload(name, path, sha256_of(path), self._require_unchanged)

    def _require_unchanged(self) -> None:
        """Check that nobody else has written ``dataset.json``, which a new writer does first."""
        stored = self._bucket.read(DATASET_FILE, MAX_JSON_BYTES)
        if (None if stored is None else stored.version) != self._listed:
            raise changed(f"{self._bucket.url}/{DATASET_FILE}")

    def _require_free(self) -> None:
        foreign = sorted(name for name in self._bucket.sizes() if name != LEASE_FILE)
        if foreign:
            raise UserError(
                f"{self._bucket.url} is not empty and not a dataset (it contains {foreign[0]!r}); "
                "give --out a new or empty folder",
                code="exists",
                key="--out",
            )

    def _remove_leftovers(self, info: DatasetInfo) -> None:
        """Delete shards that a killed build uploaded and did not list."""
        listed = {f"{split}/{shard.name}" for split, shard in _shards_of(info)}
        for name in self._bucket.sizes():
            split, _, file = name.partition("/")
            kind = parse_shard_name(file)
            if split in SPLITS and kind and kind[0] == CLIPS and name not in listed:
                self._bucket.delete(name)

    def _present(self) -> set[tuple[Split, ShardInfo]]:
        """Return the shards that the last run listed here, and whose files exist."""
        try:
            known = _shards_of(DatasetInfo.load(self.folder))
        except UserError:
            return set()
        return {(split, it) for split, it in known if (self.folder / split / it.name).exists()}

    def _clear(self) -> None:
        """Remove everything but staged clips."""
        for path in self.folder.iterdir():
            if path.name.startswith(STAGING_FOLDER):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _drop_shards(self, kept: set[tuple[Split, ShardInfo]]) -> None:
        names = {self.folder / split / shard.name for split, shard in kept}
        for split in SPLITS:
            for path in (self.folder / split).glob("*.tar"):
                if path not in names:
                    path.unlink()

    def _complete_shards(self) -> None:
        """Make hollow shards of the listed ones that are not here."""
        if not (self.folder / DATASET_FILE).exists():
            return
        info = DatasetInfo.load(self.folder)
        for split in SPLITS:
            folder, shards = self.folder / split, info.splits[split].shards
            missing = [shard for shard in shards if not (folder / shard.name).exists()]
            rows = self._rows(split, info) if missing else {}
            for shard in missing:
                path = folder / shard.name
                if len(rows.get(shard.name, ())) == shard.clips:
                    of_shard = rows[shard.name]
                    parts = [row.byte_range(KEPT) for row in of_shard]
                    facts = self._bucket.read_parts(f"{split}/{shard.name}", parts)
                    write_hollow(path, of_shard, facts, shard.bytes)
                else:  # the index of a killed build lacks its newest shards
                    self._download(split, shard, path)
                    hollow_out(path)

    def _download(self, split: str, shard: ShardInfo, path: Path) -> None:
        with atomic_write(path) as file:
            self._bucket.download(f"{split}/{shard.name}", file, shard.bytes, shard.sha256)

    def _rows(self, split: Split, info: DatasetInfo) -> dict[str, list[ClipRow]]:
        """Return the index of a split by shard; without rows that cannot be read."""
        rows: dict[str, list[ClipRow]] = {}
        with suppress(UserError):
            for row in table_rows(read_index(self.folder / split, info.splits[split])):
                rows.setdefault(row.shard, []).append(row)
        return rows

    def _has_whole_index(self, split: Split, info: DatasetInfo) -> bool:
        try:
            table = read_index(self.folder / split, info.splits[split])
        except UserError:
            return False
        return bool(table.num_rows == info.splits[split].clips)

    def _workspace_name(self) -> str:
        """Return the random name of this workspace, by which its killed writer is recognized."""
        path = self._home / _WORKSPACE_FILE
        with suppress(OSError, ValueError):
            return read_limited(path, 100, self._home).decode()
        name = secrets.token_hex(16)
        _write(path, name.encode())
        return name


def _shards_of(info: DatasetInfo) -> set[tuple[Split, ShardInfo]]:
    return {(split, shard) for split in SPLITS for shard in info.splits[split].shards}


def _signed(content: bytes, session: str) -> bytes:
    """Return the content of an unfinished ``dataset.json`` with the session of its writer."""
    value = json.loads(content)
    text = json.dumps({**value, "writer": session}, indent=2, sort_keys=True, ensure_ascii=False)
    return text.encode() + b"\n"


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)


def named_by_url(error: UserError, folder: Path, url: str) -> UserError:
    """Return an error about a workspace's dataset folder as one about the dataset's URL."""
    if error.code == "system" or str(folder) not in str(error):  # about this machine's disk
        return error
    key = None if error.key is None else error.key.replace(str(folder), url)
    return UserError(str(error).replace(str(folder), url), error.code, key)
