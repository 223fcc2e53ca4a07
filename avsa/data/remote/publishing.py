"""Copy small files of a mirror to its bucket."""

from __future__ import annotations

from pathlib import Path

from avsa.data.remote.mirror import is_mirror, read_remote
from yt360.buckets.address import is_read_only
from yt360.buckets.bucket import Bucket


def publish(path: Path) -> str:
    """Copy a file in the folder of a mirror to the dataset's bucket, and return its address.

    Nothing is copied if the folder is no mirror, or if its dataset is on a web server; the address
    is that of the file then.

    Args:
        path: The file.

    Raises:
        UserError: Another writer changes the file at the same time, or it cannot be written.
    """
    if not is_mirror(path.parent):
        return str(path)
    url = read_remote(path.parent).url
    if is_read_only(url):
        return str(path)
    bucket = Bucket(url)
    found = bucket.read(path.name)
    bucket.put(path.name, path.read_bytes(), None if found is None else found.version)
    return f"{url}/{path.name}"
