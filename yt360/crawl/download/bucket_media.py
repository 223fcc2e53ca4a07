"""Downloads whose files belong in a bucket: upload them, then remove the local ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from yt360.buckets.bucket import Bucket
from yt360.buckets.copies import bucket_of
from yt360.buckets.media import upload_video
from yt360.catalog import Catalog
from yt360.catalog.records import JOB_STATES
from yt360.crawl.download.fetch import Fetched
from yt360.crawl.download.video_folder import video_folder
from yt360.crawl.failures import NotStored
from yt360.errors import UserError


def upload(
    url: str | None,
    video_id: str,
    folder: Path,
    fetched: Fetched,
    check_claim: Callable[[], None],
    open_bucket: Callable[[str], Bucket] = bucket_of,
) -> None:
    """Upload the files of a video and list them; nothing if the media folder is local.

    Args:
        url: The media folder in a bucket; None for a local one.
        video_id: The video.
        folder: Local folder of the files.
        fetched: The files.
        check_claim: Raises when the claim on the video is lost.
        open_bucket: Returns the objects under a URL.

    Raises:
        NotStored: The bucket cannot be written; the local files are kept.
    """
    if url is None or not fetched.files:
        return
    names = [file.path for file in fetched.files]
    try:
        upload_video(
            open_bucket(url), video_folder(video_id).as_posix(), folder, names, check_claim
        )
    except UserError as error:
        raise NotStored(str(error)) from error


def remove_uploaded(catalog: Catalog) -> None:
    """Remove local files that a killed run had uploaded and recorded; none of a local folder."""
    if catalog.media_url is None:
        return
    for folder in catalog.incoming.glob("[!.]*/*"):
        with suppress(UserError):  # it is of a video of another copy of the catalog
            if catalog.videos.get(folder.name).state not in JOB_STATES["download"]:
                shutil.rmtree(folder, ignore_errors=True)


def remove_local(catalog: Catalog, video_id: str) -> None:
    """Remove the local files and copies of a video whose new files are uploaded and recorded."""
    for folder in (catalog.incoming, catalog.media):
        shutil.rmtree(folder / video_folder(video_id), ignore_errors=True)
