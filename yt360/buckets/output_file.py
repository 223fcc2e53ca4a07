"""A single file as the output of a command, local or in a bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from shutil import rmtree
from tempfile import mkdtemp

from yt360.buckets.address import as_bucket_url
from yt360.buckets.bucket import Bucket
from yt360.errors import UserError
from yt360.files import sha256_of

PROBE_FILE = ".writable-"


@contextmanager
def written_file(out: str, open_bucket: Callable[[str], Bucket] | None = None) -> Iterator[Path]:
    """Yield a local path at which the block writes the file; one in a bucket is then uploaded.

    A small object is written and deleted first, so that missing rights are found before the work.

    Args:
        out: Path, or URL such as ``s3://BUCKET/features.parquet``. A file at the URL is replaced.
        open_bucket: Opens the prefix of a URL; by default with the credentials of the user.

    Raises:
        UserError: The bucket cannot be written. If that is found after the block, the message names
            the local file, which is kept.
    """
    url = as_bucket_url(out)
    if url is None:
        yield Path(out)
        return
    prefix, _, name = url.rpartition("/")
    bucket = (open_bucket or Bucket)(prefix)
    probe = f"{PROBE_FILE}{token_hex(8)}"
    bucket.put(probe, b"")
    bucket.delete(probe)
    folder = Path(mkdtemp(prefix="yt360-upload-"))
    path, is_kept = folder / name, False
    try:
        yield path
        try:
            bucket.upload(name, path, sha256_of(path))
        except UserError as error:
            is_kept = True
            raise UserError(f"{error}; the file is kept as {path}", error.code, error.key) from None
    finally:
        if not is_kept:
            rmtree(folder, ignore_errors=True)
