"""Media of a catalog in a bucket.

A video has a folder of objects: its files, and a list of them with sizes and checksums that is
written last. The list is replaced only in the version that was read. A second catalog is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from yt360.buckets.bucket import MAX_OBJECT_BYTES, Bucket, Stored
from yt360.errors import UserError
from yt360.files import sha256_of
from yt360.untrusted.parsing import Count, parse_json

LIST_FILE = "files.json"
OWNER_FILE = ".yt360-media"
_MAX_LIST_BYTES = 1 << 20
_MAX_OWNER_BYTES = 1000


@dataclass(frozen=True, kw_only=True)
class MediaObject:
    """A file as a list states it."""

    bytes: Count
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True, kw_only=True)
class MediaList:
    """The content of a list: the files of a video by name."""

    files: dict[str, MediaObject]


def claim_prefix(bucket: Bucket, catalog_id: str) -> None:
    """Make a prefix the media folder of a catalog, which needs the right to write there.

    Raises:
        UserError: It is that of another catalog, or cannot be read or written.
    """
    found = bucket.read(OWNER_FILE, _MAX_OWNER_BYTES)
    if found is None:
        bucket.put(OWNER_FILE, catalog_id.encode())
    elif found.content != catalog_id.encode():
        raise UserError(
            f"{bucket.url} holds the media of another catalog; give another folder",
            code="exists",
            key=bucket.url,
        )


def upload_video(
    bucket: Bucket,
    folder: str,
    source: Path,
    names: Sequence[str],
    still_ours: Callable[[], None] = lambda: None,
) -> None:
    """Upload the files of a video and list them; what is there already is not uploaded again.

    Args:
        bucket: The media folder of the catalog.
        folder: Folder of the video in it.
        source: Local folder of the files.
        names: Their names.
        still_ours: Raises an error when another worker has the video; called before each file.

    Raises:
        UserError: A file is too large, the bucket cannot be written, or another writer has listed
            files of this video in the meantime.
    """
    before = bucket.read(f"{folder}/{LIST_FILE}", _MAX_LIST_BYTES)
    files: dict[str, MediaObject] = {}
    for name in names:
        size = (source / name).stat().st_size
        if size > MAX_OBJECT_BYTES:
            raise UserError(
                f"{source / name} has {size / 1e9:.1f} GB; a bucket takes files of at most "
                f"{MAX_OBJECT_BYTES / 1e9:.0f} GB",
                code="unsupported",
            )
        still_ours()
        files[name] = MediaObject(bytes=size, sha256=sha256_of(source / name))
        bucket.upload(f"{folder}/{name}", source / name, files[name].sha256, still_ours)
    content = json.dumps(asdict(MediaList(files=files)), indent=2, sort_keys=True).encode() + b"\n"
    if before is None or before.content != content:
        version = None if before is None else before.version
        bucket.put(f"{folder}/{LIST_FILE}", content, version)
    for name in _parse(before) or {}:
        if name not in files:
            bucket.delete(f"{folder}/{name}")


def list_video(bucket: Bucket, folder: str) -> dict[str, MediaObject]:
    """Return the listed files of a video; empty if there is no list, or a damaged one."""
    return _parse(bucket.read(f"{folder}/{LIST_FILE}", _MAX_LIST_BYTES))


def delete_video(bucket: Bucket, folder: str) -> int:
    """Delete the files of a video, the list first; return their number."""
    files = list_video(bucket, folder)
    for name in (LIST_FILE, *files):
        bucket.delete(f"{folder}/{name}")
    return len(files)


def _parse(found: Stored | None) -> dict[str, MediaObject]:
    if found is None:
        return {}
    try:
        return parse_json(found.content, MediaList).files
    except ValueError:
        return {}
